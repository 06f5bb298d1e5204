// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"testing"
	"time"

	"github.com/go-logr/logr"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"vworkspace.io/fleet/e2e/testbed"
)

// patience is how long anything may take. Nearly all takes milliseconds; an agent whose gRPC server was gone waits up to two minutes before it asks again.
const patience = 5 * time.Minute

// slow is what is worth a line in the log.
const slow = time.Second

// fleet is the one fleet of this package: spoke1 by the API server, spoke2 by gRPC.
var fleet *testbed.Fleet

// long tests wait for an agent that has lost the gRPC server more than once; each time it waits longer before it asks again.
var long = flag.Bool("transport.long", false, "run what takes minutes too")

func TestMain(m *testing.M) { os.Exit(run(m)) }

func run(m *testing.M) int {
	ctrllog.SetLogger(logr.Discard())
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	var err error
	if fleet, err = testbed.Up(ctx, testbed.Options{Clusters: 2, GRPC: 1, Engines: []string{}, Progress: os.Stderr, Timeout: patience}); err != nil {
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

// Names of the two transports.
const (
	byAPIServer = "API server"
	byGRPC      = "gRPC"
)

// way is one of the two transports, and the cluster that has it.
type way struct {
	name       string
	cluster    *testbed.Cluster
	hub, spoke client.WithWatch
}

// ways are both of them.
func ways(t *testing.T) [2]way {
	t.Helper()
	hub := connect(t, fleet.Hub)
	return [2]way{
		{byAPIServer, fleet.Spokes[0], hub, connect(t, fleet.Spokes[0])},
		{byGRPC, fleet.Spokes[1], hub, connect(t, fleet.Spokes[1])},
	}
}

// both ways, each as a test of its own.
func both(t *testing.T, test func(t *testing.T, w way)) {
	for _, w := range ways(t) {
		t.Run(w.name, func(t *testing.T) { test(t, w) })
	}
}

func connect(t *testing.T, c *testbed.Cluster) client.WithWatch {
	t.Helper()
	cl, err := client.NewWithWatch(c.Config(), client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatalf("connect to %s: %v", c.Name, err)
	}
	return cl
}

func scheme() *runtime.Scheme {
	s := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(s))
	utilruntime.Must(workv1.Install(s))
	return s
}

// note is what a work brings: a ConfigMap whose phase is told back as it changes.
func note(name, phase string) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		TypeMeta:   metav1.TypeMeta{APIVersion: "v1", Kind: "ConfigMap"},
		ObjectMeta: metav1.ObjectMeta{Namespace: metav1.NamespaceDefault, Name: name},
		Data:       map[string]string{"sent": phase},
	}
}

// work that brings a note to a cluster, by the same means as an Operation: server-side apply, and feedback by a watch.
func work(cluster, name, sent string, then workv1.DeletePropagationPolicyType) *workv1.ManifestWork {
	w := &workv1.ManifestWork{
		ObjectMeta: metav1.ObjectMeta{Namespace: cluster, Name: name},
		Spec: workv1.ManifestWorkSpec{
			DeleteOption: &workv1.DeleteOption{PropagationPolicy: then},
			ManifestConfigs: []workv1.ManifestConfigOption{{
				ResourceIdentifier: workv1.ResourceIdentifier{Resource: "configmaps", Namespace: metav1.NamespaceDefault, Name: name},
				UpdateStrategy:     &workv1.UpdateStrategy{Type: workv1.UpdateStrategyTypeServerSideApply},
				FeedbackScrapeType: workv1.FeedbackWatchType,
				FeedbackRules: []workv1.FeedbackRule{{Type: workv1.JSONPathsType, JsonPaths: []workv1.JsonPath{
					{Name: "phase", Path: ".data.phase"},
				}}},
			}},
		},
	}
	w.Spec.Workload.Manifests = []workv1.Manifest{{RawExtension: runtime.RawExtension{Object: note(name, sent)}}}
	return w
}

// create a work that brings "1", and is gone, with what it brought, at the end.
func (w way) create(t *testing.T, name string, then workv1.DeletePropagationPolicyType) *workv1.ManifestWork {
	t.Helper()
	mw := work(w.cluster.Name, name, "1", then)
	if err := w.hub.Create(t.Context(), mw); err != nil {
		t.Fatalf("create ManifestWork %s: %v", name, err)
	}
	t.Cleanup(func() {
		for c, o := range map[client.Client]client.Object{w.hub: mw, w.spoke: note(name, "")} {
			if err := c.Delete(context.Background(), o); client.IgnoreNotFound(err) != nil {
				t.Error(err)
			}
		}
	})
	return mw
}

// there waits until the note is on the cluster as it was sent.
func (w way) there(t *testing.T, name, sent string) {
	t.Helper()
	eventually(t, fmt.Sprintf("note %s %q on %s", name, sent, w.cluster.Name), func(ctx context.Context) (bool, string) {
		cm := &corev1.ConfigMap{}
		if err := w.spoke.Get(ctx, client.ObjectKey{Namespace: metav1.NamespaceDefault, Name: name}, cm); err != nil {
			return false, err.Error()
		}
		return cm.Data["sent"] == sent, fmt.Sprint(cm.Data)
	})
}

// tell writes the phase of a note on the cluster.
func (w way) tell(t *testing.T, name, phase string) {
	t.Helper()
	cm := note(name, "")
	patch := client.RawPatch("application/merge-patch+json", fmt.Appendf(nil, `{"data":{"phase":%q}}`, phase))
	if err := w.spoke.Patch(t.Context(), cm, patch); err != nil {
		t.Fatalf("write the phase of %s: %v", name, err)
	}
}

// told waits until the hub has heard the phase of a note.
func (w way) told(t *testing.T, name, phase string) {
	t.Helper()
	eventually(t, fmt.Sprintf("phase %q of %s on the hub", phase, name), func(ctx context.Context) (bool, string) {
		mw := &workv1.ManifestWork{}
		if err := w.hub.Get(ctx, client.ObjectKey{Namespace: w.cluster.Name, Name: name}, mw); err != nil {
			return false, err.Error()
		}
		return phaseOf(mw) == phase, phaseOf(mw)
	})
}

func phaseOf(mw *workv1.ManifestWork) string {
	for _, m := range mw.Status.ResourceStatus.Manifests {
		for _, v := range m.StatusFeedbacks.Values {
			if v.Name == "phase" && v.Value.String != nil {
				return *v.Value.String
			}
		}
	}
	return ""
}

// gone waits until an object is not there any more.
func gone(t *testing.T, c client.Client, o client.Object) {
	t.Helper()
	eventually(t, fmt.Sprintf("%T %s to be gone", o, o.GetName()), func(ctx context.Context) (bool, string) {
		err := c.Get(ctx, client.ObjectKeyFromObject(o), o)
		return err != nil && client.IgnoreNotFound(err) == nil, fmt.Sprint(err)
	})
}

// eventually polls until ok holds; what says what was waited for, with the last that was seen.
func eventually(t *testing.T, what string, ok func(ctx context.Context) (bool, string)) {
	t.Helper()
	last, begun := "", time.Now()
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(ctx context.Context) (done bool, err error) {
		done, last = ok(ctx)
		return done, nil
	})
	if err != nil {
		t.Fatalf("wait for %s: %v; last seen: %s", what, err, last)
	}
	if took := time.Since(begun); took > slow {
		t.Logf("%s took %s", what, took.Round(time.Millisecond))
	}
}
