// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"syscall"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/testbed"
)

const (
	clusters   = 3
	perCluster = 2
	patience   = 2 * time.Minute
)

// fleet is the one fleet of this package.
var fleet *demo.Demo

// overGRPC clusters, the last ones, reach the hub by Open Cluster Management's gRPC server instead of its API server; nothing else differs.
var overGRPC = flag.Int("scenarios.grpc", 0, "how many of the 3 clusters reach the hub by gRPC")

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	flag.Parse()
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if fleet, err = demo.Start(ctx, demo.Options{Clusters: clusters, GRPC: *overGRPC, Screen: demo.NewScreen(os.Stderr, false)}); err != nil {
		fmt.Fprintln(os.Stderr, "start the fleet:", err)
		return 1
	}
	defer func() {
		if err := fleet.Down(); err != nil {
			fmt.Fprintln(os.Stderr, "stop the fleet:", err)
		}
	}()
	return m.Run()
}

// fleetOperation is a RunCommand on every shop; mutate changes it.
func fleetOperation(name string, mutate func(*opsv1alpha1.OperationSpec), parameters map[string]any) *opsv1alpha1.Operation {
	raw, err := json.Marshal(parameters)
	if err != nil {
		panic(err)
	}
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Name: name, Namespace: demo.Namespace},
		Spec: opsv1alpha1.OperationSpec{
			Placement:  &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: demo.Placement}},
			Selector:   &opsv1alpha1.InstanceSelector{},
			Type:       opsv1alpha1.TypeRunCommand,
			Engine:     opsv1alpha1.EngineJob,
			Parameters: &runtime.RawExtension{Raw: raw},
		},
	}
	if mutate != nil {
		mutate(&op.Spec)
	}
	return op
}

// command is a job whose simulated pod runs for a while.
func command(takes time.Duration) map[string]any {
	return map[string]any{
		"image": "registry.example.com/shop:1.0.0", "command": []string{"true"},
		"podAnnotations": map[string]string{testbed.AnnotationDuration: takes.String()},
	}
}

// create makes an Operation on the hub and deletes it when the test is over.
func create(t *testing.T, op *opsv1alpha1.Operation) {
	t.Helper()
	if err := fleet.Hub.Create(t.Context(), op); err != nil {
		t.Fatalf("create Operation %s: %v", op.Name, err)
	}
	t.Cleanup(func() {
		ctx := context.Background()
		if err := client.IgnoreNotFound(fleet.Hub.Delete(ctx, op)); err != nil {
			t.Errorf("delete Operation %s: %v", op.Name, err)
		}
	})
}

// ended waits until an Operation has ended and checks its phase.
func ended(t *testing.T, op *opsv1alpha1.Operation, want opsv1alpha1.OperationPhase) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	if err := demo.Watch(ctx, fleet.Hub, op, func(line string) { t.Log(line) }); err != nil {
		t.Fatal(err)
	}
	if op.Status.Phase != want {
		t.Fatalf("phase %s (%s: %s), want %s", op.Status.Phase, op.Status.Reason, op.Status.Message, want)
	}
}

// eventually polls until ok holds; what says what was waited for, with the last that was seen.
func eventually(t *testing.T, what string, ok func(ctx context.Context) (bool, string)) {
	t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (done bool, err error) {
		done, last = ok(ctx)
		return done, nil
	})
	if err != nil {
		t.Fatalf("wait for %s: %v; last seen: %s", what, err, last)
	}
}

// works are the ManifestWorks of a fleet Operation, over all clusters.
func works(ctx context.Context, t *testing.T, op *opsv1alpha1.Operation) []workv1.ManifestWork {
	t.Helper()
	var list workv1.ManifestWorkList
	if err := fleet.Hub.List(ctx, &list, client.MatchingLabels{opsv1alpha1.LabelOperation: string(op.UID)}); err != nil {
		t.Fatalf("list ManifestWorks: %v", err)
	}
	return list.Items
}

// onePerCluster checks that there is exactly one ManifestWork of op per cluster.
func onePerCluster(t *testing.T, op *opsv1alpha1.Operation) {
	t.Helper()
	seen := map[string]int{}
	for _, w := range works(t.Context(), t, op) {
		seen[w.Namespace]++
	}
	for _, c := range fleet.Fleet.Spokes {
		if seen[c.Name] != 1 {
			t.Errorf("%d ManifestWorks for %s, want exactly 1", seen[c.Name], c.Name)
		}
	}
	if len(seen) != clusters {
		t.Errorf("ManifestWorks for %d clusters, want %d", len(seen), clusters)
	}
}

// spoke returns a client of a cluster.
func spoke(t *testing.T, c *testbed.Cluster) client.Client {
	t.Helper()
	cl, err := client.New(c.Config(), client.Options{Scheme: demo.Scheme()})
	if err != nil {
		t.Fatalf("connect to %s: %v", c.Name, err)
	}
	return cl
}

// jobs are the Jobs on all clusters that belong to a fleet Operation, by cluster and instance.
func jobs(ctx context.Context, t *testing.T, op *opsv1alpha1.Operation) map[string][]batchv1.Job {
	t.Helper()
	out := map[string][]batchv1.Job{}
	for _, c := range fleet.Fleet.Spokes {
		cl := spoke(t, c)
		var children opsv1alpha1.OperationList
		if err := cl.List(ctx, &children, client.InNamespace(demo.Namespace), client.MatchingLabels{opsv1alpha1.LabelRoot: string(op.UID)}); err != nil {
			t.Fatalf("list Operations on %s: %v", c.Name, err)
		}
		for _, child := range children.Items {
			var list batchv1.JobList
			if err := cl.List(ctx, &list, client.InNamespace(demo.Namespace), client.MatchingLabels{opsv1alpha1.LabelOperation: string(child.UID)}); err != nil {
				t.Fatalf("list Jobs on %s: %v", c.Name, err)
			}
			out[c.Name+"/"+child.Spec.TargetRef.Name] = list.Items
		}
	}
	return out
}

// oneJobPerInstance checks that every instance of the fleet ran the Operation exactly once.
func oneJobPerInstance(t *testing.T, op *opsv1alpha1.Operation) {
	t.Helper()
	all := jobs(t.Context(), t, op)
	if len(all) != clusters*perCluster {
		t.Errorf("the Operation reached %d instances, want %d", len(all), clusters*perCluster)
	}
	for instance, made := range all {
		if len(made) != 1 {
			t.Errorf("%d Jobs for %s, want exactly 1", len(made), instance)
		}
	}
}

// kubectl runs the real kubectl against the hub.
func kubectl(t *testing.T, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), fleet.Fleet.Kubectl(), append([]string{"--kubeconfig", fleet.Fleet.Hub.KubeconfigPath, "-n", demo.Namespace}, args...)...)
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	if err := cmd.Run(); err != nil {
		t.Fatalf("kubectl %v: %v\n%s", args, err, out.String())
	}
	return out.String()
}
