// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/base64"
	"encoding/json"
	"io"
	"os"
	"slices"
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// TestCanaries: a password in a parameter that the template redacts is in the specs and the plan that carry it to the executor, and nowhere else: not in the status
// of anything on the hub or on a cluster, nor in an Event, a result or a log - although pods shout it, a mistake repeats it, and a claim that nobody signed holds one.
func TestCanaries(t *testing.T) {
	const shouted, mistaken, claimed = "canary-shouted-4711", "canary-mistaken-4712", "canary-claimed-4713"
	template := &opsv1alpha1.OperationTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "sing"},
		Spec: opsv1alpha1.OperationTemplateSpec{
			Type: opsv1alpha1.TypeRunCommand, Engine: opsv1alpha1.EngineJob, Redact: []string{"args"},
			TargetSelector: &opsv1alpha1.TargetSelector{CatalogIDs: []string{"shop"}}, Defaults: asParameters(t, command(0)),
			InputSchema: asParameters(t, map[string]any{"properties": map[string]any{"args": map[string]any{"type": "array"}}}),
		},
	}
	if err := fleet.Hub.Create(t.Context(), template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fleet.Hub.Delete(context.Background(), template) })
	with := func(name string, parameters map[string]any) *opsv1alpha1.Operation {
		op := byTemplate(name, template)
		op.Spec.Parameters = asParameters(t, parameters)
		return op
	}
	shout := with("shout", map[string]any{"args": []string{"--password", shouted}, "podAnnotations": map[string]string{
		testbed.AnnotationOutcome: testbed.OutcomeFail, testbed.AnnotationMessage: "cannot log in with " + shouted}})
	create(t, shout)
	ended(t, shout, opsv1alpha1.PhaseFailed)
	if said := causeOf(shout, "spoke1"); !strings.Contains(said, "cannot log in with") {
		t.Errorf("the pod's last words have not come: %q", said)
	}
	mistake, claim := with("mistake", map[string]any{"args": map[string]string{"password": mistaken}}), byTemplate("claim", template)
	claim.Spec.Approvals = &opsv1alpha1.ApprovalsSpec{Required: true, Claim: claimed}
	for _, wrong := range []*opsv1alpha1.Operation{mistake, claim} {
		if err := fleet.Hub.Create(t.Context(), wrong); !apierrors.IsInvalid(err) || strings.Contains(err.Error(), "canary") {
			t.Errorf("%s: %v", wrong.Name, err)
		}
	}
	for _, c := range append([]*testbed.Cluster{fleet.Fleet.Hub}, fleet.Fleet.Spokes...) {
		silent(t, c, shouted, mistaken, claimed)
	}
	logs := []string{fleet.Installed.Hub.Log()}
	for _, agent := range fleet.Installed.Agents {
		logs = append(logs, agent.Log())
	}
	for _, path := range logs {
		text, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, canary := range []string{shouted, mistaken, claimed} {
			if at := bytes.Index(text, []byte(canary)); at >= 0 {
				t.Errorf("%s has it: %s", path, text[max(0, at-200):at])
			}
		}
	}
}

// silent holds that nothing on a cluster has the words, but the specs that carry them and the pods that were told.
func silent(t *testing.T, c *testbed.Cluster, words ...string) {
	t.Helper()
	sung, packed := 0, 0
	all, err := testbed.Everything(t.Context(), c.Config())
	if err != nil {
		t.Fatal(err)
	}
	for name, o := range all {
		carried := o.DeepCopy()
		delete(carried.Object, "spec")
		carried.SetManagedFields(nil)
		if o.GetLabels()[opsv1alpha1.LabelPart] == opsv1alpha1.PartPlan {
			delete(carried.Object, "binaryData")
		}
		for _, word := range words {
			if holds(t, o, word) {
				sung++
				if o.GetKind() == "ConfigMap" {
					packed++
				}
			}
			if o.GetKind() != "Pod" && holds(t, carried, word) {
				t.Errorf("%s on %s has it: %v", name, c.Name, carried.Object)
			}
		}
	}
	if c == fleet.Fleet.Hub && packed == 0 {
		t.Error("no plan has any of it: this test does not see into what is packed")
	}
	if sung == 0 {
		t.Errorf("nothing on %s has any of it: this test looks in the wrong place", c.Name)
	}
}

// holds tells whether an object has a word in it, also where it is encoded or packed, as in results and in Helm's records.
func holds(t *testing.T, o *unstructured.Unstructured, word string) bool {
	t.Helper()
	raw, err := json.Marshal(o.Object)
	if err != nil {
		t.Fatal(err)
	}
	texts := [][]byte{raw}
	for _, of := range []string{"data", "binaryData"} {
		values, _, _ := unstructured.NestedStringMap(o.Object, of)
		for _, v := range values {
			texts = append(texts, unpacked([]byte(v))...)
		}
	}
	return slices.ContainsFunc(texts, func(text []byte) bool { return bytes.Contains(text, []byte(word)) })
}

// unpacked is what a value holds, as often as it is base64 or gzip.
func unpacked(value []byte) (texts [][]byte) {
	for range 4 {
		texts = append(texts, value)
		if z, err := gzip.NewReader(bytes.NewReader(value)); err == nil {
			value, _ = io.ReadAll(z)
			continue
		}
		decoded, err := base64.StdEncoding.DecodeString(string(value))
		if err != nil {
			return texts
		}
		value = decoded
	}
	return append(texts, value)
}
