// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/runtime"
	eventsclient "k8s.io/client-go/kubernetes/typed/events/v1"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/cluster"
	"sigs.k8s.io/controller-runtime/pkg/log"
)

// recorderName is the reporting controller of the agent's Events.
const recorderName = "vworkspace-agent"

// recorder of a cluster's Events. That of a cluster.Cluster makes a broadcaster for each of two APIs at the first Event, 140 KiB together, and nothing ends
// them when the cluster leaves; this one makes one, and ends it.
type recorder struct {
	engaged context.Context
	scheme  *runtime.Scheme
	sink    *events.EventSinkImpl
	begin   func() events.EventRecorder
}

// newRecorder records Events until ctx ends.
func newRecorder(ctx context.Context, cl cluster.Cluster) (*recorder, error) {
	api, err := eventsclient.NewForConfigAndClient(cl.GetConfig(), cl.GetHTTPClient())
	if err != nil {
		return nil, fmt.Errorf("prepare to record Events: %w", err)
	}
	r := &recorder{engaged: ctx, scheme: cl.GetScheme(), sink: &events.EventSinkImpl{Interface: api}}
	r.begin = sync.OnceValue(r.start)
	return r, nil
}

// start is for the first Event: most clusters have none for hours.
func (r *recorder) start() events.EventRecorder {
	broadcaster := events.NewBroadcaster(r.sink)
	ctx, cancel := context.WithCancel(context.WithoutCancel(r.engaged))
	context.AfterFunc(r.engaged, func() {
		broadcaster.Shutdown()
		cancel()
	})
	if err := broadcaster.StartRecordingToSinkWithContext(ctx); err != nil {
		log.FromContext(ctx).Error(err, "cannot record Events")
	}
	return broadcaster.NewRecorder(r.scheme, recorderName)
}

// Eventf implements events.EventRecorder.
func (r *recorder) Eventf(regarding, related runtime.Object, kind, reason, action, note string, args ...any) {
	if r.engaged.Err() == nil {
		r.begin().Eventf(regarding, related, kind, reason, action, note, args...)
	}
}
