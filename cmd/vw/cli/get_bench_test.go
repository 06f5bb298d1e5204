// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	workclient "open-cluster-management.io/api/client/work/clientset/versioned"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

// BenchmarkGet1000 measures how long vw get takes for 1,000 Operations, and for the 1,000 clusters of a run, from the arguments to the last line, as a multiple of
// the floor: the same objects listed by a plain typed client, in the same process against the same API server, alternating. The floor prints nothing.
//
//	go test -run '^$' -bench Get1000 -benchtime 10x ./cmd/vw/cli/
func BenchmarkGet1000(b *testing.B) {
	const n = 1000
	ns := namespace(b)
	b.Run("operations", func(b *testing.B) {
		var group errgroup.Group
		group.SetLimit(16)
		for i := range n {
			group.Go(func() error {
				created(b, ns, fmt.Sprintf("op-%04d", i), fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{
					Phase: opsv1alpha1.PhaseSucceeded, Reason: opsv1alpha1.ReasonAllSucceeded, Message: "all clusters succeeded", StartedAt: at(time.Hour), FinishedAt: at(time.Minute),
					Summary: &opsv1alpha1.Summary{Clusters: &opsv1alpha1.Counts{Total: 50, Succeeded: 50}},
				})
				return nil
			})
		}
		_ = group.Wait()
		compare(b, n, func() error {
			return api.List(b.Context(), &opsv1alpha1.OperationList{}, client.InNamespace(ns))
		}, "get", "op", "-n", ns)
	})
	b.Run("clusters", func(b *testing.B) {
		op := created(b, ns, "run", fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{Phase: opsv1alpha1.PhaseRunning, StartedAt: at(time.Hour)})
		clusters := make([]string, n)
		for i := range clusters {
			clusters[i] = fmt.Sprintf("%s-%04d", ns, i)
		}
		planned(b, op, placement.Group{Clusters: clusters})
		everywhereDelivered(b, op, clusters, func(i int) []workv1.FeedbackValue {
			if i%10 == 0 {
				return said(opsv1alpha1.PhaseFailed, "SomeFailed", "1 of 2 instances failed: no space left on device", at(time.Minute), at(time.Second))
			}
			return said(opsv1alpha1.PhaseRunning, "Expanded", "2 instances are at work", at(time.Minute), nil)
		})
		works, err := workclient.NewForConfig(server.Config)
		if err != nil {
			b.Fatal(err)
		}
		compare(b, n, func() error {
			_, err := works.WorkV1().ManifestWorks("").List(b.Context(), metav1.ListOptions{LabelSelector: opsv1alpha1.LabelOperation + "=" + string(op.UID)})
			return err
		}, "get", "op", "run", "--clusters", "-n", ns)
	})
}

// compare vw with a floor.
func compare(b *testing.B, rows int, floor func() error, args ...string) {
	b.Helper()
	var plain, ours time.Duration
	for b.Loop() {
		start := time.Now()
		if err := floor(); err != nil {
			b.Fatal(err)
		}
		plain += time.Since(start)
		start = time.Now()
		var out, errOut bytes.Buffer
		env := newEnv("v0.0.0-bench", genericiooptions.IOStreams{In: &bytes.Buffer{}, Out: &out, ErrOut: &errOut})
		if status := execute(b.Context(), env, newRoot(env, "vw"), append([]string{"--kubeconfig", kubeconfig}, args...)); status != ExitOK {
			b.Fatal(errOut.String())
		}
		ours += time.Since(start)
		if lines := bytes.Count(out.Bytes(), []byte("\n")); lines != rows+1 {
			b.Fatalf("%d lines", lines)
		}
	}
	b.ReportMetric(ours.Seconds()/plain.Seconds(), "x-floor")
	b.ReportMetric(ours.Seconds()*1000/float64(b.N), "ms-vw")
	b.ReportMetric(plain.Seconds()*1000/float64(b.N), "ms-floor")
	b.ReportMetric(0, "ns/op") // one turn has a floor in it
}
