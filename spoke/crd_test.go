// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"fmt"
	"path/filepath"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// These tests hold the CRDs, as the API server reads them, against what they promise.

// operation is an Operation in YAML; only its spec is given.
func operation(t *testing.T, namespace, spec string) *unstructured.Unstructured {
	t.Helper()
	u := &unstructured.Unstructured{}
	doc := fmt.Sprintf("apiVersion: ops.vworkspace.io/v1alpha1\nkind: Operation\nmetadata: {generateName: op-, namespace: %s}\nspec:\n%s", namespace, spec)
	if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
		t.Fatalf("%v in\n%s", err, doc)
	}
	return u
}

const target = "  targetRef: {apiVersion: apps.vworkspace.io/v1alpha1, kind: ApplicationInstance, name: nextcloud}\n"

// The manifest of the public API, as its documentation has it, is taken unchanged and nothing of it is dropped.
func TestPublicExample(t *testing.T) {
	ns := namespace(t, false)
	op := operation(t, ns, target+`  type: Backup
  engine: velero
  parameters:
    includedNamespaces: [nextcloud]
    snapshotVolumes: true
    ttl: 720h0m0s
    csiSnapshotClassName: csi-snapclass
    hooks: {resources: []}
  approvals:
    required: true
    claim: eyJhbGciOiJIUzI1NiJ9.e30.x
    approvedBy: ops@example.com
    approvedAt: "2026-01-01T00:00:00Z"
`)
	sent := runtime.DeepCopyJSON(op.Object["spec"].(map[string]any))
	create(t, op)
	got := reload(t, op).Object["spec"]
	if fmt.Sprint(got) != fmt.Sprint(sent) {
		t.Errorf("stored %v\nsent %v", got, sent)
	}
}

func TestOperationSchema(t *testing.T) {
	ns := namespace(t, false)
	for name, c := range map[string]struct {
		spec  string
		words string
	}{
		"unknown type":             {target + "  type: Reboot\n", "spec.type"},
		"no type":                  {target, "spec.type"},
		"unknown engine":           {target + "  type: Backup\n  engine: magic\n", "spec.engine"},
		"neither target":           {"  type: Backup\n", "exactly one of targetRef and selector"},
		"both targets":             {target + "  type: Backup\n  selector: {}\n", "exactly one of targetRef and selector"},
		"target of another kind":   {"  type: Backup\n  targetRef: {apiVersion: v1, kind: Pod, name: x}\n", "spec.targetRef.kind"},
		"target without a name":    {"  type: Backup\n  targetRef: {apiVersion: apps.vworkspace.io/v1alpha1, kind: ApplicationInstance, name: \"\"}\n", "spec.targetRef.name"},
		"parameters are a list":    {target + "  type: Backup\n  parameters: [1]\n", "spec.parameters"},
		"parameters are a string":  {target + "  type: Backup\n  parameters: fast\n", "spec.parameters"},
		"rollout without clusters": {target + "  type: Backup\n  rollout: {type: All}\n", "rollout needs placement"},
		"no deadline":              {target + "  type: Backup\n  startDeadline: 0s\n", "startDeadline"},
		"endless timeout":          {target + "  type: Backup\n  timeout: 721h\n", "timeout"},
		"timeout is a number":      {target + "  type: Backup\n  timeout: 5\n", "timeout"},
		"negative TTL":             {target + "  type: Backup\n  ttlSecondsAfterFinished: -1\n", "ttlSecondsAfterFinished"},
	} {
		t.Run(name, func(t *testing.T) {
			err := k8s.Create(t.Context(), operation(t, ns, c.spec))
			if err == nil || !strings.Contains(err.Error(), c.words) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestOperationIsImmutable(t *testing.T) {
	ns := namespace(t, false)
	single := target + "  type: Backup\n  engine: velero\n  parameters: {a: 1, deep: {list: [1, {b: x}]}}\n"
	many := "  type: Backup\n  selector: {names: [a], labelSelector: {matchLabels: {a: b}}}\n  placement: {placementRef: {name: all}}\n"
	bare := target + "  type: Backup\n"
	set := func(value any, fields ...string) func(map[string]any) error {
		return func(spec map[string]any) error { return unstructured.SetNestedField(spec, value, fields...) }
	}
	drop := func(fields ...string) func(map[string]any) error {
		return func(spec map[string]any) error { unstructured.RemoveNestedField(spec, fields...); return nil }
	}
	for name, c := range map[string]struct {
		spec   string
		change func(map[string]any) error
		words  string
	}{
		"target":                    {single, set("other", "targetRef", "name"), "targetRef is immutable"},
		"target for selector":       {single, func(s map[string]any) error { delete(s, "targetRef"); s["selector"] = map[string]any{}; return nil }, "immutable"},
		"type":                      {single, set("Restore", "type"), "type is immutable"},
		"engine":                    {single, set("job", "engine"), "engine is immutable"},
		"engine taken away":         {single, drop("engine"), "engine is immutable"},
		"engine added":              {bare, set("job", "engine"), "engine is immutable"},
		"parameter value":           {single, set(int64(2), "parameters", "a"), "parameters is immutable"},
		"parameter type":            {single, set("1", "parameters", "a"), "parameters is immutable"},
		"parameter taken away":      {single, drop("parameters", "a"), "parameters is immutable"},
		"parameter added":           {single, set(int64(1), "parameters", "z"), "parameters is immutable"},
		"parameter deep inside":     {single, set([]any{int64(1), map[string]any{"b": "y"}}, "parameters", "deep", "list"), "parameters is immutable"},
		"parameter renamed deep":    {single, set([]any{int64(1), map[string]any{"c": "x"}}, "parameters", "deep", "list"), "parameters is immutable"},
		"parameters taken away":     {single, drop("parameters"), "parameters is immutable"},
		"parameters added":          {bare, set(map[string]any{"a": int64(1)}, "parameters"), "parameters is immutable"},
		"selector names":            {many, set([]any{"b"}, "selector", "names"), "selector is immutable"},
		"selector labels":           {many, set("c", "selector", "labelSelector", "matchLabels", "a"), "selector is immutable"},
		"selector required":         {many, set(true, "selector", "required"), "selector is immutable"},
		"placement":                 {many, set("some", "placement", "placementRef", "name"), "placement.placementRef is immutable"},
		"placement taken away":      {many, drop("placement"), "placement.placementRef is immutable"},
		"placement added":           {single, set("all", "placement", "placementRef", "name"), "placement.placementRef is immutable"},
		"dry run":                   {single, set(true, "dryRun"), "dryRun is immutable"},
		"real after dry run":        {single + "  dryRun: true\n", drop("dryRun"), "dryRun is immutable"},
		"cancel taken back":         {single + "  cancel: true\n", drop("cancel"), "cancel cannot be taken back"},
		"cancel taken back by word": {single + "  cancel: true\n", set(false, "cancel"), "cancel cannot be taken back"},
	} {
		t.Run(name, func(t *testing.T) {
			op := operation(t, ns, c.spec)
			create(t, op)
			eventually(t, func() string {
				reload(t, op)
				if err := c.change(op.Object["spec"].(map[string]any)); err != nil {
					t.Fatal(err)
				}
				err := k8s.Update(t.Context(), op)
				switch {
				case err == nil:
					t.Fatal("the change was taken")
				case strings.Contains(err.Error(), "the object has been modified"):
					return err.Error()
				case !strings.Contains(err.Error(), c.words):
					t.Errorf("%v", err)
				}
				return ""
			})
		})
	}
}

// The CRD's rule does not see that a key was renamed (see deploy/policies/operation.yaml, which does).
func TestParametersKeepTheirKeys(t *testing.T) {
	if err := testbed.ApplyFiles(t.Context(), restConfig, filepath.Join("..", "deploy", "policies", "operation.yaml")); err != nil {
		t.Fatal(err)
	}
	ns := namespace(t, false)
	u := operation(t, ns, target+"  type: Backup\n  parameters: {left: 1}\n")
	create(t, u)
	names := []string{"left", "right"}
	// A policy is in force a moment after it was made.
	eventually(t, func() string {
		from, to := names[0], names[1]
		reload(t, u).Object["spec"].(map[string]any)["parameters"] = map[string]any{to: int64(1)}
		err := k8s.Update(t.Context(), u)
		if err == nil {
			names[0], names[1] = to, from
			return "the change was taken"
		}
		if !strings.Contains(err.Error(), "spec.parameters is immutable") {
			return err.Error()
		}
		return ""
	})
	// Status and all that may change still does.
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: u.GetName()}}
	patch(t, op, func() { op.Spec.Cancel = true })
	patch(t, op, func() { op.Labels = map[string]string{"a": "b"} })
}

// What is not identity may change while an Operation waits or runs.
func TestOperationIsMutable(t *testing.T) {
	ns := namespace(t, false)
	op := &opsv1alpha1.Operation{}
	u := operation(t, ns, target+"  type: Backup\n  parameters: {b: 1, a: {d: 1, c: 2}}\n  approvals: {required: true}\n")
	create(t, u)
	op.Namespace, op.Name = ns, u.GetName()
	patch(t, op, func() {
		op.Spec.Approvals.Required, op.Spec.Cancel, op.Spec.Timeout = false, true, seconds(60)
		op.Spec.Parameters.Raw = []byte(`{"a":{"c":2,"d":1},"b":1}`) // the same in another order
	})
}

func TestInstanceSchema(t *testing.T) {
	ns := namespace(t, false)
	ok := "  mode: managed\n  appRef: {catalogId: shop}\n  chart: {sourceType: oci, url: \"oci://r.example.com/c\", name: shop, version: 1.0.0}\n" +
		"  release: {name: web, namespace: shop}\n  values: {source: inline, inline: {a: {b: 1}}}\n"
	edit := func(from, to string) string {
		if !strings.Contains(ok, from) {
			t.Fatalf("%q is not in the manifest", from)
		}
		return strings.Replace(ok, from, to, 1)
	}
	for name, c := range map[string]struct{ spec, words string }{
		"good":                       {ok, ""},
		"range":                      {edit("1.0.0", "\">=1.0.0\""), "exact semantic version"},
		"wildcard":                   {edit("1.0.0", "1.x"), "exact semantic version"},
		"url of another source":      {edit("oci://r.example.com/c", "https://r.example.com/c"), "url must begin with"},
		"unknown source":             {edit("sourceType: oci", "sourceType: git"), "sourceType"},
		"values from two":            {edit("source: inline", "source: secretRef"), "secretRef must be set"},
		"no values":                  {edit("  values: {source: inline, inline: {a: {b: 1}}}\n", ""), "mode managed needs"},
		"unknown mode":               {edit("mode: managed", "mode: magic"), "spec.mode"},
		"placeholder with a release": {edit("mode: managed", "mode: placeholder"), "mode placeholder takes neither"},
		"adopted with a chart":       {edit("mode: managed", "mode: adopted"), "mode adopted needs release"},
		"no catalog entry":           {edit("catalogId: shop", "catalogId: \"\""), "catalogId"},
	} {
		t.Run(name, func(t *testing.T) {
			u := &unstructured.Unstructured{}
			doc := fmt.Sprintf("apiVersion: apps.vworkspace.io/v1alpha1\nkind: ApplicationInstance\nmetadata: {generateName: ai-, namespace: %s}\nspec:\n%s", ns, c.spec)
			if err := yaml.Unmarshal([]byte(doc), &u.Object); err != nil {
				t.Fatal(err)
			}
			err := k8s.Create(t.Context(), u)
			if c.words == "" && err != nil || c.words != "" && (err == nil || !strings.Contains(err.Error(), c.words)) {
				t.Errorf("%v", err)
			}
		})
	}
}

func TestInstanceIsImmutable(t *testing.T) {
	ns := namespace(t, false)
	for name, change := range map[string]func(client.Object){
		"mode": func(o client.Object) {
			_ = unstructured.SetNestedField(o.(*unstructured.Unstructured).Object, "placeholder", "spec", "mode")
		},
		"release": func(o client.Object) {
			_ = unstructured.SetNestedField(o.(*unstructured.Unstructured).Object, "other", "spec", "release", "name")
		},
	} {
		ai := adopted(ns, name, "web")
		create(t, ai)
		u := &unstructured.Unstructured{}
		u.SetGroupVersionKind(ai.GroupVersionKind())
		u.SetAPIVersion("apps.vworkspace.io/v1alpha1")
		u.SetKind("ApplicationInstance")
		u.SetNamespace(ns)
		u.SetName(name)
		eventually(t, func() string {
			change(reload(t, u))
			err := k8s.Update(t.Context(), u)
			if err != nil && strings.Contains(err.Error(), "immutable") {
				return ""
			}
			return fmt.Sprint(err)
		})
	}
}
