// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// idleCalls is how many requests a component may make in a second for each object that has come to rest in some state.
const idleCalls = 0.5

// idleCallsOfOne is how often in a second it may ask the same of any one of them.
const idleCallsOfOne = 2

// TestExplore: every field of a spec gets values at its bounds and past them, on the hub and on the spoke. Each is refused by a word about the
// field, or taken, and then the object says what has become of it; nothing panics, and nobody is kept busy by any of them.
func TestExplore(t *testing.T) {
	for _, e := range []struct {
		name, plural string
		api          API
		base         *unstructured.Unstructured
	}{
		{"Operation on the hub", "operations", OnHub, object("ops.vworkspace.io/v1alpha1", "Operation", apps, "", map[string]any{"spec": map[string]any{
			"type": "RunCommand", "placement": map[string]any{"placementRef": map[string]any{"name": "everywhere"}}, "selector": map[string]any{},
			"parameters": map[string]any{"image": "registry.example.com/tool:1"},
		}})},
		{"Operation on the spoke", "operations", OnSpoke, object("ops.vworkspace.io/v1alpha1", "Operation", apps, "", map[string]any{"spec": map[string]any{
			"type": "RunCommand", "targetRef": map[string]any{"apiVersion": "apps.vworkspace.io/v1alpha1", "kind": "ApplicationInstance", "name": "a"},
			"parameters": map[string]any{"image": "registry.example.com/tool:1"},
		}})},
		{"ApplicationInstance on the spoke", "applicationinstances", OnSpoke, explored(nil)},
		{"ApplicationInstance on the hub", "applicationinstances", OnHub, explored(map[string]any{appsv1alpha1.LabelClusterID: near})},
	} {
		t.Run(e.name, func(t *testing.T) {
			t.Parallel()
			schema, err := SchemaOf(e.plural)
			if err != nil {
				t.Fatal(err)
			}
			calls := &callCount{by: map[Call]int{}}
			listen := func(int) Rule {
				return func(_ *Wire, c Call, send Send) (*http.Response, error) {
					if !c.Watch {
						calls.add(c)
					}
					return send()
				}
			}
			tell(t, Story{
				Name: e.name, Before: instances(opsv1alpha1.EngineJob),
				Tell: func(w *World) error { return explore(t, w, e.api, e.base, Attempts(schema), calls) },
			}, Faults{Rules: map[string]func(int) Rule{Hub.Name: listen, Agent.Name: listen}}, Report{})
		})
	}
}

// explored is an instance that is right.
func explored(labels map[string]any) *unstructured.Unstructured {
	return object("apps.vworkspace.io/v1alpha1", "ApplicationInstance", apps, "", map[string]any{
		"metadata": map[string]any{"labels": labels},
		"spec": map[string]any{
			"mode": "managed", "appRef": map[string]any{"catalogId": "shop"},
			"chart":   map[string]any{"sourceType": "helm", "url": "https://charts.example.com", "name": "shop", "version": "1.0.0"},
			"release": map[string]any{"name": "explored", "namespace": apps},
			"values":  map[string]any{"source": "inline", "inline": map[string]any{}},
		},
	})
}

func explore(t *testing.T, w *World, api API, base *unstructured.Unstructured, attempts []Attempt, calls *callCount) error {
	taken := try(t, w, api, base, attempts)
	if err := explained(w, api, base.GetKind(), taken); err != nil {
		return err
	}
	changed, refused := turn(t, w, api, base, attempts, taken)
	if err := explained(w, api, base.GetKind(), taken); err != nil {
		return err
	}
	if changed == 0 {
		t.Errorf("of %d objects none could be changed", len(taken))
	}
	t.Logf("%d values tried, %d taken; of those %d were changed to others and %d refused that", len(attempts), len(taken), changed, refused)
	return idle(t, w, calls, len(taken))
}

// try every attempt on an object of its own, and return those that were taken.
func try(t *testing.T, w *World, api API, base *unstructured.Unstructured, attempts []Attempt) map[string]Attempt {
	taken := map[string]Attempt{}
	for i, a := range attempts {
		o, err := a.On(base)
		if err != nil {
			t.Error(err)
			continue
		}
		o.SetName(fmt.Sprintf("x%04d", i))
		switch err := w.client(api).Create(w.ctx, o); {
		case err == nil:
			taken[o.GetName()] = a
		case !apierrors.IsInvalid(err) && !apierrors.IsBadRequest(err) && !apierrors.IsForbidden(err):
			t.Errorf("%s: refused by %v", a, err)
		case !names(err, a):
			t.Errorf("%s: refused without a word about the field: %v", a, err)
		}
	}
	return taken
}

// turn what was taken into something else that was tried.
func turn(t *testing.T, w *World, api API, base *unstructured.Unstructured, attempts []Attempt, taken map[string]Attempt) (changed, refused int) {
	random := rand.New(rand.NewPCG(*seed, 0))
	for _, name := range slices.Sorted(maps.Keys(taken)) { // whatever a spec is, it may become another
		o := w.mirror.get(api, base.GetKind(), apps, name)
		other, err := attempts[random.IntN(len(attempts))].On(base)
		if o == nil || err != nil {
			continue
		}
		o.Object["spec"] = other.Object["spec"]
		switch err := w.client(api).Update(w.ctx, o); {
		case err == nil:
			changed++
		case apierrors.IsInvalid(err) || apierrors.IsBadRequest(err) || apierrors.IsForbidden(err):
			refused++
		case !passing(err):
			t.Errorf("a change of %s: %v", taken[name], err)
		}
	}
	return changed, refused
}

// names tells whether an error speaks of the field, or of what it is in.
func names(err error, a Attempt) bool {
	for _, part := range a.Path {
		if strings.Contains(err.Error(), part) {
			return true
		}
	}
	return false
}

// explained waits until every object says where it stands, and why. There are many, so it has the patience of several waits.
func explained(w *World, api API, kind string, taken map[string]Attempt) (err error) {
	const waits = 4
	for range waits {
		if err = unexplained(w, api, kind, taken); err == nil {
			return nil
		}
	}
	return err
}

func unexplained(w *World, api API, kind string, taken map[string]Attempt) error {
	return w.await("everything that was taken to say where it stands", func() string {
		for name, a := range taken {
			o := w.mirror.get(api, kind, apps, name)
			if o == nil {
				continue // its time was up, or it has been told to go
			}
			if _, hubs, _ := unstructured.NestedMap(o.Object, "spec", "placement"); hubs && api == OnSpoke {
				continue // it is for a hub, which may share the cluster with the agent
			}
			if text(o, "status", "phase") == "" && text(o, "status", "ready") == "" {
				return fmt.Sprintf("%s (%s) says nothing: %v", name, a, o.Object["status"])
			}
			if conditions, _, _ := unstructured.NestedSlice(o.Object, "status", "conditions"); len(conditions) == 0 {
				return fmt.Sprintf("%s (%s) has no condition", name, a)
			}
		}
		return ""
	})
}

// idle holds that what there is keeps nobody busy, once it has settled: deadlines and times to live may still be over meanwhile, and so it has a few tries.
func idle(t *testing.T, w *World, calls *callCount, objects int) error {
	const tries = 5
	for try := 1; ; try++ {
		busy, err := atRest(t, w, calls, objects)
		if err != nil || len(busy) == 0 {
			return err
		}
		t.Logf("try %d: %s", try, strings.Join(busy, "; "))
		if try == tries {
			t.Errorf("somebody is kept busy: %s", strings.Join(busy, "; "))
			return nil
		}
	}
}

// atRest says what was asked too often in a while.
func atRest(t *testing.T, w *World, calls *callCount, objects int) (busy []string, err error) {
	const while = 4 * time.Second
	if err := w.await("the rush to be over", func() string {
		w.mu.Lock()
		defer w.mu.Unlock()
		if time.Since(w.last) < quiet {
			return "somebody still writes"
		}
		return ""
	}); err != nil {
		return nil, err
	}
	calls.reset()
	select {
	case <-time.After(while):
	case <-w.ctx.Done():
		return nil, w.ctx.Err()
	}
	made, of := calls.total()
	if most := idleCalls * while.Seconds() * float64(objects); float64(made) > most {
		busy = append(busy, fmt.Sprintf("%d requests in %s for %d objects that nothing happens to", made, while, objects))
	}
	for what, n := range calls.often(idleCallsOfOne * while.Seconds()) {
		busy = append(busy, fmt.Sprintf("%d times in %s: %s", n, while, what))
	}
	t.Logf("%d requests in %s for %d objects: %v", made, while, objects, of)
	return busy, nil
}

// callCount counts requests by what they are and what they are about.
type callCount struct {
	mu sync.Mutex
	by map[Call]int
}

func (c *callCount) add(call Call) {
	c.mu.Lock()
	defer c.mu.Unlock()
	call.Request = nil
	c.by[call]++
}

func (c *callCount) reset() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.by = map[Call]int{}
}

// often are those that were made more than so many times about one object.
func (c *callCount) often(most float64) map[Call]int {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := maps.Clone(c.by)
	maps.DeleteFunc(all, func(what Call, n int) bool { return what.Name == "" || float64(n) <= most })
	return all
}

// total is how many there were, and of what.
func (c *callCount) total() (n int, of map[string]int) {
	c.mu.Lock()
	defer c.mu.Unlock()
	of = map[string]int{}
	for call, count := range c.by {
		n += count
		of[call.What()] += count
	}
	return n, of
}
