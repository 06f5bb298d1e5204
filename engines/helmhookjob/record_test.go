// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
	"vworkspace.io/fleet/engines/helmrecord"
)

// A new event of Helm's has to be offered, by name and in the schema.
func TestEventsAreHelms(t *testing.T) {
	var known []string
	for _, e := range hookEvents() {
		known = append(known, e.String())
	}
	helms := enginetest.Phases(t, "helm.sh/helm/v3/pkg/release", "HookEvent")
	slices.Sort(known)
	slices.Sort(helms)
	if diff := cmp.Diff(helms, known); diff != "" {
		t.Errorf("events (-Helm's +ours):\n%s", diff)
	}
}

func TestRecordsThatAreNone(t *testing.T) {
	good := enginetest.PackRecord(t, []byte(`{"name":"shop"}`))
	for name, secret := range map[string]*corev1.Secret{
		"not base64":   secretOf("apps", "r", "1", []byte("hunter2 hunter2")),
		"not JSON":     secretOf("apps", "r", "1", enginetest.PackRecord(t, []byte("hunter2"))),
		"wrong types":  secretOf("apps", "r", "1", enginetest.PackRecord(t, []byte(`{"hooks":"hunter2"}`))),
		"cut":          secretOf("apps", "r", "1", good[:len(good)/2]),
		"nothing":      secretOf("apps", "r", "1", nil),
		"a bomb":       secretOf("apps", "r", "1", enginetest.PackRecord(t, append(append([]byte(`{"name":"`), bytes.Repeat([]byte("a"), helmrecord.MaxRecord)...), `"}`...))),
		"another type": {ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "r"}, Type: corev1.SecretTypeOpaque, Data: map[string][]byte{helmrecord.SecretKey: good}},
	} {
		r := enginetest.NewCluster(t, secret).Reader()
		_, err := readRecord(t.Context(), r, subjectRun(t, "plan-hook"), revision{secret: "r"})
		var blocked *engines.BlockedError
		if !errors.As(err, &blocked) || blocked.Reason != ReasonHookRequiresRelease || strings.Contains(err.Error(), inValues) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// refusing answers for Secrets as an API server does whose administrator has not allowed it.
type refusing struct{ client.Reader }

func (r refusing) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, ok := obj.(*corev1.Secret); ok {
		return apierrors.NewForbidden(corev1.Resource("secrets"), key.Name, fmt.Errorf(
			"User %q cannot get resource \"secrets\" in API group \"\" in the namespace %q", "system:serviceaccount:vworkspace-agent:vworkspace-agent", key.Namespace))
	}
	return r.Reader.Get(ctx, key, obj, opts...)
}

func TestForbiddenSaysHowToAllowIt(t *testing.T) {
	_, err := New().Plan(t.Context(), refusing{reader(t, "plan-hook")}, subjectRun(t, "plan-hook"))
	var blocked *engines.BlockedError
	if !errors.As(err, &blocked) || blocked.Reason != opsv1alpha1.ReasonRbacProfileMissing || len(err.Error()) > opsv1alpha1.MaxMessage {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{
		"Secret apps/sh.helm.release.v1.shop.v3", "kubectl create role vworkspace-release-records -n apps --verb=get --resource=secrets",
		"--role=vworkspace-release-records --user=system:serviceaccount:vworkspace-agent:vworkspace-agent. ",
	} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q lacks %q", err, want)
		}
	}
}

// When the right to read is taken away in the middle of a run, the run waits for it to be given back.
func TestForbiddenBetweenHooksWaits(t *testing.T) {
	o, err := New().Observe(t.Context(), refusing{reader(t, "next")}, subjectRun(t, "next"))
	if err != nil || o.State != engines.StateRunning || o.Waiting != opsv1alpha1.ReasonRbacProfileMissing || len(o.Next) > 0 {
		t.Errorf("got %+v, %v", o, err)
	}
}

// broken fails every read of a Secret.
type broken struct{ client.Reader }

func (r broken) Get(ctx context.Context, key client.ObjectKey, obj client.Object, opts ...client.GetOption) error {
	if _, ok := obj.(*corev1.Secret); ok {
		return apierrors.NewServiceUnavailable("away")
	}
	return r.Reader.Get(ctx, key, obj, opts...)
}

func TestAnErrorEndsNoRun(t *testing.T) {
	if _, err := New().Observe(t.Context(), broken{reader(t, "next")}, subjectRun(t, "next")); !apierrors.IsServiceUnavailable(err) {
		t.Errorf("got %v", err)
	}
}

func reader(t testing.TB, name string) client.Reader {
	folder := filepath.Join("testdata", name)
	return enginetest.NewCluster(t, append(enginetest.ReadObjects(t, filepath.Join(folder, "live.yaml")), records(t, folder)...)...).Reader()
}

func subjectRun(t testing.TB, name string) engines.Run {
	folder := filepath.Join("testdata", name)
	return engines.Run{
		Cluster:   "cluster1",
		Operation: enginetest.ReadObjects(t, filepath.Join(folder, "operation.yaml"))[0].(*opsv1alpha1.Operation),
		Target:    enginetest.ReadObjects(t, filepath.Join(folder, "target.yaml"))[0].(*appsv1alpha1.ApplicationInstance),
	}
}
