// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"strings"
	"testing"

	jsonpatch "gopkg.in/evanphx/json-patch.v4"
	batchv1 "k8s.io/api/batch/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/job"
)

// TestControls: what is broken on purpose is caught. A harness that finds nothing in these finds nothing.
func TestControls(t *testing.T) {
	t.Parallel()
	t.Run("names that differ from try to try", func(t *testing.T) {
		t.Parallel()
		careless := find("job")
		careless.Engines = func() *engines.Registry { return engines.NewRegistry(carelessEngine{job.New()}) }
		calm := tell(t, careless, Faults{}, Report{})
		caught(t, careless, calm, "not as many objects", func() map[string]func(int) Rule {
			return map[string]func(int) Rule{Agent.Name: once((&Point{Of: "POST jobs", At: 1}).Crash(true))}
		})
	})
	t.Run("no fence", func(t *testing.T) {
		t.Parallel()
		moves := find("placement moves")
		calm := tell(t, moves, Faults{}, Report{})
		caught(t, moves, calm, "not as many objects", func() map[string]func(int) Rule {
			return map[string]func(int) Rule{Hub.Name: once(noFence((&Point{Of: "POST manifestworks", At: 3}).Crash(true)))}
		})
	})
}

// caught holds that a telling goes wrong in the way that was meant. It is told up to three times: where the story is late, on a busy machine, what was broken may
// do no harm.
func caught(t *testing.T, s Story, calm Report, words string, rules func() map[string]func(int) Rule) {
	t.Helper()
	lab := <-labs
	defer func() { labs <- lab }()
	for range 3 {
		r, err := lab.Tell(t.Context(), s, Faults{Patience: *last, Rules: rules()}, "")
		found := fmt.Sprint(append(r.Broken, compare(calm, r)...), err)
		t.Log(found)
		for kind, n := range r.Made { // a story that was not told at all makes fewer
			if n > calm.Made[kind] && strings.Contains(found, words) {
				return
			}
		}
	}
	t.Error("what was broken went unnoticed")
}

func find(name string) Story {
	for _, s := range stories {
		if s.Name == name {
			return s
		}
	}
	panic("no story is called " + name)
}

// carelessEngine names its Job anew each time it is asked, as generateName does. It is told apart from a good one only by a crash.
type carelessEngine struct{ engines.Engine }

func (e carelessEngine) Plan(ctx context.Context, live client.Reader, run engines.Run) ([]engines.Change, error) {
	changes, err := e.Engine.Plan(ctx, live, run)
	for _, change := range changes {
		change.Object.SetName(fmt.Sprintf("%s-%d", change.Object.GetName(), rand.Uint32()))
	}
	return changes, err
}

// Observe goes by the name that was recorded, not by the run's own.
func (e carelessEngine) Observe(ctx context.Context, live client.Reader, run engines.Run) (engines.Outcome, error) {
	if !run.Applied() {
		return engines.Running("Careless", "nothing is recorded"), nil
	}
	var made batchv1.Job
	if err := live.Get(ctx, client.ObjectKey{Namespace: run.Namespace(), Name: run.Operation.Status.Resources[0].Name}, &made); err != nil {
		return engines.Outcome{}, err
	}
	if made.Status.Succeeded > 0 {
		return engines.Succeeded("Careless", "done"), nil
	}
	return engines.Running("Careless", "at work"), nil
}

// noFence lets the hub believe that its fence was stored, and every status after it.
func noFence(crash Rule) Rule {
	return func(w *Wire, c Call, send Send) (*http.Response, error) {
		if c.What() != "PATCH operations/status" {
			return crash(w, c, send)
		}
		patch, err := io.ReadAll(c.Request.Body)
		if err != nil {
			return nil, err
		}
		c.Request.Method, c.Request.Body, c.Request.ContentLength = http.MethodGet, nil, 0
		c.Request.URL.Path = strings.TrimSuffix(c.Request.URL.Path, "/status")
		resp, err := send()
		if err != nil {
			return nil, err
		}
		defer func() { _ = resp.Body.Close() }()
		stored, err := io.ReadAll(resp.Body)
		if err != nil {
			return nil, err
		}
		if stored, err = jsonpatch.MergePatch(stored, patch); err != nil {
			return nil, err
		}
		resp.Body, resp.ContentLength = io.NopCloser(bytes.NewReader(stored)), int64(len(stored))
		return resp, nil
	}
}
