// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/spoke/hosted"
)

const (
	shop      = "shop" // the namespace of deploy/spoke/examples
	placement = "everywhere"
	patience  = 4 * time.Minute
)

// rig is a fleet whose clusters have no agents of their own.
type rig struct {
	fleet   *testbed.Fleet
	hosting *testbed.Process
	hub     client.Client
	spokes  map[string]client.Client
}

// TestHosted is one story on one fleet: each part begins with what the one before it left.
func TestHosted(t *testing.T) {
	r := newRig(t)
	for _, part := range []struct {
		what string
		do   func(*testing.T, *rig)
	}{
		{"a cluster that joins while an Operation runs takes part in it", joins},
		{"a cluster that was taken away is left alone", leaves},
		{"credentials that change are taken up, and bad ones concern nobody else", changes},
		{"a cluster whose API server hangs holds up nobody, not even while the process starts", hangs},
		{"no credentials are in the log", saysNoSecret},
	} {
		if !t.Run(part.what, func(t *testing.T) { part.do(t, r) }) {
			t.Fatalf("the rest of the story needs this part; the log ends with\n%s", r.log(t, 4000))
		}
	}
}

func joins(t *testing.T, r *rig) {
	r.host(t, "spoke1", "spoke2")
	op := r.run(t, "joins")
	r.succeeds(t, op, "spoke1", "spoke2")
	if phase := r.delivered(t, op, "spoke3").Status.Phase; phase != "" {
		t.Errorf("on spoke3, which nobody handed over, the Operation is %s", phase)
	}
	r.host(t, "spoke3")
	r.allSucceed(t, op)
}

func leaves(t *testing.T, r *rig) {
	secret := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: hosted.DefaultNamespace, Name: "spoke3"}}
	if err := r.hub.Delete(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	r.eventually(t, "the log to tell that spoke3 has left", func(context.Context) (bool, string) {
		return strings.Contains(r.log(t, 0), "this replica does not serve the cluster any more"), ""
	})
	op := r.run(t, "leaves")
	r.succeeds(t, op, "spoke1", "spoke2")
	if phase := r.delivered(t, op, "spoke3").Status.Phase; phase != "" {
		t.Errorf("on spoke3, which was taken away, the Operation is %s", phase)
	}
	r.host(t, "spoke3")
	r.allSucceed(t, op)
}

func changes(t *testing.T, r *rig) {
	secret := &corev1.Secret{}
	if err := r.hub.Get(t.Context(), client.ObjectKey{Namespace: hosted.DefaultNamespace, Name: "spoke2"}, secret); err != nil {
		t.Fatal(err)
	}
	good := secret.Data[hosted.SecretKey]
	// It runs a program in the place of the process, and is refused.
	user, _, _ := strings.Cut(string(good), "token:")
	secret.Data[hosted.SecretKey] = []byte(user + "exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/evil, interactiveMode: Never}\n")
	if err := r.hub.Update(t.Context(), secret); err != nil {
		t.Fatal(err)
	}
	r.eventually(t, "the log to name the field", func(context.Context) (bool, string) {
		return strings.Contains(r.log(t, 0), "kubeconfig: users[].user.exec cannot be used in a hosted cluster's Secret"), ""
	})
	op := r.run(t, "changes")
	r.succeeds(t, op, "spoke1", "spoke3")
	r.host(t, "spoke2") // with another token
	r.allSucceed(t, op)
}

func hangs(t *testing.T, r *rig) {
	api := r.fleet.Process("spoke2-kube-apiserver")
	if err := api.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	resume := func() {
		if err := api.Signal(syscall.SIGCONT); err != nil {
			t.Error(err)
		}
	}
	defer resume()
	before := r.run(t, "hangs")
	r.succeeds(t, before, "spoke1", "spoke3")
	// One that starts now has never heard of spoke2.
	if err := r.hosting.Restart(); err != nil {
		t.Fatal(err)
	}
	after := r.run(t, "restarts")
	r.succeeds(t, after, "spoke1", "spoke3")
	resume()
	r.allSucceed(t, before)
	r.allSucceed(t, after)
}

func saysNoSecret(t *testing.T, r *rig) {
	if status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", r.hosting.PID())); err == nil {
		_, rss, _ := strings.Cut(string(status), "VmRSS:")
		rss, _, _ = strings.Cut(rss, "\n")
		t.Logf("the process, as the agent of %d clusters, has %s resident", len(r.spokes), strings.TrimSpace(rss))
	}
	log := r.log(t, 0)
	for name := range r.spokes {
		secret := &corev1.Secret{}
		if err := r.hub.Get(t.Context(), client.ObjectKey{Namespace: hosted.DefaultNamespace, Name: name}, secret); err != nil {
			t.Fatal(err)
		}
		_, token, _ := strings.Cut(string(secret.Data[hosted.SecretKey]), "token: ")
		if token, _, _ = strings.Cut(token, "\n"); token == "" || strings.Contains(log, token) {
			t.Errorf("the log of the process has the token of %s", name)
		}
	}
}

func newRig(t *testing.T) *rig {
	t.Helper()
	bin := t.TempDir()
	hub, spoke, err := install.Binaries(t.Context(), bin)
	if err != nil {
		t.Fatal(err)
	}
	// The fleet outlives t.Context, which ends before the cleanup.
	fleet, err := testbed.Up(context.WithoutCancel(t.Context()), testbed.Options{Clusters: 3, Engines: []string{}, Progress: t.Output(), Timeout: 10 * time.Minute})
	if err != nil {
		t.Fatal(err)
	}
	r := &rig{fleet: fleet, spokes: map[string]client.Client{}}
	t.Cleanup(func() {
		if err := fleet.Down(); err != nil {
			t.Error(err)
		}
	})
	if _, r.hosting, err = install.Hosted(t.Context(), fleet, hub, spoke); err != nil {
		t.Fatal(err)
	}
	r.hub = connect(t, fleet.Hub)
	if err := fleet.Place(t.Context(), shop, placement); err != nil {
		t.Fatal(err)
	}
	for _, c := range fleet.Spokes {
		r.spokes[c.Name] = connect(t, c)
		if err := testbed.ApplyFiles(t.Context(), c.Config(), filepath.Join("..", "..", "deploy", "spoke", "examples", "gated-namespace.yaml")); err != nil {
			t.Fatal(err)
		}
		if err := r.spokes[c.Name].Create(t.Context(), &appsv1alpha1.ApplicationInstance{
			ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: "web", Annotations: map[string]string{opsv1alpha1.TypeRunCommand.Capability(): string(opsv1alpha1.EngineJob)}},
			Spec:       appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "shop"}},
		}); err != nil {
			t.Fatal(err)
		}
	}
	return r
}

func connect(t *testing.T, c *testbed.Cluster) client.Client {
	t.Helper()
	cl, err := client.New(c.Config(), client.Options{Scheme: demo.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	return cl
}

// host hands clusters over, or gives them other credentials.
func (r *rig) host(t *testing.T, names ...string) {
	t.Helper()
	for _, c := range r.fleet.Spokes {
		if !slices.Contains(names, c.Name) {
			continue
		}
		secret, err := install.HostedSecret(t.Context(), c.Name, c.Config(), c.Config().Host)
		if err != nil {
			t.Fatal(err)
		}
		if err := r.hub.Create(t.Context(), secret); client.IgnoreAlreadyExists(err) != nil {
			t.Fatal(err)
		} else if err == nil {
			continue
		}
		if err := r.hub.Update(t.Context(), secret); err != nil {
			t.Fatal(err)
		}
	}
}

// run creates a fleet Operation that runs a command on the shop of every cluster.
func (r *rig) run(t *testing.T, name string) *opsv1alpha1.Operation {
	t.Helper()
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: shop, Name: name},
		Spec: opsv1alpha1.OperationSpec{
			Placement:  &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: placement}},
			Selector:   &opsv1alpha1.InstanceSelector{},
			Type:       opsv1alpha1.TypeRunCommand,
			Engine:     opsv1alpha1.EngineJob,
			Parameters: &runtime.RawExtension{Raw: []byte(`{"image":"registry.example.com/shop:1.0.0","command":["true"]}`)},
			// The clusters that are away must not be given up while this machine is slow.
			StartDeadline: &metav1.Duration{Duration: time.Hour},
		},
	}
	if err := r.hub.Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	return op
}

// succeeds waits until the Operation has succeeded on exactly these clusters, as the hub sees it, and on them.
func (r *rig) succeeds(t *testing.T, op *opsv1alpha1.Operation, clusters ...string) {
	t.Helper()
	r.eventually(t, fmt.Sprintf("%s on %v", op.Name, clusters), func(ctx context.Context) (bool, string) {
		if err := r.hub.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return false, err.Error()
		}
		return op.Status.Summary != nil && op.Status.Summary.Clusters != nil && op.Status.Summary.Clusters.Succeeded == int32(len(clusters)), demo.Line(op)
	})
	for _, name := range clusters {
		if d := r.delivered(t, op, name); d.Status.Phase != opsv1alpha1.PhaseSucceeded {
			t.Errorf("%s is %s on %s (%s: %s)", op.Name, d.Status.Phase, name, d.Status.Reason, d.Status.Message)
		}
	}
}

func (r *rig) allSucceed(t *testing.T, op *opsv1alpha1.Operation) {
	t.Helper()
	r.eventually(t, op.Name+" on all clusters", func(ctx context.Context) (bool, string) {
		if err := r.hub.Get(ctx, client.ObjectKeyFromObject(op), op); err != nil {
			return false, err.Error()
		}
		return op.Status.Phase == opsv1alpha1.PhaseSucceeded && op.Status.Reason == opsv1alpha1.ReasonAllSucceeded, demo.Line(op)
	})
}

// delivered is what the hub sent to a cluster. It waits until that is there.
func (r *rig) delivered(t *testing.T, op *opsv1alpha1.Operation, cluster string) *opsv1alpha1.Operation {
	t.Helper()
	var list opsv1alpha1.OperationList
	r.eventually(t, op.Name+" to reach "+cluster, func(ctx context.Context) (bool, string) {
		err := r.spokes[cluster].List(ctx, &list, client.InNamespace(opsv1alpha1.DefaultAgentNamespace),
			client.MatchingLabels{opsv1alpha1.LabelRoot: string(op.UID)})
		return err == nil && len(list.Items) == 1, fmt.Sprintf("%d, %v", len(list.Items), err)
	})
	return &list.Items[0]
}

// log is the end of the process' log; all of it when most is 0.
func (r *rig) log(t *testing.T, most int) string {
	t.Helper()
	raw, err := os.ReadFile(r.hosting.Log())
	if err != nil {
		t.Fatal(err)
	}
	if most > 0 && len(raw) > most {
		raw = raw[len(raw)-most:]
	}
	return string(raw)
}

// eventually polls until ok holds; what says what was waited for, with the last that was seen.
func (r *rig) eventually(t *testing.T, what string, ok func(ctx context.Context) (bool, string)) {
	t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(t.Context(), 100*time.Millisecond, patience, true, func(ctx context.Context) (done bool, err error) {
		done, last = ok(ctx)
		return done, nil
	})
	if err != nil {
		t.Fatalf("wait for %s: %v; last seen: %s", what, err, last)
	}
}
