// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"testing"
	"time"

	"k8s.io/client-go/util/workqueue"
	mcreconcile "sigs.k8s.io/multicluster-runtime/pkg/reconcile"
)

// A cluster may leave while it arrives. That is no reason to end the agent of the others.
func TestClusterThatHasLeftIsNotListenedTo(t *testing.T) {
	source, _, err := newLateKinds(time.Second).source(nil, nil).ForCluster("gone", nil)
	if err != nil {
		t.Fatal(err)
	}
	queue := workqueue.NewTypedRateLimitingQueue(workqueue.DefaultTypedControllerRateLimiter[mcreconcile.Request]())
	defer queue.ShutDown()
	if err := source.Start(t.Context(), queue); err != nil {
		t.Errorf("the controller would not start: %v", err)
	}
}
