// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"github.com/go-logr/logr"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/spoke"
)

const (
	// namespace of the instances.
	namespace = "apps"
	// patience is how long anything may take.
	patience = 90 * time.Second
)

var (
	fleet   *testbed.Fleet
	cluster *testbed.Cluster
	agent   *testbed.Process
	k8s     client.WithWatch
)

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	dir, err := os.MkdirTemp("", "vw-engines-")
	if err == nil {
		defer func() { _ = os.RemoveAll(dir) }()
		err = up(ctx, dir)
	}
	if fleet != nil {
		defer func() {
			if err := fleet.Down(); err != nil {
				fmt.Fprintln(os.Stderr, "stop the testbed:", err)
			}
		}()
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "start the testbed:", err)
		return 1
	}
	return m.Run()
}

// up starts one cluster with every engine and the agent on it.
func up(ctx context.Context, dir string) (err error) {
	hub, agentBinary, err := install.Binaries(ctx, dir)
	if err != nil {
		return err
	}
	charts, err := filepath.Abs("testdata/charts")
	if err != nil {
		return err
	}
	if fleet, err = testbed.Up(ctx, testbed.Options{Clusters: 1, Charts: []string{charts}, Progress: os.Stderr}); err != nil {
		return err
	}
	cluster = fleet.Spokes[0]
	installed, err := install.Install(ctx, fleet, hub, agentBinary)
	if err != nil {
		return err
	}
	agent = installed.Agents[cluster.Name]
	// The hub would bring it, a moment later: the tests speak to the cluster only, and begin at once.
	if err := install.Catalog(ctx, cluster.Config()); err != nil {
		return err
	}
	scheme := runtime.NewScheme()
	if err := errors.Join(spoke.AddToScheme(scheme), apiextensionsv1.AddToScheme(scheme)); err != nil {
		return err
	}
	if k8s, err = client.NewWithWatch(cluster.Config(), client.Options{Scheme: scheme}); err != nil {
		return err
	}
	open := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: namespace, Labels: map[string]string{appsv1alpha1.LabelNamespaceGate: appsv1alpha1.NamespaceGated}}}
	runner := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Name: "vworkspace-operation-runner", Namespace: namespace}}
	return errors.Join(k8s.Create(ctx, open), k8s.Create(ctx, runner))
}

// operation on an instance. Its name is unique in the package, and says which test it is of.
func operation(t testing.TB, target string, typ opsv1alpha1.OperationType, engine opsv1alpha1.OperationEngine, parameters map[string]any) *opsv1alpha1.Operation {
	t.Helper()
	raw, err := json.Marshal(parameters)
	if err != nil {
		t.Fatal(err)
	}
	return &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "op-", Namespace: namespace},
		Spec: opsv1alpha1.OperationSpec{
			TargetRef:  &opsv1alpha1.TargetRef{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance", Name: target},
			Type:       typ,
			Engine:     engine,
			Parameters: &runtime.RawExtension{Raw: raw},
		},
	}
}

// output of a run, by its name.
func output(t testing.TB, op *opsv1alpha1.Operation, name string) string {
	t.Helper()
	var all map[string]string
	if op.Status.Outputs == nil || json.Unmarshal(op.Status.Outputs.Raw, &all) != nil || all[name] == "" {
		t.Fatalf("Operation %s has no output %s: %+v", op.Name, name, op.Status.Outputs)
	}
	return all[name]
}

// condition of a run, nil when it has none of that type.
func condition(op *opsv1alpha1.Operation, kind string) *metav1.Condition {
	return meta.FindStatusCondition(op.Status.Conditions, kind)
}

// create makes an object and deletes it when the test is over.
func create[T client.Object](t testing.TB, obj T) T {
	t.Helper()
	if err := k8s.Create(t.Context(), obj); err != nil {
		t.Fatalf("create %T %s: %v", obj, obj.GetName(), err)
	}
	t.Cleanup(func() {
		if err := client.IgnoreNotFound(k8s.Delete(context.Background(), obj)); err != nil {
			t.Errorf("delete %T %s: %v", obj, obj.GetName(), err)
		}
	})
	return obj
}

// eventually polls until ok; what says what was waited for, with the last that was seen.
func eventually(t testing.TB, what string, ok func(ctx context.Context) (bool, string)) {
	t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(t.Context(), 50*time.Millisecond, patience, true, func(ctx context.Context) (bool, error) {
		if err := fleet.Err(); err != nil {
			return false, err
		}
		done, seen := ok(ctx)
		if ctx.Err() == nil { // else it saw nothing but the end of our patience
			last = seen
		}
		return done, nil
	})
	if err != nil {
		t.Fatalf("wait for %s: %v; last seen: %s", what, err, last)
	}
}

// reaches waits for a phase, and a reason when one is given. Another terminal phase fails the test at once.
func reaches(t testing.TB, op *opsv1alpha1.Operation, phase opsv1alpha1.OperationPhase, reason string) {
	t.Helper()
	eventually(t, fmt.Sprintf("Operation %s to be %s/%s", op.Name, phase, reason), func(ctx context.Context) (bool, string) {
		if err := k8s.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return false, err.Error()
		}
		s := op.Status
		if s.Phase == phase && (reason == "" || s.Reason == reason) {
			return true, ""
		}
		if s.Phase.Terminal() {
			t.Fatalf("Operation %s ended as %s/%s (%s), want %s/%s", op.Name, s.Phase, s.Reason, s.Message, phase, reason)
		}
		return false, fmt.Sprintf("%s/%s: %s", s.Phase, s.Reason, s.Message)
	})
}
