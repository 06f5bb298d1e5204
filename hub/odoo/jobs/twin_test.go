// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// TestTwin: an Operation that a job with the same key has made, when the answer to that was lost, is no conflict; any other is.
func TestTwin(t *testing.T) {
	const account = "system:serviceaccount:vworkspace-hub:vworkspace-control-plane"
	first := &Record{ControlPlane: "odoo", Job: wire.Job{ID: "again", IdempotencyKey: "operation/apps/b@1"}, State: StateAcked}
	a := &applier{record: func(name string) *Record {
		if name == first.name() {
			return first
		}
		return nil
	}}
	for name, c := range map[string]struct {
		key, job, by, want string
	}{
		"the same key":            {"operation/apps/b@1", "odoo/again", account, "again"},
		"before admission wrote":  {"operation/apps/b@1", "odoo/again", "", "again"},
		"another key":             {"operation/apps/b@2", "odoo/again", account, ""},
		"no key":                  {"", "odoo/again", account, ""},
		"a job that is not known": {"operation/apps/b@1", "odoo/other", account, ""},
		"of another Odoo":         {"operation/apps/b@1", "bank/again", account, ""},
		"somebody wrote it down":  {"operation/apps/b@1", "odoo/again", "mallory", ""},
		"no job":                  {"operation/apps/b@1", "", account, ""},
	} {
		o := &unstructured.Unstructured{}
		o.SetAnnotations(map[string]string{opsv1alpha1.AnnotationJob: c.job, opsv1alpha1.AnnotationRequestedBy: c.by})
		second := &Record{ControlPlane: "odoo", Job: wire.Job{ID: "b", IdempotencyKey: c.key}}
		if got := a.twin(o, second, account); got != c.want {
			t.Errorf("%s: %q, want %q", name, got, c.want)
		}
	}
}
