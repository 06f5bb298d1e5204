// SPDX-License-Identifier: Apache-2.0

package arms

import (
	"context"
	"errors"
	"fmt"

	workv1 "open-cluster-management.io/api/work/v1"

	"vworkspace.io/fleet/e2e/bench/bed"
)

// model is one ManifestWork as our hub makes it, for the arms that write the same.
type model struct {
	hub  *ours
	work *workv1.ManifestWork
}

// prepare has the hub make one, unless it has.
func (m *model) prepare(ctx context.Context, b *bed.Bed) error {
	if m.work != nil {
		return nil
	}
	if err := m.hub.Prepare(ctx, b, 1); err != nil {
		return err
	}
	return errors.Join(m.make(ctx, b), m.hub.Stop())
}

func (m *model) make(ctx context.Context, b *bed.Bed) error {
	if err := m.hub.Start(ctx, 1); err != nil {
		return err
	}
	run, err := m.hub.Send(ctx, "model", 1)
	if err != nil {
		return err
	}
	crowd, err := b.Crowd(ctx, run.Children, run.Labels)
	if err != nil {
		return err
	}
	defer crowd.Stop()
	if _, err := crowd.Await(ctx, 1); err != nil {
		return err
	}
	work := &workv1.ManifestWork{}
	if err := b.Client.Get(ctx, crowd.Keys()[0], work); err != nil {
		return fmt.Errorf("read a model of a ManifestWork: %w", err)
	}
	if err := run.Delete(ctx); err != nil {
		return err
	}
	if _, err := crowd.Await(ctx, 0); err != nil {
		return err
	}
	m.work = work
	return nil
}
