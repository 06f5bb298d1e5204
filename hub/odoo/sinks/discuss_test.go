// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"context"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	clocktesting "k8s.io/utils/clock/testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/wire"
)

const secretKey = "5ecre7-key"

// discuss is a sink, the fake Odoo that it writes to, and their clock.
type discuss struct {
	*Discuss
	t     *testing.T
	odoo  *controlplane.FakeOdoo
	clock *clocktesting.FakeClock
	url   string
	api   opsv1alpha1.DiscussAPI
}

func newDiscuss(t *testing.T, api opsv1alpha1.DiscussAPI) *discuss {
	d := &discuss{
		t: t, api: api, clock: clocktesting.NewFakeClock(time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)),
		odoo: &controlplane.FakeOdoo{Database: "prod", Login: "hub", APIKey: secretKey, Channel: 42, OneID: api == opsv1alpha1.DiscussJSONRPC},
	}
	server := httptest.NewServer(d.odoo)
	t.Cleanup(server.Close)
	d.url = server.URL
	d.restart()
	return d
}

// restart the sink: it knows nothing any more.
func (d *discuss) restart() {
	d.t.Helper()
	sink, err := NewDiscuss("auditsink/channel", d.api, OdooAccount{Endpoint: d.url + "/", Database: "prod", Login: "hub", APIKey: secretKey}, 42, nil, d.clock)
	if err != nil {
		d.t.Fatal(err)
	}
	d.Discuss = sink
}

func (d *discuss) tell(events ...wire.Event) error {
	d.t.Helper()
	return d.Deliver(context.Background(), events)
}

func (d *discuss) mustTell(events ...wire.Event) {
	d.t.Helper()
	if err := d.tell(events...); err != nil {
		d.t.Fatal(err)
	}
}

// check that the channel holds these messages, by what they contain, and that the fake understood all.
func (d *discuss) check(want ...string) {
	d.t.Helper()
	messages := d.odoo.Messages()
	if len(messages) != len(want) {
		d.t.Fatalf("messages %+v, want %d", messages, len(want))
	}
	for i, part := range want {
		if !strings.Contains(messages[i].Body, part) {
			d.t.Errorf("message %d is %q, want %q in it", i, messages[i].Body, part)
		}
	}
	for _, wrong := range d.odoo.Wrong() {
		d.t.Errorf("the fake Odoo did not understand: %s", wrong)
	}
}

func transition(condition, message string, a wire.Audit) wire.Event {
	a.RequestedBy, a.OnBehalfOf, a.Action, a.Target = "system:serviceaccount:x:y", "Ada <ada@example.com>", "Backup", "Placement/prod"
	return wire.Event{
		EventKey: condition + message, Kind: wire.EventCondition,
		ResourceRef: wire.Ref{APIVersion: "ops.vworkspace.io/v1alpha1", Kind: "Operation", Namespace: "team", Name: "nightly", UID: "uid-1"},
		Conditions:  []metav1.Condition{{Type: condition, Status: metav1.ConditionTrue, Reason: "Because", Message: message}}, Audit: &a,
	}
}

func TestDiscussHasOneThreadForEachOperation(t *testing.T) {
	for _, api := range []opsv1alpha1.DiscussAPI{opsv1alpha1.DiscussJSON2, opsv1alpha1.DiscussJSONRPC} {
		t.Run(string(api), func(t *testing.T) {
			d := newDiscuss(t, api)
			d.mustTell(transition("Accepted", "", wire.Audit{}))
			d.check("<b>Backup of the clusters of prod, asked for by Ada &lt;ada@example.com&gt; through system:serviceaccount:x:y</b>: accepted, about to begin.")

			d.mustTell(transition("Running", "", wire.Audit{Progress: "1/40"}))
			d.check("accepted") // it was written just now
			again, err := d.Flush(context.Background())
			if err != nil || again != editEvery {
				t.Fatalf("flush again after %s (%v), want %s", again, err, editEvery)
			}
			d.clock.Step(editEvery)
			if again, err := d.Flush(context.Background()); err != nil || again != 0 {
				t.Fatalf("flush again after %s (%v), want not at all", again, err)
			}
			d.check("running: 1 of 40 clusters done")

			failed := wire.Audit{Progress: "37/40", Failed: 1, Failures: []string{"eu-3: disk <full>"}}
			d.mustTell(transition("Running", "", failed), transition("Failed", "it failed", failed))
			d.check("failed: 37 of 40 clusters done, 1 failed: eu-3: disk &lt;full&gt;", "failed: 37 of 40")
			messages := d.odoo.Messages()
			if messages[1].ParentID != messages[0].ID {
				t.Errorf("the reply has parent %d, want %d", messages[1].ParentID, messages[0].ID)
			}
			if len(d.threads) != 0 {
				t.Error("the sink still remembers an Operation that has ended")
			}
		})
	}
}

// Whatever call is the last before the hub is killed, or whose answer is lost: there is one thread with one reply.
func TestDiscussPostsNothingTwice(t *testing.T) {
	calls := func(d *discuss) error {
		return firstError(d.tell(transition("Accepted", "", wire.Audit{})), d.tell(transition("Succeeded", "well", wire.Audit{Progress: "2/2"})))
	}
	for n := range 6 {
		for _, took := range []bool{false, true} {
			for _, restart := range []bool{false, true} {
				d := newDiscuss(t, opsv1alpha1.DiscussJSON2)
				made := 0
				d.odoo.Fault = func(string) controlplane.ReceiverFault {
					made++
					return controlplane.ReceiverFault{Reset: made == n+1, Took: took}
				}
				for calls(d) != nil {
					if restart {
						d.restart()
					}
				}
				_ = calls(d) // all of it once more, as after a restart
				d.check("succeeded: 2 of 2 clusters done", "succeeded")
			}
		}
	}
}

func firstError(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func TestDiscussAfterARestartGoesOnInTheThread(t *testing.T) {
	d := newDiscuss(t, opsv1alpha1.DiscussJSON2)
	d.mustTell(transition("Accepted", "", wire.Audit{}))
	d.restart()
	d.mustTell(transition("Accepted", "", wire.Audit{}), transition("Running", "", wire.Audit{Progress: "1/2"}))
	d.check("running: 1 of 2")
	d.mustTell(transition("Succeeded", "", wire.Audit{Progress: "2/2"}))
	d.restart()
	d.mustTell(transition("Accepted", "", wire.Audit{}), transition("Running", "", wire.Audit{Progress: "1/2"}))
	gone := transition("Succeeded", "", wire.Audit{Progress: "2/2"})
	gone.Kind, gone.Conditions = wire.EventDeleted, nil
	d.mustTell(gone)
	d.check("succeeded: 2 of 2", "succeeded")
}

func TestDiscussSaysWhatIsWrong(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*discuss)
		api    opsv1alpha1.DiscussAPI
		want   string
		reason string
	}{
		"a wrong key":         {func(d *discuss) { d.odoo.APIKey = "other" }, opsv1alpha1.DiscussJSON2, "401 Unauthorized: werkzeug.exceptions.Unauthorized: Invalid apikey", opsv1alpha1.ReasonUnauthorized},
		"a wrong key by rpc":  {func(d *discuss) { d.odoo.APIKey = "other" }, opsv1alpha1.DiscussJSONRPC, "the keys login and apiKey of the Secret, and spec.discuss.database, do not go together", opsv1alpha1.ReasonUnauthorized},
		"no such channel":     {func(d *discuss) { d.odoo.Channel = 43 }, opsv1alpha1.DiscussJSON2, "discuss.channel.message_post: it answers 404 Not Found: MissingError: Record does not exist", opsv1alpha1.ReasonUnreachable},
		"no such channel rpc": {func(d *discuss) { d.odoo.Channel = 43 }, opsv1alpha1.DiscussJSONRPC, "discuss.channel.message_post: MissingError: Record does not exist", opsv1alpha1.ReasonUnreachable},
		"too many requests": {func(d *discuss) {
			d.odoo.Fault = func(string) controlplane.ReceiverFault {
				return controlplane.ReceiverFault{Status: 429, RetryAfter: "17"}
			}
		}, opsv1alpha1.DiscussJSON2, "429 Too Many Requests", opsv1alpha1.ReasonRateLimited},
	} {
		t.Run(name, func(t *testing.T) {
			d := newDiscuss(t, c.api)
			c.change(d)
			err := d.tell(transition("Accepted", "", wire.Audit{}))
			if err == nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), secretKey) {
				t.Fatalf("error %v, want %q in it and no key", err, c.want)
			}
			if got := reasonOf(err); got != c.reason {
				t.Errorf("reason %s, want %s", got, c.reason)
			}
		})
	}
}

func TestDiscussWants(t *testing.T) {
	d := newDiscuss(t, opsv1alpha1.DiscussJSON2)
	snapshot := transition("Running", "", wire.Audit{})
	snapshot.Snapshot = true
	instance := transition("Ready", "", wire.Audit{})
	instance.ResourceRef.Kind = "ApplicationInstance"
	for _, e := range []wire.Event{snapshot, instance} {
		if d.Wants(&e) {
			t.Errorf("it wants %+v", e)
		}
	}
}

func TestStanding(t *testing.T) {
	event := func(condition string, status metav1.ConditionStatus, message string, a *wire.Audit) wire.Event {
		return wire.Event{Kind: wire.EventCondition, ResourceRef: wire.Ref{Kind: "Operation", Name: "x"}, Audit: a, Conditions: []metav1.Condition{
			{Type: condition, Status: status, Reason: "Because", Message: message},
		}}
	}
	deleted := event("Running", metav1.ConditionTrue, "", &wire.Audit{Progress: "1/2"})
	deleted.Kind = wire.EventDeleted
	for want, e := range map[string]wire.Event{
		"waiting: nobody agreed":                            event("Blocked", metav1.ConditionTrue, "nobody agreed", nil),
		"running":                                           event("Blocked", metav1.ConditionFalse, "", nil),
		"refused: spec.x is wrong":                          event("Accepted", metav1.ConditionFalse, "spec.x is wrong", nil),
		"failed: no such Placement":                         event("Failed", metav1.ConditionTrue, "no such Placement", nil),
		"cancelled (Because)":                               event("Cancelled", metav1.ConditionTrue, "", nil),
		"running: 0 of 1 cluster done":                      event("Running", metav1.ConditionTrue, "", &wire.Audit{Progress: "0/1"}),
		"deleted before it had ended: 1 of 2 clusters done": deleted,
		"failed: 5 of 5 clusters done, 4 failed: a: x; b: y; and 2 more": event("Failed", metav1.ConditionTrue, "z", &wire.Audit{
			Progress: "5/5", Failed: 4, Failures: []string{"a: x", "b: y"},
		}),
	} {
		if got := standing(&e); got != want {
			t.Errorf("%q, want %q", got, want)
		}
	}
}
