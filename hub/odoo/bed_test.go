// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"k8s.io/utils/ptr"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	ctrlconfig "sigs.k8s.io/controller-runtime/pkg/config"
	"sigs.k8s.io/controller-runtime/pkg/metrics/server"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub"
	"vworkspace.io/fleet/hub/odoo/jobs"
	"vworkspace.io/fleet/hub/odoo/wire"
)

const (
	hubNamespace = "vworkspace-hub"
	// patience bounds every wait; it says nothing about how fast anything is.
	patience = 60 * time.Second
	// labelBed is on the ControlPlanes of one test: its hub sees no others.
	labelBed = "test-bed"
)

var beds atomic.Int32

// bed is a fake control plane, a namespace, and hubs that see only what is its.
type bed struct {
	t     testing.TB
	ctx   context.Context
	id    string // also the namespace
	fake  *controlplane.Fake
	funcs interceptor.Funcs                         // around the hub's client
	wrap  func(http.RoundTripper) http.RoundTripper // around all that the hub asks the API server; nil for nothing
}

// newBed with a fake. Its protocol must not have been violated when the test ends.
func newBed(t testing.TB, o controlplane.Options) *bed {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	t.Cleanup(cancel)
	b := &bed{t: t, ctx: ctx, id: fmt.Sprintf("bed%d", beds.Add(1)), fake: controlplane.Start(o)}
	t.Cleanup(b.fake.Close)
	t.Cleanup(func() {
		for _, v := range b.fake.Violations() {
			t.Error("the protocol was violated:", v)
		}
	})
	b.must(api.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: b.id}}))
	return b
}

// connected is a bed with a ControlPlane that has credentials, and a hub.
func connected(t testing.TB, change ...func(*opsv1alpha1.ControlPlane)) *bed {
	t.Helper()
	b := newBed(t, controlplane.Options{})
	b.secret("odoo-a", map[string]string{opsv1alpha1.SecretToken: b.fake.Token("fleet-1"), opsv1alpha1.SecretClusterID: "fleet-1"})
	b.controlPlane(b.id, change...)
	b.startHub()
	return b
}

func (b *bed) must(err error) {
	b.t.Helper()
	if err != nil {
		b.t.Fatal(err)
	}
}

// secret is made, and is gone when the test ends: the hub may see two by name.
func (b *bed) secret(name string, data map[string]string) {
	b.t.Helper()
	s := &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: hubNamespace, Name: name}, StringData: data}
	b.must(api.Create(b.ctx, s))
	b.t.Cleanup(func() { _ = api.Delete(context.Background(), s) })
}

func (b *bed) readSecret() map[string]string {
	b.t.Helper()
	s := &corev1.Secret{}
	b.must(api.Get(b.ctx, types.NamespacedName{Namespace: hubNamespace, Name: "odoo-a"}, s))
	data := map[string]string{}
	for key, value := range s.Data {
		data[key] = string(value)
	}
	return data
}

// changeSecret odoo-a: set, or with an empty value take away.
func (b *bed) changeSecret(key, value string) {
	b.t.Helper()
	s := &corev1.Secret{}
	b.must(api.Get(b.ctx, types.NamespacedName{Namespace: hubNamespace, Name: "odoo-a"}, s))
	if s.Data[key] = []byte(value); value == "" {
		delete(s.Data, key)
	}
	b.must(api.Update(b.ctx, s))
}

// controlPlane with the Secret odoo-a.
func (b *bed) controlPlane(name string, change ...func(*opsv1alpha1.ControlPlane)) {
	b.t.Helper()
	cp := &opsv1alpha1.ControlPlane{
		ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{labelBed: b.id}},
		Spec:       opsv1alpha1.ControlPlaneSpec{Endpoint: b.fake.URL(), CredentialsSecret: "odoo-a"},
	}
	for _, c := range change {
		c(cp)
	}
	b.must(api.Create(b.ctx, cp))
	b.t.Cleanup(func() { _ = api.Delete(context.Background(), cp) })
}

func (b *bed) readControlPlane(name string) *opsv1alpha1.ControlPlane {
	b.t.Helper()
	cp := &opsv1alpha1.ControlPlane{}
	b.must(api.Get(b.ctx, types.NamespacedName{Name: name}, cp))
	return cp
}

// change a ControlPlane's spec.
func (b *bed) change(name string, do func(*opsv1alpha1.ControlPlaneSpec)) {
	b.t.Helper()
	cp := b.readControlPlane(name)
	before := cp.DeepCopy()
	do(&cp.Spec)
	b.must(api.Patch(b.ctx, cp, client.MergeFrom(before)))
}

// startHub runs a hub until stop is called, or the test ends.
func (b *bed) startHub(change ...func(*Options)) (stop func()) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(b.ctx)
	options := hub.ManagerOptions()
	options.Metrics = server.Options{BindAddress: "0"}
	options.Controller = ctrlconfig.Controller{SkipNameValidation: ptr.To(true)}
	only := map[string]cache.Config{b.id: {}}
	options.Cache.ByObject = map[client.Object]cache.ByObject{
		&opsv1alpha1.ControlPlane{}:         {Label: labels.SelectorFromSet(labels.Set{labelBed: b.id})},
		&opsv1alpha1.Operation{}:            {Namespaces: only},
		&appsv1alpha1.ApplicationInstance{}: {Namespaces: only},
	}
	options.NewClient = func(c *rest.Config, o client.Options) (client.Client, error) {
		inner, err := client.NewWithWatch(c, o)
		if err != nil {
			return nil, err
		}
		return interceptor.NewClient(inner, b.funcs), nil
	}
	config := rest.CopyConfig(hubConfig)
	config.WrapTransport = b.wrap
	mgr, err := ctrl.NewManager(config, options)
	b.must(err)
	o := Options{}
	for _, c := range change {
		c(&o)
	}
	b.must(Setup(ctx, mgr, o))
	done := make(chan error, 1)
	go func() { done <- mgr.Start(ctx) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil && !errors.Is(err, context.Canceled) {
			b.t.Error("the hub stopped:", err)
		}
	})
	b.t.Cleanup(stop)
	return stop
}

// eventually waits until check says nothing is missing.
func (b *bed) eventually(what string, check func() string) {
	b.t.Helper()
	last := ""
	err := wait.PollUntilContextTimeout(b.ctx, 10*time.Millisecond, patience, true, func(context.Context) (bool, error) {
		last = check()
		return last == "", nil
	})
	if err != nil {
		b.t.Fatalf("%s: %v; last seen: %s", what, err, last)
	}
}

// awaitCondition of a ControlPlane, and return its message.
func (b *bed) awaitCondition(name, kind string, status metav1.ConditionStatus, reason string) string {
	b.t.Helper()
	message := ""
	b.eventually(fmt.Sprintf("%s shall be %s/%s", kind, status, reason), func() string {
		c := meta.FindStatusCondition(b.readControlPlane(name).Status.Conditions, kind)
		if c == nil {
			return "none"
		}
		if message = c.Message; c.Status == status && c.Reason == reason {
			return ""
		}
		return fmt.Sprintf("%s/%s: %s", c.Status, c.Reason, c.Message)
	})
	return message
}

// enqueue a job, and return its id.
func (b *bed) enqueue(n controlplane.NewJob) string {
	b.t.Helper()
	id, err := b.fake.EnqueueJob(n)
	b.must(err)
	return id
}

// result of a job, once it is in.
func (b *bed) result(id string) wire.Result {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, patience)
	defer cancel()
	got, err := b.fake.WaitResult(ctx, id)
	if err != nil {
		j := b.fake.Job(id)
		j.Job = wire.Job{}
		b.t.Fatalf("%v; the job: %+v; ControlPlanes: %s", err, j, b.dump())
	}
	return got
}

func (b *bed) dump() string {
	list := &opsv1alpha1.ControlPlaneList{}
	b.must(api.List(b.ctx, list, client.MatchingLabels{labelBed: b.id}))
	text := ""
	for _, cp := range list.Items {
		raw, err := json.Marshal(cp.Status)
		b.must(err)
		text += cp.Name + " " + string(raw)
	}
	return text
}

// expect a result with a part of its error.
func (b *bed) expect(id, outcome, part string) wire.Result {
	b.t.Helper()
	got := b.result(id)
	if got.Outcome != outcome || !strings.Contains(got.Error, part) {
		b.t.Fatalf("job %s has the result %s: %s; want %s: %s", id, got.Outcome, got.Error, outcome, part)
	}
	return got
}

// operation that jobs ask for: a backup of an instance.
func (b *bed) operation(name string, change ...func(map[string]any)) map[string]any {
	o := map[string]any{
		"apiVersion": "ops.vworkspace.io/v1alpha1", "kind": "Operation",
		"metadata": map[string]any{"namespace": b.id, "name": name},
		"spec": map[string]any{
			"type": "Backup", "targetRef": map[string]any{"apiVersion": "apps.vworkspace.io/v1alpha1", "kind": "ApplicationInstance", "name": "shop"},
		},
	}
	for _, c := range change {
		c(o)
	}
	return o
}

// instance that jobs ask for.
func (b *bed) instance(name, cluster, version string) map[string]any {
	o := map[string]any{
		"apiVersion": "apps.vworkspace.io/v1alpha1", "kind": "ApplicationInstance",
		"metadata": map[string]any{"namespace": b.id, "name": name},
		"spec": map[string]any{
			"appRef":  map[string]any{"catalogId": "shop-" + b.id},
			"chart":   map[string]any{"sourceType": "oci", "url": "oci://registry.example.com/charts", "name": "shop", "version": version},
			"release": map[string]any{"name": name, "namespace": b.id},
			"values":  map[string]any{"source": "inline", "inline": map[string]any{"replicas": 1}},
		},
	}
	if cluster != "" {
		o["metadata"].(map[string]any)["labels"] = map[string]any{appsv1alpha1.LabelClusterID: cluster}
	}
	return o
}

// awaitOperation until a job has made it.
func (b *bed) awaitOperation(name string) *opsv1alpha1.Operation {
	b.t.Helper()
	op := &opsv1alpha1.Operation{}
	b.eventually("Operation "+name+" shall be there", func() string {
		if err := api.Get(b.ctx, types.NamespacedName{Namespace: b.id, Name: name}, op); err != nil {
			return err.Error()
		}
		return ""
	})
	return op
}

// conclude an Operation as the hub's controller would.
func (b *bed) conclude(name string, phase opsv1alpha1.OperationPhase, reason, message string) {
	b.t.Helper()
	op := b.awaitOperation(name)
	before := op.DeepCopy()
	op.Transition(time.Now()).Run("RollingOut", "1 of 2")
	b.must(api.Status().Patch(b.ctx, op, client.MergeFrom(before)))
	before = op.DeepCopy()
	op.Transition(time.Now()).End(phase, reason, message)
	b.must(api.Status().Patch(b.ctx, op, client.MergeFrom(before)))
}

// report the readiness of an instance as the hub's controller would.
func (b *bed) report(name string, status metav1.ConditionStatus, reason, message string) {
	b.t.Helper()
	ai := b.awaitInstance(name)
	before := ai.DeepCopy()
	ai.Status.ObservedGeneration = ai.Generation
	meta.SetStatusCondition(&ai.Status.Conditions, metav1.Condition{Type: appsv1alpha1.ConditionReady, Status: status, Reason: reason, Message: message})
	b.must(api.Status().Patch(b.ctx, ai, client.MergeFrom(before)))
}

func (b *bed) awaitInstance(name string) *appsv1alpha1.ApplicationInstance {
	b.t.Helper()
	ai := &appsv1alpha1.ApplicationInstance{}
	b.eventually("ApplicationInstance "+name+" shall be there", func() string {
		if err := api.Get(b.ctx, types.NamespacedName{Namespace: b.id, Name: name}, ai); err != nil {
			return err.Error()
		}
		return ""
	})
	return ai
}

// create something as an administrator.
func (b *bed) create(o map[string]any) {
	b.t.Helper()
	b.must(api.Create(b.ctx, &unstructured.Unstructured{Object: o}, client.FieldOwner("kubectl")))
}

func intent(name string, more map[string]any) map[string]any {
	o := map[string]any{"intent": name}
	for key, value := range more {
		o[key] = value
	}
	return o
}

// readRecord of a job, as it is kept.
func (b *bed) readRecord(id string) string {
	b.t.Helper()
	cm := &corev1.ConfigMap{}
	if err := api.Get(b.ctx, types.NamespacedName{Namespace: hubNamespace, Name: jobs.RecordName(b.id, id)}, cm); err != nil {
		return err.Error()
	}
	return cm.Data["record"]
}

// observed waits until the hub goes by the ControlPlane as it is.
func (b *bed) observed(name string) {
	b.t.Helper()
	b.eventually("the change shall be observed", func() string {
		if cp := b.readControlPlane(name); cp.Status.ObservedGeneration != cp.Generation {
			return "not yet"
		}
		return ""
	})
}
