// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/telemetry"
)

// replica is a hub with its /readyz, as cmd/hub makes it.
type replica struct {
	t       *testing.T
	url     string
	metrics *Metrics
	stop    func()
}

func startReplica(t *testing.T, api *rest.Config, r telemetry.Readiness) *replica {
	t.Helper()
	fail := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	port, err := net.Listen("tcp", "127.0.0.1:0")
	fail(err)
	address := port.Addr().String()
	fail(port.Close())
	options := ManagerOptions()
	options.Metrics = server.Options{BindAddress: "0"}
	options.Controller = config.Controller{SkipNameValidation: ptr.To(true)}
	options.Logger = testLogger(t)
	options.HealthProbeBindAddress = address
	options.LeaderElection = r.Lease.Name != ""
	options.LeaderElectionID, options.LeaderElectionNamespace = r.Lease.Name, r.Lease.Namespace
	options.LeaderElectionReleaseOnCancel = true
	mgr, err := ctrl.NewManager(api, options)
	fail(err)
	ctx, cancel := context.WithCancel(context.Background())
	rep := &replica{t: t, url: "http://" + address, metrics: NewMetrics()}
	fail(Setup(ctx, mgr, Options{Metrics: rep.metrics}))
	fail(telemetry.AddChecks(mgr, r))
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	rep.stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			t.Error("the hub stopped:", err)
		}
	})
	t.Cleanup(rep.stop)
	return rep
}

// answers waits until /readyz answers as told: with status 200, or with another one that names a check.
func (r *replica) answers(failing string) {
	r.t.Helper()
	until(r.t, "/readyz shall fail for "+failing, func() string {
		res, err := http.Get(r.url + "/readyz?verbose=1")
		if err != nil {
			return err.Error()
		}
		defer func() { _ = res.Body.Close() }()
		body, err := io.ReadAll(res.Body)
		ready := res.StatusCode == http.StatusOK
		if err == nil && ready == (failing == "") && (ready || strings.Contains(string(body), "[-]"+failing+" ")) {
			return ""
		}
		return res.Status + ": " + string(body)
	})
}

// until nothing is missing any more.
func until(t *testing.T, what string, missing func() string) {
	t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(t.Context(), 20*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		last = missing()
		return last == "", nil
	})
	if err != nil {
		t.Fatalf("%s: %v; last: %s", what, err, last)
	}
}

// often is how often the tests' hubs ask, so that nobody waits.
const often = 200 * time.Millisecond

// TestReadyLeadingAndStandingBy: both are ready, and only who leads exports what both know.
func TestReadyLeadingAndStandingBy(t *testing.T) {
	ready := telemetry.Readiness{Kinds: Kinds(), Every: often, Lease: types.NamespacedName{Namespace: "vworkspace-hub", Name: "vworkspace-hub"}}
	first := startReplica(t, hubConfig, ready)
	first.answers("")
	second := startReplica(t, hubConfig, ready)
	second.answers("")
	present := func(r *replica) bool {
		_, there := exported(t, r.metrics)["works_in_flight{}"]
		return there
	}
	if !present(first) || present(second) {
		t.Errorf("exported: the leader's %v, the stand-by's %v", present(first), present(second))
	}
	first.stop()
	until(t, "the stand-by shall take over", func() string {
		if present(second) {
			return ""
		}
		return "it exports nothing"
	})
	second.answers("")
}

// TestNotReadyWithoutAPI: the process is well, and nobody answers it.
func TestNotReadyWithoutAPI(t *testing.T) {
	line := &cable{}
	api := rest.CopyConfig(hubConfig)
	api.Dial = line.dial
	r := startReplica(t, api, telemetry.Readiness{Kinds: Kinds(), Every: often})
	r.answers("")
	line.cut()
	r.answers("api")
	if res, err := http.Get(r.url + "/healthz"); err != nil || res.StatusCode != http.StatusOK {
		t.Errorf("a process is not sick because the API server is: %v", err)
	} else {
		_ = res.Body.Close()
	}
	line.mend()
	r.answers("")
}

// TestNotReadyWithoutKinds: a CRD that is needed goes, and comes back.
func TestNotReadyWithoutKinds(t *testing.T) {
	crd := func() *unstructured.Unstructured {
		return &unstructured.Unstructured{Object: map[string]any{
			"apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": map[string]any{"name": "needs.test.example.com"},
			"spec": map[string]any{
				"group": "test.example.com", "scope": "Namespaced", "names": map[string]any{"plural": "needs", "kind": "Need"},
				"versions": []any{map[string]any{
					"name": "v1", "served": true, "storage": true, "schema": map[string]any{"openAPIV3Schema": map[string]any{"type": "object"}},
				}},
			},
		}}
	}
	need := &unstructured.Unstructured{}
	need.SetGroupVersionKind(schema.GroupVersionKind{Group: "test.example.com", Version: "v1", Kind: "Need"})
	r := startReplica(t, hubConfig, telemetry.Readiness{Kinds: append(Kinds(), need), Every: often})
	r.answers("kinds")
	for range 2 {
		until(t, "the CRD shall be made", func() string { // the one before may still be going
			if err := api.Create(t.Context(), crd()); err != nil {
				return err.Error()
			}
			return ""
		})
		r.answers("")
		if err := api.Delete(t.Context(), crd()); err != nil {
			t.Fatal(err)
		}
		r.answers("kinds")
	}
}

// TestNotReadyWithoutRights: what is to be watched cannot be listed, so the caches stay empty until somebody gives the rights.
func TestNotReadyWithoutRights(t *testing.T) {
	stranger := rest.CopyConfig(hubConfig)
	stranger.Impersonate.UserName = "system:serviceaccount:default:stranger"
	r := startReplica(t, stranger, telemetry.Readiness{Kinds: Kinds(), Every: often})
	r.answers("caches")
	rights := &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: "stranger"},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: "vworkspace-hub"},
		Subjects:   []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: "default", Name: "stranger"}},
	}
	if err := api.Create(t.Context(), rights); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = api.Delete(context.Background(), rights) }) // goes with the API server anyway
	r.answers("")
}

// cable to the API server.
type cable struct {
	mu    sync.Mutex
	broke bool
	conns []net.Conn
}

func (c *cable) dial(ctx context.Context, network, address string) (net.Conn, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.broke {
		return nil, errors.New("the cable is cut")
	}
	conn, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err == nil {
		c.conns = append(c.conns, conn)
	}
	return conn, err
}

func (c *cable) cut() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broke = true
	for _, conn := range c.conns {
		_ = conn.Close()
	}
}

func (c *cable) mend() {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.broke = false
}
