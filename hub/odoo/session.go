// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"fmt"
	"sync"
	"time"

	"k8s.io/utils/clock"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

const (
	kindControlPlane = "ControlPlane"
	// heartbeatEvery so often a control plane hears that the hub is well.
	heartbeatEvery = time.Minute
)

// session is what runs for a ControlPlane while it and its Secret stay the same.
type session struct {
	link *link
	made fingerprint
	stop context.CancelFunc
	done chan struct{}

	rotating sync.Mutex // held while credentials are exchanged
	rotated  time.Time  // when its credentials were last exchanged, by the control plane's clock; zero when they were not
}

// fingerprint of what a session was made from, without the token, which may change under way.
type fingerprint struct {
	generation int64
	secret     string
}

// heartbeats are told while the session lasts, the first at once: it tells us too how the other side is. One that could not be told is left out: the next comes.
func (s *session) heartbeats(ctx context.Context, c clock.Clock, beat func() wire.Event) {
	defer close(s.done)
	for {
		_ = s.link.events(ctx, []wire.Event{beat()}) // the link knows how it went
		select {
		case <-ctx.Done():
			return
		case <-c.After(heartbeatEvery):
		}
	}
}

// heartbeat of a ControlPlane, with its conditions.
func heartbeat(cp *opsv1alpha1.ControlPlane, clusterID string, now time.Time) wire.Event {
	return wire.Event{
		EventKey:    fmt.Sprintf("heartbeat/%s/%d", clusterID, now.UnixMilli()),
		Kind:        wire.EventHeartbeat,
		ResourceRef: refOf(cp),
		Conditions:  cp.Status.Conditions,
		Timestamp:   now.UTC().Truncate(time.Second),
		Cluster:     cp.Spec.ManagedCluster,
	}
}

// rotation as an event.
func rotation(cp *opsv1alpha1.ControlPlane, now time.Time) wire.Event {
	return wire.Event{
		EventKey:    fmt.Sprintf("credentials/%s/%d", cp.UID, now.Unix()),
		Kind:        wire.EventCredentialRotated,
		ResourceRef: refOf(cp),
		Conditions: []metav1.Condition{{
			Type: opsv1alpha1.ConditionAuthenticated, Status: metav1.ConditionTrue, Reason: opsv1alpha1.ReasonCredentialRotated,
			Message: "credentials were exchanged for new ones", LastTransitionTime: metav1.NewTime(now.Truncate(time.Second)),
		}},
		Timestamp: now.UTC().Truncate(time.Second),
		Cluster:   cp.Spec.ManagedCluster,
	}
}

func refOf(cp *opsv1alpha1.ControlPlane) wire.Ref {
	return wire.Ref{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: kindControlPlane, Name: cp.Name, UID: string(cp.UID), Generation: cp.Generation}
}
