// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"context"
	"errors"
	"fmt"
	"net/http/httptest"
	"regexp"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/hub/odoo/wire"
)

const (
	odooName = "odoo"
	// marie presses the button.
	marie = "marie@example.com"
	// apiKey and channel are those of the played Odoo.
	apiKey  = "demo-api-key"
	channel = 42
)

// odoo is what is played of an Odoo, because none runs here: its control plane, and a channel of its Discuss. Both speak the real protocols, over loopback.
type odoo struct {
	plane   *controlplane.Fake
	discuss *controlplane.FakeOdoo
	web     *httptest.Server
	job     string
}

func (o *odoo) close() {
	o.plane.Close()
	o.web.Close()
}

// connectOdoo starts the played Odoo, and does what its administrator and the platform team do: a registration token into the Secret, a ControlPlane, an AuditSink.
func (d *Demo) connectOdoo(ctx context.Context) error {
	o := &odoo{
		plane:   controlplane.Start(controlplane.Options{ClusterID: "demo-fleet"}),
		discuss: &controlplane.FakeOdoo{Database: "prod", APIKey: apiKey, Channel: channel},
	}
	o.web = httptest.NewServer(o.discuss)
	d.odoo = o
	secret := &corev1.Secret{}
	key := types.NamespacedName{Namespace: install.HubNamespace, Name: opsv1alpha1.DefaultCredentialsSecret}
	if err := d.Hub.Get(ctx, key, secret); err != nil {
		return fmt.Errorf("find the Secret for credentials: %w", err)
	}
	secret.StringData = map[string]string{
		opsv1alpha1.SecretRegistrationToken: o.plane.RegistrationToken("demo-fleet"), opsv1alpha1.SecretAPIKey: apiKey,
	}
	for _, err := range []error{
		d.Hub.Update(ctx, secret),
		d.Hub.Create(ctx, &opsv1alpha1.ControlPlane{
			ObjectMeta: metav1.ObjectMeta{Name: odooName}, Spec: opsv1alpha1.ControlPlaneSpec{Endpoint: o.plane.URL()},
		}),
		d.Hub.Create(ctx, &opsv1alpha1.AuditSink{
			ObjectMeta: metav1.ObjectMeta{Name: "discuss"},
			Spec: opsv1alpha1.AuditSinkSpec{
				SecretName: opsv1alpha1.DefaultCredentialsSecret,
				Discuss:    &opsv1alpha1.DiscussSink{Endpoint: o.web.URL, Database: o.discuss.Database, Channel: channel},
			},
		}),
	} {
		if err != nil {
			return fmt.Errorf("connect the Odoo: %w", err)
		}
	}
	cp := &opsv1alpha1.ControlPlane{}
	err := d.until(ctx, func(ctx context.Context) (bool, error) {
		err := d.Hub.Get(ctx, types.NamespacedName{Name: odooName}, cp)
		return meta.IsStatusConditionTrue(cp.Status.Conditions, opsv1alpha1.ConditionConnected), err
	})
	if err != nil {
		return fmt.Errorf("wait for ControlPlane %s to be Connected (it says %+v): %w", odooName, cp.Status.Conditions, err)
	}
	d.screen.Say("ControlPlane %s is registered as %s: the hub asks it for jobs, and tells it what happens", odooName, cp.Status.ClusterID)
	return nil
}

// askByOdoo has a person in Odoo ask for an Operation, and waits until it is there.
func askByOdoo(ctx context.Context, d *Demo, op *opsv1alpha1.Operation) (err error) {
	if err := d.connectOdoo(ctx); err != nil {
		return err
	}
	d.odoo.job, err = d.odoo.plane.EnqueueJob(controlplane.NewJob{
		Job: wire.Job{
			Kind: wire.KindIntent, IdempotencyKey: "operation/" + op.Namespace + "/" + op.Name + "@1", RequestedBy: marie, ExpiresAt: time.Now().Add(15 * time.Minute),
		},
		Object: map[string]any{"intent": "request-operation", "operation": op},
	})
	if err != nil {
		return err
	}
	return d.until(ctx, func(ctx context.Context) (bool, error) {
		if r := d.odoo.plane.Job(d.odoo.job).Result; r != nil && r.Outcome == wire.OutcomeFailed {
			return false, fmt.Errorf("job %s: %s", d.odoo.job, r.Error)
		}
		err := d.Hub.Get(ctx, client.ObjectKeyFromObject(op), op)
		if apierrors.IsNotFound(err) {
			return false, nil
		}
		return err == nil, err
	})
}

// whatOdooSaw waits until Odoo knows how it ended, and prints what it was told.
func whatOdooSaw(ctx context.Context, d *Demo) error {
	o := d.odoo
	result, err := o.plane.WaitResult(ctx, o.job)
	if err != nil {
		return err
	}
	told := func() (events []wire.Event, ended bool) {
		for _, e := range o.plane.Events() {
			if e.ResourceRef.Kind == "Operation" && e.ResourceRef.Name == backupName && !e.Snapshot {
				events = append(events, e)
				ended = ended || e.Kind == wire.EventCondition && e.Terminal()
			}
		}
		return events, ended
	}
	if err := o.plane.Wait(ctx, func() bool { _, ended := told(); return ended }); err != nil {
		return fmt.Errorf("wait for Odoo to be told how Operation %s ended: %w", backupName, err)
	}
	if wrong := o.plane.Violations(); len(wrong) > 0 {
		return fmt.Errorf("the hub has broken the protocol: %s", strings.Join(wrong, "; "))
	}
	thread, err := d.thread(ctx)
	if err != nil {
		return err
	}
	d.screen.Say("What Odoo saw of job %s (request-operation, asked by %s):", o.job, marie)
	d.screen.Say("  ack")
	last := ""
	for _, s := range o.plane.Job(o.job).Statuses {
		if line := strings.TrimSpace(s.Phase + "  " + s.Message); line != last {
			d.screen.Say("  status  %s", line)
			last = line
		}
	}
	d.screen.Say("  result  %s  %s %s/%s", result.Outcome, result.AppliedRef.Kind, result.AppliedRef.Namespace, result.AppliedRef.Name)
	events, _ := told()
	for _, e := range events {
		d.screen.Say("  event   %s", describe(e))
	}
	d.screen.Say("and in Discuss, where one message per Operation is edited as it goes:")
	for _, line := range thread {
		d.screen.Say("  %s", line)
	}
	return nil
}

// describe an event in a line.
func describe(e wire.Event) string {
	var words []string
	for _, c := range e.Conditions {
		words = append(words, fmt.Sprintf("%s=%s (%s)", c.Type, c.Status, c.Reason))
	}
	if e.Cluster != "" {
		words = append([]string{e.Cluster}, words...)
	}
	return e.Kind + "  " + strings.Join(words, " ")
}

var tag = regexp.MustCompile(`<[^>]*>`)

// thread is what stands in Discuss about the backup when it has ended, a line for each message.
func (d *Demo) thread(ctx context.Context) (lines []string, err error) {
	err = d.until(ctx, func(context.Context) (bool, error) {
		if wrong := d.odoo.discuss.Wrong(); len(wrong) > 0 {
			return false, errors.New(strings.Join(wrong, "; "))
		}
		lines = lines[:0]
		answered := false
		for _, m := range d.odoo.discuss.Messages() {
			text := strings.Join(strings.Fields(tag.ReplaceAllString(strings.ReplaceAll(m.Body, "<", " <"), "")), " ")
			if !strings.Contains(m.Body, backupName) && m.ParentID == 0 {
				continue
			}
			edits := ""
			if m.Edits > 0 {
				edits = fmt.Sprintf(" (edited %d times)", m.Edits)
			}
			lines = append(lines, text+edits)
			answered = answered || m.ParentID != 0
		}
		return answered, nil
	})
	if err != nil {
		return nil, fmt.Errorf("wait for the thread in Discuss: %w", err)
	}
	return lines, nil
}
