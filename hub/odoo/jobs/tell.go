// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"crypto/sha256"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/stream"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// statusEvery is the least time between two statuses of a job.
const statusEvery = 2 * time.Second

// told is what has been said of an open job since the hub began. After a restart it is said again, which harms nobody.
type told struct {
	status  [sha256.Size]byte
	at      time.Time
	mute    bool // the control plane wants to hear no status of it
	refusal bool // that it was refused has been told
}

// wait for something to change, and say meanwhile how far the job is.
func (w *work) wait(ctx context.Context, status wire.Status) (time.Duration, error) {
	again := turnAgain
	if w.r.State == StateApplied {
		again = followAgain
		if left := w.s.Timeout - w.s.Client.Now().Sub(w.r.AppliedAt); left > 0 {
			again = min(again, left)
		}
	}
	early, err := w.tellStatus(ctx, status)
	if early > 0 {
		again = min(again, early)
	}
	return max(again, 10*time.Millisecond), err
}

// tellStatus unless it is known, or told too soon after the one before. It tells when it may be told then.
func (w *work) tellStatus(ctx context.Context, status wire.Status) (time.Duration, error) {
	name := w.r.name()
	known := w.toldOf(name)
	digest := digestOf(&status)
	if status.Phase == "" || known.mute || known.status == digest {
		return 0, nil
	}
	now := w.Clock.Now()
	if left := statusEvery - now.Sub(known.at); left > 0 {
		return left, nil
	}
	status.Timestamp = status.Timestamp.UTC().Truncate(time.Second)
	err := w.s.Client.Status(ctx, w.r.Job.ID, status)
	switch {
	case err == nil:
		known.status, known.at = digest, now
	case wire.Closed(err), wire.Rejected(err):
		known.mute = true // the result is all that counts
	default:
		return 0, err
	}
	w.setTold(name, known)
	return 0, nil
}

// digestOf a status, without the time.
func digestOf(status *wire.Status) [sha256.Size]byte {
	plain := *status
	plain.Timestamp = time.Time{}
	raw, err := json.Marshal(&plain)
	if err != nil {
		return [sha256.Size]byte{} // conditions always encode
	}
	return sha256.Sum256(raw)
}

// tellRefusal to those who audit, and to people who look at the ControlPlane.
func (w *work) tellRefusal(ctx context.Context) error {
	name := w.r.name()
	known := w.toldOf(name)
	if !w.r.Refused || known.refusal {
		return nil
	}
	if w.Teller != nil {
		err := w.Teller.Post(ctx, "refused/"+name, []wire.Event{w.refusal()})
		if errors.Is(err, stream.ErrFull) { // the result says it, and must not wait for others
			w.log.Error(err, "not all who audit are told of a job that was refused", "job", w.r.source())
		} else if err != nil {
			return fmt.Errorf("tell of a job that was refused: %w", err)
		}
	}
	w.warn(w.s, fmt.Sprintf("job %s: %s: %s", w.r.Job.ID, w.r.Result.Outcome, w.r.Result.Error))
	known.refusal = true
	w.setTold(name, known)
	return nil
}

// refusal as an event. Its key is the same whenever it is told.
func (w *work) refusal() wire.Event {
	result := w.r.Result
	return wire.Event{
		EventKey: "job/" + w.r.source() + "/refused",
		Kind:     wire.EventJobRefused,
		ResourceRef: wire.Ref{
			APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "ControlPlane", Name: w.s.ControlPlane, UID: string(w.s.UID),
		},
		Conditions: []metav1.Condition{{
			Type: "Refused", Status: metav1.ConditionTrue, Reason: wire.EventJobRefused, Message: result.Error, LastTransitionTime: metav1.NewTime(result.Timestamp),
		}},
		Timestamp: result.Timestamp,
		Cluster:   w.s.ManagedCluster,
		Audit:     &wire.Audit{OnBehalfOf: w.r.Job.RequestedBy, Job: w.r.source(), Action: w.r.Job.Kind},
	}
}

// warn people by an Event of the ControlPlane.
func (j *Jobs) warn(s *Session, message string) {
	j.log.Info("a job was refused", "controlPlane", s.ControlPlane, "why", message)
	if j.Events == nil {
		return
	}
	about := &opsv1alpha1.ControlPlane{ObjectMeta: metav1.ObjectMeta{Name: s.ControlPlane, UID: s.UID}}
	j.Events.Eventf(about, nil, corev1.EventTypeWarning, wire.EventJobRefused, "CarryOut", "%s", opsv1alpha1.Truncate(message, opsv1alpha1.MaxMessage))
}

func (j *Jobs) toldOf(name string) told {
	j.mu.Lock()
	defer j.mu.Unlock()
	return j.told[name]
}

func (j *Jobs) setTold(name string, t told) {
	j.mu.Lock()
	defer j.mu.Unlock()
	j.told[name] = t
}

func (j *Jobs) forgetTold(name string) {
	j.mu.Lock()
	defer j.mu.Unlock()
	delete(j.told, name)
}
