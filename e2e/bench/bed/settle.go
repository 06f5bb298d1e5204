// SPDX-License-Identifier: Apache-2.0

package bed

import (
	"context"
	"time"

	"k8s.io/apimachinery/pkg/util/wait"
)

// settlesWithin bounds how long what was begun before may go on being written about.
const settlesWithin = time.Minute

// Settle waits until nothing has been written for a while: what an arm, or the garbage collector, still has to do with what came before is not counted in what
// comes next. An API server that never comes to rest is measured all the same, and that is said.
func (b *Bed) Settle(ctx context.Context, quiet time.Duration) error {
	before, err := b.Requests(ctx)
	if err != nil {
		return err
	}
	var last map[string]float64
	err = wait.PollUntilContextTimeout(ctx, quiet, settlesWithin, false, func(ctx context.Context) (bool, error) {
		now, err := b.Requests(ctx)
		if err != nil {
			return false, err
		}
		last, before = now.Since(before).Writes, now
		return len(last) == 0, nil
	})
	if wait.Interrupted(err) && ctx.Err() == nil {
		b.Tell("the API server has not come to rest in %s: %v", settlesWithin, last)
		return nil
	}
	return err
}
