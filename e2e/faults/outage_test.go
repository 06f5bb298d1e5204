// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// outage is for how long something is away.
const outage = 1500 * time.Millisecond

// outageCase is what happens to everything at once while a story is told, at moments that the seed decides.
type outageCase struct {
	name string
	// wires of both components; nil for none.
	wires func(random *rand.Rand) Rule
	// meanwhile is done once the story has begun.
	meanwhile func(ctx context.Context, w *World) error
	// clock of both components; nil for the real one.
	clock func(random *rand.Rand) *jumping
	// felt says that calls fail while it lasts: a telling in which none did was not struck.
	felt bool
}

var outages = []outageCase{
	{name: "storm", felt: true, wires: func(r *rand.Rand) Rule { return Storm(r, 2*time.Second, 0.3) }},
	{name: "late events", wires: func(r *rand.Rand) Rule { return Late(r, 60*time.Millisecond) }},
	{name: "two of each", wires: func(*rand.Rand) Rule {
		return func(w *Wire, _ Call, send Send) (*http.Response, error) {
			w.usurp()
			return send()
		}
	}},
	{name: "the hub's API server dies", felt: true, meanwhile: restart("hub-kube-apiserver")},
	{name: "the spoke's API server dies", felt: true, meanwhile: restart("spoke1-kube-apiserver")},
	{name: "etcd is full", felt: true, meanwhile: func(ctx context.Context, w *World) error {
		return between(ctx, w, func() error { return w.alarm(ctx, "ACTIVATE") }, func() error { return w.alarm(context.Background(), "DEACTIVATE") })
	}},
	{name: "a webhook is down", felt: true, meanwhile: func(ctx context.Context, w *World) error {
		return between(ctx, w, func() error { return w.webhook(ctx, true) }, func() error { return w.webhook(context.Background(), false) })
	}},
	{name: "both die again and again", meanwhile: func(ctx context.Context, w *World) error {
		for range 5 {
			if pause(ctx, time.Duration(w.Random.Int64N(int64(600*time.Millisecond)))) {
				return nil
			}
			w.Kill(Components[w.Random.IntN(len(Components))])
		}
		return nil
	}},
	{name: "feedback comes twice and late", meanwhile: func(_ context.Context, w *World) error {
		w.play.echo.Store(true)
		return nil
	}},
	{name: "the clock jumps", clock: func(*rand.Rand) *jumping { return &jumping{} }, meanwhile: func(ctx context.Context, w *World) error {
		for _, by := range []time.Duration{time.Hour, -time.Hour, -time.Hour, time.Hour} {
			if pause(ctx, time.Duration(w.Random.Int64N(int64(500*time.Millisecond)))) {
				return nil
			}
			w.Clock.(*jumping).jump(by)
		}
		return nil
	}},
}

// TestOutages: whatever is away or in trouble for a while, stories come out as when nothing is.
func TestOutages(t *testing.T) {
	for _, s := range stories {
		t.Run(s.Name, func(t *testing.T) {
			t.Parallel()
			calm := undisturbed(t, s)
			for _, o := range outages {
				if !*long && s.Name != "job" && !chosen(s.Name+" "+o.name) {
					continue
				}
				t.Run(strings.ReplaceAll(o.name, " ", "_"), func(t *testing.T) {
					t.Parallel()
					r := tell(t, s, o.faults(s.Name), calm)
					tried.add("outage:", o.name, !o.felt || r.Failed > 0)
				})
			}
		})
	}
}

func (o outageCase) faults(story string) Faults {
	random := rand.New(rand.NewPCG(*seed, uint64(len(story)+len(o.name))))
	f := Faults{Rules: map[string]func(int) Rule{}, Meanwhile: o.meanwhile, Random: random}
	if o.wires != nil {
		for _, c := range Components {
			f.Rules[c.Name] = once(o.wires(rand.New(rand.NewPCG(random.Uint64(), 0))))
		}
	}
	if o.clock != nil {
		f.Clock = o.clock(random)
	}
	return f
}

// between makes something bad once the story is under way, and good again, also when the story is over before.
func between(ctx context.Context, w *World, bad, good func() error) error {
	if err := w.underWay(); err != nil {
		return err
	}
	err := bad()
	pause(ctx, outage)
	return errors.Join(err, good())
}

// restart kills an API server; a new one takes seconds to come up.
func restart(process string) func(context.Context, *World) error {
	return func(ctx context.Context, w *World) error {
		if pause(ctx, time.Duration(w.Random.Int64N(int64(time.Second)))) {
			return nil
		}
		w.unseen.Store(true)
		if err := w.fleet.Process(process).Restart(); err != nil {
			return err
		}
		return w.back()
	}
}

// back waits until both API servers answer.
func (w *World) back() error {
	return w.insist(func() error {
		for _, config := range []API{OnHub, OnSpoke} {
			if w.revision(w.ctx, config) == "" {
				return errOutage
			}
		}
		return nil
	})
}

// alarm makes etcd refuse every write, as one does that has reached its quota.
func (w *World) alarm(ctx context.Context, action string) error {
	body := fmt.Sprintf(`{"action":%q,"memberID":"1","alarm":"NOSPACE"}`, action)
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, w.fleet.EtcdURL+"/v3/maintenance/alarm", bytes.NewBufferString(body))
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	if said, _ := io.ReadAll(resp.Body); resp.StatusCode != http.StatusOK {
		return fmt.Errorf("etcd: %s: %s", resp.Status, said)
	}
	return nil
}

// webhook puts one in the way of every write of ours that nobody serves, or takes it away.
func (w *World) webhook(ctx context.Context, there bool) error {
	rule := func(group string, resources ...string) admissionregistrationv1.RuleWithOperations {
		return admissionregistrationv1.RuleWithOperations{
			Operations: []admissionregistrationv1.OperationType{admissionregistrationv1.Create, admissionregistrationv1.Update},
			Rule:       admissionregistrationv1.Rule{APIGroups: []string{group}, APIVersions: []string{"*"}, Resources: resources},
		}
	}
	down := &admissionregistrationv1.ValidatingWebhookConfiguration{
		ObjectMeta: metav1.ObjectMeta{Name: "down"},
		Webhooks: []admissionregistrationv1.ValidatingWebhook{{
			Name: "down.example.com", AdmissionReviewVersions: []string{"v1"}, SideEffects: ptr.To(admissionregistrationv1.SideEffectClassNone),
			FailurePolicy: ptr.To(admissionregistrationv1.Fail), ClientConfig: admissionregistrationv1.WebhookClientConfig{URL: ptr.To("https://127.0.0.1:1/")},
			Rules: []admissionregistrationv1.RuleWithOperations{
				rule("ops.vworkspace.io", "operations", "operations/status"), rule("apps.vworkspace.io", "applicationinstances", "applicationinstances/status"),
				rule("work.open-cluster-management.io", "manifestworks"), rule("batch", "jobs"), rule("velero.io", "*"), rule("argoproj.io", "*"),
			},
		}},
	}
	var errs []error
	for _, api := range []API{OnHub, OnSpoke} {
		if there {
			errs = append(errs, w.client(api).Create(ctx, down.DeepCopy()))
		} else {
			errs = append(errs, client.IgnoreNotFound(w.client(api).Delete(ctx, down.DeepCopy())))
		}
	}
	return errors.Join(errs...)
}
