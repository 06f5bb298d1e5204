// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

func TestLoopback(t *testing.T) {
	for url, want := range map[string]bool{
		"oci://localhost:5000/charts": true, "oci://127.0.0.1/charts": true, "oci://127.1.2.3:5000/c": true, "oci://[::1]:5000/c": true,
		"oci://registry.example.com/charts": false, "oci://localhost.example.com/c": false, "oci://10.0.0.1:5000/c": false, "oci://127.0.0.1.example.com/c": false, "://": false,
	} {
		if got := loopback(url); got != want {
			t.Errorf("%s: %v", url, got)
		}
	}
}

func TestReleaseIsDeterministicAndHeld(t *testing.T) {
	ai := managed("shop", "web")
	ai.UID = "u"
	ai.Spec.Chart.Version = "1.0.0+build.7"
	source, hr, err := release(ai)
	if err != nil {
		t.Fatal(err)
	}
	again, hrAgain, _ := release(ai.DeepCopy())
	if fmt.Sprint(source, hr) != fmt.Sprint(again, hrAgain) {
		t.Error("the same instance makes different objects")
	}
	if tag := source.Object["spec"].(map[string]any)["ref"].(map[string]any)["tag"]; tag != "1.0.0_build.7" {
		t.Errorf("tag is %v", tag)
	}
	// What the API server gives back, with defaults and numbers of its own making, holds what was sent.
	raw, err := json.Marshal(hr.Object)
	if err != nil {
		t.Fatal(err)
	}
	var typed helmv2.HelmRelease
	if err := json.Unmarshal(raw, &typed); err != nil {
		t.Fatal(err)
	}
	typed.Spec.Suspend = true
	live, err := runtime.DefaultUnstructuredConverter.ToUnstructured(&typed)
	if err != nil {
		t.Fatal(err)
	}
	if !holds(live["spec"], hr.Object["spec"]) || !holds(live["metadata"], hr.Object["metadata"]) {
		t.Errorf("%v\ndoes not hold\n%v", live, hr.Object)
	}
	ai.Spec.Values.Inline.Raw = []byte(`{"replicas":2}`)
	_, less, _ := release(ai)
	if holds(live["metadata"], less.Object["metadata"]) {
		t.Error("a value that was taken out goes unnoticed")
	}
}

func TestBadInlineValues(t *testing.T) {
	ai := managed("shop", "web")
	ai.Spec.Values.Inline.Raw = []byte(`[1]`)
	if _, _, err := release(ai); err == nil || !strings.Contains(err.Error(), "spec.values.inline") {
		t.Errorf("%v", err)
	}
}

func TestExamine(t *testing.T) {
	const yes, no, maybe = metav1.ConditionTrue, metav1.ConditionFalse, metav1.ConditionUnknown
	deployed := func(version string) helmv2.Snapshots {
		return helmv2.Snapshots{{Name: "web", ChartName: "shop", ChartVersion: version, Status: helmDeployed, Version: 2, ConfigDigest: "c", OCIDigest: "d"}}
	}
	hr := func(observed int64, history helmv2.Snapshots, conditions ...metav1.Condition) *helmv2.HelmRelease {
		return &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Generation: 2},
			Status: helmv2.HelmReleaseStatus{ObservedGeneration: observed, History: history, Conditions: conditions, LastAttemptedConfigDigest: "c"}}
	}
	ready := condition(fluxReady, yes, "UpgradeSucceeded", "ok", 2)
	otherValues := hr(2, deployed("1.1.0"), ready)
	otherValues.Status.LastAttemptedConfigDigest = "other"
	suspended := hr(1, deployed("1.0.0"), condition(fluxReady, yes, "UpgradeSucceeded", "ok", 1))
	suspended.Spec.Suspend = true
	back := hr(2, deployed("1.1.0"), condition(fluxReady, no, "UpgradeFailed", "Helm upgrade failed: 1.2.0", 2), condition("Released", no, "UpgradeFailed", "Helm upgrade failed: 1.2.0", 1))
	back.Status.LastAttemptedGeneration, back.Status.LastAttemptedRevision = 2, "1.1.0"
	still := back.DeepCopy()
	still.Status.Failures = 1
	for name, c := range map[string]struct {
		hr       *helmv2.HelmRelease
		source   string
		ready    metav1.ConditionStatus
		reason   string
		degraded bool
		words    string
	}{
		"new":                          {hr(0, nil), "", maybe, appsv1alpha1.ReasonProgressing, false, "waiting"},
		"runs":                         {hr(2, deployed("1.1.0+0123456789ab"), ready), "", yes, appsv1alpha1.ReasonInstalled, false, "shop 1.1.0"},
		"runs, and the source is away": {hr(2, deployed("1.1.0"), ready), "registry down", yes, appsv1alpha1.ReasonInstalled, false, ""},
		"Ready of the old generation":  {hr(1, deployed("1.1.0"), condition(fluxReady, yes, "UpgradeSucceeded", "ok", 1)), "", maybe, appsv1alpha1.ReasonProgressing, false, ""},
		"Ready before the history":     {hr(2, deployed("1.0.0"), ready), "", maybe, appsv1alpha1.ReasonProgressing, false, ""},
		"Ready with other values":      {otherValues, "", maybe, appsv1alpha1.ReasonProgressing, false, ""},
		"Ready and reconciling": {hr(2, deployed("1.1.0"), ready, condition(fluxReconciling, yes, "Progressing", "Running 'upgrade' action", 2)), "", maybe,
			appsv1alpha1.ReasonProgressing, false, "Running 'upgrade' action"},
		"failed": {hr(2, helmv2.Snapshots{{Status: "failed", ChartVersion: "1.1.0"}}, condition(fluxReady, no, "UpgradeFailed", "Helm upgrade failed: no", 2),
			condition("Released", no, "UpgradeFailed", "Helm upgrade failed: no", 2)), "", no, appsv1alpha1.ReasonReleaseFailed, true, "Helm upgrade failed: no"},
		"stalled while Ready is Unknown": {hr(2, deployed("1.0.0"), condition(fluxReady, maybe, "Progressing", "", 2), condition(fluxStalled, yes, "RetriesExceeded", "Failed to upgrade after 1 attempt(s)", 2)),
			"", no, appsv1alpha1.ReasonReleaseFailed, true, "after 1 attempt"},
		"rolled back": {hr(2, deployed("1.0.0"), condition("Released", no, "UpgradeFailed", "timed out waiting", 2),
			condition("Remediated", yes, "RollbackSucceeded", "Helm rollback succeeded", 2), condition(fluxReady, no, "RollbackSucceeded", "Helm rollback succeeded", 2)),
			"", no, appsv1alpha1.ReasonRolledBack, true, "timed out waiting; Helm rollback succeeded"},
		"no chart":                  {hr(2, nil, condition(fluxReady, no, fluxSourceNotReady, "HelmChart 'shop/shop-web' is not ready: no chart", 2)), "", no, appsv1alpha1.ReasonSourceFailed, false, "no chart"},
		"no chart, the source says": {hr(1, deployed("1.0.0")), "no such tag", no, appsv1alpha1.ReasonSourceFailed, true, "no such tag"},
		"chart still coming": {hr(1, deployed("1.0.0"), condition(fluxReady, no, fluxSourceNotReady, "OCIRepository 'web' is not ready: "+fluxNotYet, 2)),
			"", maybe, appsv1alpha1.ReasonProgressing, false, ""},
		"values missing":                   {hr(1, nil, condition(fluxReady, no, "ValuesError", "could not find Secret", 2)), "", no, appsv1alpha1.ReasonReleaseFailed, true, "could not find Secret"},
		"asked back to what runs":          {back, "", yes, appsv1alpha1.ReasonInstalled, false, "shop 1.1.0"},
		"asked back, and Flux still tries": {still, "", no, appsv1alpha1.ReasonReleaseFailed, true, "1.2.0"},
		"suspended":                        {suspended, "", maybe, appsv1alpha1.ReasonProgressing, false, "suspended"},
	} {
		t.Run(name, func(t *testing.T) {
			got := examine(c.hr, "v1.1.0", c.source)
			if got.ready != c.ready || got.reason != c.reason || got.degraded != c.degraded || !strings.Contains(got.message, c.words) {
				t.Errorf("%+v", got)
			}
		})
	}
}

func TestLastApplied(t *testing.T) {
	hr := &helmv2.HelmRelease{}
	if got := lastApplied(adopted("shop", "web", "web"), hr); got != nil {
		t.Errorf("%+v", got)
	}
	hr.Status.History = helmv2.Snapshots{{Version: 2, Status: "failed", ChartName: "shop", ChartVersion: "2.0.0"}, {Version: 1, Status: helmDeployed, ChartName: "shop", ChartVersion: "1.0.0+b"}}
	if got := lastApplied(adopted("shop", "web", "web"), hr); got.Version != "1.0.0+b" {
		t.Errorf("%+v", got)
	}
}
