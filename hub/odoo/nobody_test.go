// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/stream"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// nobody is a stream of nothing.
type nobody struct{}

func (nobody) Add(context.Context, stream.Sink, bool) error     { return nil }
func (nobody) Pause(string, bool)                               {}
func (nobody) Remove(context.Context, string) error             { return nil }
func (nobody) Post(context.Context, string, []wire.Event) error { return nil }
func (nobody) Resynced(string) bool                             { return true }
func (nobody) OnChange(func(string))                            {}

func (nobody) BeforeLettingGo(func(context.Context, *opsv1alpha1.Operation) error) {}

func (nobody) Overflow(string) metav1.Condition {
	return metav1.Condition{Type: opsv1alpha1.ConditionBufferOverflow, Status: metav1.ConditionFalse, Reason: opsv1alpha1.ReasonNothingDropped}
}
