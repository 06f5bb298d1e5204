// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"net"
	"slices"
	"testing"
	"time"

	tea "charm.land/bubbletea/v2"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/follow"
	"vworkspace.io/fleet/cmd/vw/live"
	"vworkspace.io/fleet/cmd/vw/vwtest"
	"vworkspace.io/fleet/placement"
)

// BenchmarkFirstPaint1000 is how long it takes until a person sees something of a run on 1,000 clusters (first-ms), and until all clusters are shown as they stand
// (all-ms): from the kubeconfig on, with a connection of its own, by medians. The floor in the same run is what a plain list of the same ManifestWorks with the typed
// client takes from a kubeconfig on (floor-ms); all/floor is how much all of it costs beside that.
func BenchmarkFirstPaint1000(b *testing.B) {
	const clusters = 1000
	ns := namespace(b)
	run := vwtest.Seed(b, api, ns, "paint", vwtest.Group("canary", 10), vwtest.Group("rest", clusters-10))
	began := time.Now().Add(-time.Minute)
	run.ReportAll(b, func(i int, _ string) placement.ClusterResult {
		said := placement.ClusterResult{
			State: placement.Succeeded, Reason: opsv1alpha1.ReasonAllSucceeded, Message: "3 of 3 instances succeeded",
			StartedAt: began, FinishedAt: began.Add(30 * time.Second), Instances: opsv1alpha1.Counts{Total: 3, Succeeded: 3},
		}
		if i%2 == 1 {
			said.State, said.Reason, said.Message, said.FinishedAt = placement.Running, opsv1alpha1.ReasonExpanded, "running on 3 instances", time.Time{}
		}
		return said
	})
	var first, all, floor []time.Duration
	for b.Loop() {
		f, a := paint(b, types.NamespacedName{Namespace: ns, Name: "paint"}, clusters)
		first, all = append(first, f), append(all, a)
		b.StopTimer()
		floor = append(floor, plainList(b, string(run.Operation.UID), clusters))
		b.StartTimer()
	}
	b.ReportMetric(median(first), "first-ms")
	b.ReportMetric(median(all), "all-ms")
	b.ReportMetric(median(floor), "floor-ms")
	b.ReportMetric(median(all)/median(floor), "all/floor")
}

// paint frames until all clusters are shown as they stand.
func paint(b *testing.B, key types.NamespacedName, clusters int) (first, all time.Duration) {
	b.Helper()
	begun := time.Now()
	config, c := connect(b)
	follower, err := follow.New(c, config, key, time.Now)
	if err != nil {
		b.Fatal(err)
	}
	if err := follower.Start(b.Context()); err != nil {
		b.Fatal(err)
	}
	defer follower.Stop()
	var model *live.Model
	for deadline := begun.Add(patience); ; {
		select {
		case <-follower.Changed():
		case <-time.After(time.Until(deadline)):
			b.Fatal("not painted")
		}
		s := follower.Snapshot()
		if len(s.Cells) != clusters {
			continue
		}
		model = live.NewModel(b.Context(), follower, live.Options{Program: "vw", Now: time.Now})
		model.Update(tea.WindowSizeMsg{Width: 120, Height: 40})
		model.Lines()
		if first == 0 {
			first = time.Since(begun)
		}
		if !s.Reading {
			if counts := s.Counts(); counts.Succeeded != int32(clusters)/2 || counts.Running != int32(clusters)/2 {
				b.Fatalf("%+v", counts)
			}
			return first, time.Since(begun)
		}
	}
}

func plainList(b *testing.B, uid string, clusters int) time.Duration {
	b.Helper()
	begun := time.Now()
	_, c := connect(b)
	var works workv1.ManifestWorkList
	if err := c.List(b.Context(), &works, client.MatchingLabels{opsv1alpha1.LabelOperation: uid}); err != nil {
		b.Fatal(err)
	}
	if len(works.Items) != clusters {
		b.Fatal(fmt.Sprint(len(works.Items), " ManifestWorks"))
	}
	return time.Since(begun)
}

// connect as a vw that was just called: no connection is there yet.
func connect(b *testing.B) (*rest.Config, client.WithWatch) {
	b.Helper()
	env := newEnv("v0.0.0-test", genericiooptions.NewTestIOStreamsDiscard())
	*env.Flags.KubeConfig = kubeconfig
	config, err := env.Config()
	if err != nil {
		b.Fatal(err)
	}
	config.Dial = (&net.Dialer{Timeout: patience}).DialContext // so that no connection is shared
	c, err := NewClient(config)
	if err != nil {
		b.Fatal(err)
	}
	return config, c
}

// median in milliseconds.
func median(all []time.Duration) float64 {
	slices.Sort(all)
	return float64(all[len(all)/2].Microseconds()) / 1000
}
