// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// soakClusters are how many clusters a soak has, one of them with an agent of ours.
const soakClusters = 50

// TestSoak: random Operations over fifty clusters, for as long as -faults.soak says, while random faults come and go, and the hub and the agent are
// killed. All end, what is on record of them is complete, and what a component needs does not grow, neither while it runs nor with each that is killed.
func TestSoak(t *testing.T) {
	random := rand.New(rand.NewPCG(*seed, 1))
	var weather weather
	rules := map[string]func(int) Rule{}
	for _, c := range Components {
		rule := weather.rule(rand.New(rand.NewPCG(random.Uint64(), 0)))
		rules[c.Name] = func(int) Rule { return rule }
	}
	var samples []sample
	kills := 0
	tell(t, Story{
		Name: "soak", Before: both(servants, storage),
		Tell: func(w *World) error {
			if err := manyClusters(w); err != nil {
				return err
			}
			for begun, round := time.Now(), 0; round == 0 || time.Since(begun) < *soak; round++ {
				killed, err := soakRound(w, random, &weather, round)
				if err != nil {
					return err
				}
				kills += killed
				w.Forget()
				if err := allWatch(w, &weather, samples); err != nil {
					return err
				}
				s := measure(&weather)
				samples = append(samples, s)
				t.Logf("%s, round %d, %d killed: %s", time.Since(begun).Round(time.Second), round, killed, s)
			}
			return nil
		},
	}, Faults{Rules: rules, Random: random, Patience: 10 * time.Minute}, Report{})
	if grows := growth(samples); grows != "" {
		t.Errorf("it grows: %s", grows)
	}
	t.Logf("%d rounds (8 are needed to see growth), %d killed: first %s; last %s", len(samples), kills, samples[0], samples[len(samples)-1])
}

// manyClusters makes the far clusters up to their number, and a Placement that has chosen them all.
func manyClusters(w *World) error {
	all := []string{near}
	for i := 1; i < soakClusters; i++ {
		name := fmt.Sprintf("soak%02d", i)
		ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}
		if err := client.IgnoreAlreadyExists(w.Hub.Create(w.ctx, ns)); err != nil {
			return err
		}
		if err := client.IgnoreAlreadyExists(w.join(w.ctx, name)); err != nil {
			return err
		}
		all = append(all, name)
	}
	return w.Placement("fifty", all...)
}

// servants are instances on the near cluster whose types have different engines.
func servants(w *World) error {
	for _, name := range []string{"a", "b"} {
		ai := Placeholder(name, opsv1alpha1.EngineJob)
		ai.Annotations[opsv1alpha1.TypeBackup.Capability()] = string(opsv1alpha1.EngineVelero)
		if err := w.Create(OnSpoke, ai); err != nil {
			return err
		}
	}
	return nil
}

// soaking is a random Operation on all of them.
func soaking(random *rand.Rand, name string) *opsv1alpha1.Operation {
	op := tool(name)
	switch random.IntN(3) {
	case 0:
		op.Spec.Type, op.Spec.Parameters = opsv1alpha1.TypeBackup, nil
	case 1:
		op.Spec.Type = opsv1alpha1.TypeMigration
	}
	op.Spec.Placement.PlacementRef.Name = "fifty"
	op.Spec.TTLSecondsAfterFinished = new(int32)
	return op
}

// soakRound creates some Operations in bad weather, interferes with some, kills the hub and the agent now and then, and waits in good weather until all
// have ended and are forgotten. Each has to have been seen to end, unless somebody deleted it, and the record of each has to be complete.
func soakRound(w *World, random *rand.Rand, weather *weather, round int) (killed int, err error) {
	const operations = 4
	weather.bad.Store(true)
	kept := map[types.UID]string{}
	var names []string
	for i := range operations {
		op := soaking(random, fmt.Sprintf("r%d-%d", round, i))
		if err := w.Create(OnHub, op); err != nil {
			return killed, err
		}
		names, kept[op.UID] = append(names, op.Name), op.Name
		moment := time.Duration(random.Int64N(int64(time.Second)))
		switch random.IntN(6) {
		case 0:
			pause(w.ctx, moment)
			err = client.IgnoreNotFound(w.Change(OnHub, op, func() { op.Spec.Cancel = true }))
		case 1:
			pause(w.ctx, moment)
			delete(kept, op.UID)
			err = w.Delete(OnHub, op)
		case 2, 3:
			pause(w.ctx, moment)
			killed++
			err = w.KillUp(Components[random.IntN(len(Components))])
		}
		if err != nil {
			return killed, err
		}
	}
	pause(w.ctx, time.Second)
	weather.bad.Store(false)
	return killed, audited(w, names, kept)
}

// audited waits until Operations are gone, and holds that those that nobody deleted have been seen to end, and that the record of all is complete.
func audited(w *World, names []string, kept map[types.UID]string) error {
	for _, name := range names {
		if err := w.Gone(OnHub, "Operation", apps, name); err != nil {
			return err
		}
	}
	for uid, name := range kept {
		if w.witness.end(uid) == "" {
			return fmt.Errorf("Operation %s is gone, and nobody has seen it end", name)
		}
	}
	return w.await("the record to be complete", func() string { return strings.Join(w.witness.gaps(), "; ") })
}

// allWatch waits until every component is up and watches as much as it has before: one that was killed a moment ago needs less.
func allWatch(w *World, weather *weather, before []sample) error {
	most := 1
	for _, s := range before {
		most = max(most, s.watches)
	}
	return w.await("all watches to be open again", func() string {
		if now := int(weather.watches.Load()); now < most {
			return fmt.Sprintf("%d are, of %d", now, most)
		}
		return ""
	})
}

// weather is good or bad: storms of errors, and watches that break.
type weather struct {
	bad     atomic.Bool
	watches atomic.Int64
}

func (s *weather) rule(random *rand.Rand) Rule {
	var mu sync.Mutex
	return func(_ *Wire, c Call, send Send) (*http.Response, error) {
		mu.Lock()
		strikes, kind := s.bad.Load() && c.Resource != "" && random.Float64() < 0.05, random.IntN(3)
		mu.Unlock()
		switch {
		case strikes && kind == 0:
			return answer(c, http.StatusTooManyRequests, "TooManyRequests", "too many requests"), nil
		case strikes && kind == 1:
			return answer(c, http.StatusInternalServerError, "InternalError", "storm"), nil
		case strikes && c.Writes():
			discard(send())
			return nil, errors.New("the reply was lost")
		}
		resp, err := send()
		if err == nil && c.Watch {
			s.watches.Add(1)
			resp.Body = &body{resp.Body, sync.OnceFunc(func() { s.watches.Add(-1) })}
		}
		return resp, err
	}
}

// sample is what this process needs, both components and the players.
type sample struct {
	goroutines, watches int
	heap                uint64 // bytes
}

func (s sample) String() string {
	return fmt.Sprintf("%d goroutines, %d watches, %.1f MB of heap", s.goroutines, s.watches, float64(s.heap)/(1<<20))
}

func measure(weather *weather) sample {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return sample{runtime.NumGoroutine(), int(weather.watches.Load()), m.HeapAlloc}
}

// growth says what the last quarter of the samples needs more of than the second did, by more than a tenth; nothing when they are too few to tell. The
// least of each counts: what is above it is at work, or not yet collected.
func growth(samples []sample) string {
	if len(samples) < 8 {
		return ""
	}
	least := func(of []sample) sample {
		m := of[0]
		for _, s := range of {
			m = sample{min(m.goroutines, s.goroutines), min(m.watches, s.watches), min(m.heap, s.heap)}
		}
		return m
	}
	quarter := len(samples) / 4
	early, late := least(samples[quarter:2*quarter]), least(samples[3*quarter:])
	if late.goroutines > early.goroutines*11/10+5 || late.watches > early.watches+2 || late.heap > early.heap*11/10+(4<<20) {
		return fmt.Sprintf("%s early, %s late", early, late)
	}
	return ""
}
