// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"strings"
	"testing"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/enginetest"
)

// did is what a run has left on record: its outputs, and whether it wrote anything.
func did(outputs string, wrote bool) opsv1alpha1.Operation {
	op := opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "upgrade"}}
	if outputs != "" {
		op.Status.Outputs = &runtime.RawExtension{Raw: []byte(outputs)}
	}
	if wrote {
		op.Status.Resources = []opsv1alpha1.ResourceRef{{Kind: "ApplicationInstance", Name: "shop"}}
	}
	return op
}

func TestReverse(t *testing.T) {
	const moved = `{"fromVersion":"1.0.0","toVersion":"2.0.0"}`
	for name, c := range map[string]struct {
		earlier     []opsv1alpha1.Operation
		want, wrong string
	}{
		"moved":          {[]opsv1alpha1.Operation{did(moved, true)}, `{"targetVersion":"1.0.0"}`, ""},
		"was there":      {[]opsv1alpha1.Operation{did(`{"fromVersion":"2.0.0","toVersion":"2.0.0"}`, false)}, "", ""},
		"values alone":   {[]opsv1alpha1.Operation{did(`{"fromVersion":"1.0.0"}`, true)}, "", ""},
		"never came far": {[]opsv1alpha1.Operation{did("", false)}, "", ""},
		"tried again": {[]opsv1alpha1.Operation{did(moved, true), did(`{"fromVersion":"2.0.0","toVersion":"2.0.0"}`, true)},
			`{"targetVersion":"1.0.0"}`, ""},
		"went on":      {[]opsv1alpha1.Operation{did(moved, true), did(`{"fromVersion":"2.0.0","toVersion":"3.0.0"}`, true)}, `{"targetVersion":"1.0.0"}`, ""},
		"and returned": {[]opsv1alpha1.Operation{did(moved, true), did(`{"fromVersion":"2.0.0","toVersion":"1.0.0"}`, true)}, "", ""},
		"no record":    {[]opsv1alpha1.Operation{did("", true)}, "", "what Operation apps/upgrade changed is not on record"},
		"from nowhere": {[]opsv1alpha1.Operation{did(`{"toVersion":"2.0.0"}`, true)}, "",
			"which chart version there was before 2.0.0 is not on record in Operation apps/upgrade"},
		"rubbish": {[]opsv1alpha1.Operation{did(`[]`, true)}, "", "the outputs of Operation apps/upgrade cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := New().Reverse(c.earlier)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Errorf("got %v, want %s", err, c.wrong)
				}
				return
			}
			raw := ""
			if got != nil {
				raw = string(got.Raw)
			}
			if err != nil || raw != c.want {
				t.Errorf("got %s, %v; want %s", raw, err, c.want)
			}
		})
	}
}

// TestOvertaken: what is asked for has to be what the runs asked for, or what was there before them, wherever it is written.
func TestOvertaken(t *testing.T) {
	earlier := []opsv1alpha1.Operation{did(`{"fromVersion":"1.0.0","toVersion":"2.0.0"}`, true), did(`{"fromVersion":"2.0.0","toVersion":"2.1.0"}`, true)}
	for _, folder := range []string{"managed-plan-version", "adopted-plan-oci", "adopted-plan-version"} {
		for asked, ok := range map[string]bool{"2.1.0": true, "2.0.0": true, "1.0.0": true, "v1.0.0": true, "3.0.0": false, "1.5.0": false, "2.1.0+other": false} {
			t.Run(folder+" "+asked, func(t *testing.T) {
				run := engines.Run{Operation: &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "apps", Name: "back"}}}
				live := append(enginetest.ReadObjects(t, "testdata/"+folder+"/target.yaml"), enginetest.ReadObjects(t, "testdata/"+folder+"/live.yaml")...)
				for _, o := range live {
					switch o := o.(type) {
					case *appsv1alpha1.ApplicationInstance:
						if run.Target = o; o.Spec.Mode != appsv1alpha1.ModeAdopted {
							o.Spec.Chart.Version = asked
						}
					case *helmv2.HelmRelease:
						if run.Target.Spec.Mode == appsv1alpha1.ModeAdopted && o.Spec.Chart != nil {
							o.Spec.Chart.Spec.Version = asked
						}
					case *sourcev1.OCIRepository:
						o.Spec.Reference.Tag = tagOf(asked)
					}
				}
				why, err := New().Overtaken(t.Context(), enginetest.NewCluster(t, live...).Reader(), run, earlier)
				want := "shop asks for chart version " + asked + " now, which that run did not bring: it went from 1.0.0 to 2.1.0. It is left as it is"
				if ok {
					want = ""
				}
				if err != nil || why != want {
					t.Errorf("got %q, %v; want %q", why, err, want)
				}
			})
		}
	}
}

// TestFromAsItIsSpelled: an OCI tag v1.0.0 holds chart version 1.0.0, and is found under its own name only.
func TestFromAsItIsSpelled(t *testing.T) {
	live := append(enginetest.ReadObjects(t, "testdata/adopted-plan-oci/target.yaml"), enginetest.ReadObjects(t, "testdata/adopted-plan-oci/live.yaml")...)
	for _, o := range live {
		if oci, ok := o.(*sourcev1.OCIRepository); ok {
			oci.Spec.Reference.Tag = "v1.0.0"
		}
	}
	cluster := enginetest.NewCluster(t, live...)
	upgrade(t, cluster, "run", `{"targetVersion":"v2.0.0"}`)
	hr := &helmv2.HelmRelease{}
	if err := cluster.Reader().Get(t.Context(), client.ObjectKey{Namespace: "apps", Name: "shop"}, hr); err != nil {
		t.Fatal(err)
	}
	if from := hr.Annotations[appsv1alpha1.AnnotationUpgradedFrom]; from != "v1.0.0" {
		t.Errorf("from %q", from)
	}
}
