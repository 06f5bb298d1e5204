// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

const (
	operationJSON = `{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation","metadata":{"namespace":"team","name":"b1"},"spec":{"type":"Backup","targetRef":{"name":"shop"}}}`
	instanceJSON  = `{"apiVersion":"apps.vworkspace.io/v1alpha1","kind":"ApplicationInstance","metadata":{"namespace":"team","name":"shop","labels":{"app.vworkspace.io/cluster-id":"c1"}}}`
	templateJSON  = `{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"OperationTemplate","metadata":{"name":"backup"}}`
)

func TestParseRefuses(t *testing.T) {
	cases := []struct{ name, kind, payload, want string }{
		{"another kind of job", "patch", `{}`, `kind: "patch" is none that the hub knows: it must be apply, delete or intent`},
		{"nothing to apply", wire.KindApply, ``, "payload: it is missing"},
		{"null to apply", wire.KindApply, ` null`, "payload: it is missing"},
		{"no object", wire.KindApply, `[1]`, "payload: it must be a JSON object"},
		{"a Pod", wire.KindApply, `{"apiVersion":"v1","kind":"Pod","metadata":{"namespace":"a","name":"b"}}`, `payload.kind: "Pod" is none that a job may be about: it must be ApplicationInstance, Operation or OperationTemplate`},
		{"another version", wire.KindApply, `{"apiVersion":"ops.vworkspace.io/v2","kind":"Operation","metadata":{"namespace":"a","name":"b"}}`, `payload.apiVersion: "ops.vworkspace.io/v2" is not that of Operation, which is ops.vworkspace.io/v1alpha1`},
		{"no name", wire.KindApply, `{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation","metadata":{"namespace":"a"}}`, "payload.metadata.name: it is missing"},
		{"no namespace", wire.KindApply, `{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation","metadata":{"name":"a"}}`, "payload.metadata.namespace: it is missing"},
		{"a path for a name", wire.KindApply, `{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation","metadata":{"namespace":"a","name":"../b"}}`, "payload.metadata.name: "},
		{"a path for a namespace", wire.KindDelete, `{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation","namespace":"a/b","name":"b"}`, "payload.namespace: "},
		{"a template in a namespace", wire.KindDelete, `{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"OperationTemplate","namespace":"a","name":"b"}`, "payload.namespace: an OperationTemplate has none: leave it out"},
		{"nothing to delete", wire.KindDelete, `"x"`, "payload: it must be a JSON object"},
		{"a number for a name", wire.KindDelete, `{"kind":"Operation","name":1}`, "payload.name: it must not be a JSON number"},
		{"an unknown intent", wire.KindIntent, `{"intent":"dance"}`, `payload.intent: "dance" is none that the hub knows; it knows ensure-application-instance, request-operation, delete-application-instance, rotate-operator-credentials, ensure-catalog-entry`},
		{"no instance", wire.KindIntent, `{"intent":"ensure-application-instance"}`, "payload.applicationInstance: it is missing"},
		{"an instance that is none", wire.KindIntent, `{"intent":"ensure-application-instance","applicationInstance":` + operationJSON + `}`, "payload.applicationInstance.kind: it is Operation, and must be ApplicationInstance"},
		{"no operation", wire.KindIntent, `{"intent":"request-operation","operation":null}`, "payload.operation: it is missing"},
		{"half a name", wire.KindIntent, `{"intent":"delete-application-instance","name":"shop"}`, "payload.namespace and payload.name: both are needed"},
		{"an entry of nothing", wire.KindIntent, `{"intent":"ensure-catalog-entry"}`, "payload.catalogId: it is missing"},
		{"an unknown capability", wire.KindIntent, `{"intent":"ensure-catalog-entry","catalogId":"shop","capabilities":{"fly":"velero"}}`, `payload.capabilities: "fly" is none; there are backup`},
		{"an unknown engine", wire.KindIntent, `{"intent":"ensure-catalog-entry","catalogId":"shop","capabilities":{"backup":"tape"}}`, `payload.capabilities.backup: "tape" is no engine`},
		{"an entry without templates", wire.KindIntent, `{"intent":"ensure-catalog-entry","catalogId":"shop","capabilities":{"backup":"velero"}}`, "payload.templates: it is missing: an entry has at least one OperationTemplate"},
		{"what a hub delivers", wire.KindApply, `{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation","metadata":{"namespace":"a","name":"b","labels":{"ops.vworkspace.io/root":"x"}}}`, "payload.metadata.labels: ops.vworkspace.io/root says that a hub has delivered it"},
		{"a template that is none", wire.KindIntent, `{"intent":"ensure-catalog-entry","catalogId":"shop","templates":[` + templateJSON + `,` + operationJSON + `]}`, "payload.templates[1].kind: it is Operation, and must be OperationTemplate"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			_, err := parse(&wire.Job{Kind: c.kind}, []byte(c.payload))
			refusal, ok := errors.AsType[*Refusal](err)
			if !ok || !strings.Contains(refusal.Message, c.want) || refusal.Outcome != wire.OutcomeFailed {
				t.Errorf("got %v, want %s", err, c.want)
			}
		})
	}
}

func TestParseTakes(t *testing.T) {
	cases := []struct{ name, kind, payload, want string }{
		{"apply", wire.KindApply, operationJSON, "apply Operation team/b1"},
		{"apply a template", wire.KindApply, templateJSON, "apply OperationTemplate backup"},
		{"a name that gets its end", wire.KindApply, `{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation","metadata":{"namespace":"team","generateName":"b-"}}`, "apply Operation team/"},
		{"delete", wire.KindDelete, `{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation","namespace":"team","name":"b1"}`, "delete Operation team/b1"},
		{"delete by the whole object", wire.KindDelete, operationJSON, "delete Operation team/b1"},
		{"an instance", wire.KindIntent, `{"intent":"ensure-application-instance","applicationInstance":` + instanceJSON + `}`, "apply ApplicationInstance team/shop"},
		{"an instance without its kind", wire.KindIntent, `{"intent":"ensure-application-instance","applicationInstance":{"metadata":{"namespace":"team","name":"shop"}}}`, "apply ApplicationInstance team/shop"},
		{"an operation", wire.KindIntent, `{"intent":"request-operation","operation":` + operationJSON + `,"unknown":1}`, "apply Operation team/b1"},
		{"delete an instance", wire.KindIntent, `{"intent":"delete-application-instance","namespace":"team","name":"shop"}`, "delete ApplicationInstance team/shop"},
		{"rotate", wire.KindIntent, `{"intent":"rotate-operator-credentials"}`, "rotate"},
		{"an entry", wire.KindIntent, `{"intent":"ensure-catalog-entry","catalogId":"shop","templates":[` + templateJSON + `],"capabilities":{"backup":"velero","quiesce":"exec"}}`, "entry shop"},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			task, err := parse(&wire.Job{Kind: c.kind}, []byte(c.payload))
			if err != nil {
				t.Fatal(err)
			}
			got := ""
			switch {
			case task.object != nil:
				got = "apply " + shown(refOf(task.object))
			case task.delete != nil:
				got = "delete " + shown(task.delete)
			case task.entry != nil:
				got = "entry " + task.entry.CatalogID
			case task.rotate:
				got = "rotate"
			}
			if got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

func TestPrepare(t *testing.T) {
	r := &Record{ControlPlane: "odoo", Job: wire.Job{ID: "j1", RequestedBy: "ann@example.com"}}
	task, err := parse(&wire.Job{Kind: wire.KindApply}, []byte(`{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation",
		"metadata":{"namespace":"team","generateName":"b-","uid":"u","resourceVersion":"3","managedFields":[],"labels":{"a":"b"},
		"annotations":{"c":"d","ops.vworkspace.io/reported":"x","ops.vworkspace.io/job":"forged","ops.vworkspace.io/on-behalf-of":"forged"}},"status":{"phase":"Succeeded"}}`))
	if err != nil {
		t.Fatal(err)
	}
	prepare(task.object, r)
	name := task.object.GetName()
	if !strings.HasPrefix(name, "b-") || len(name) != 12 {
		t.Errorf("it is named %q", name)
	}
	want := map[string]any{
		"apiVersion": "ops.vworkspace.io/v1alpha1", "kind": "Operation",
		"metadata": map[string]any{
			"namespace": "team", "name": name,
			"labels":      map[string]any{"a": "b", appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane},
			"annotations": map[string]any{"c": "d", opsv1alpha1.AnnotationJob: "odoo/j1", opsv1alpha1.AnnotationOnBehalfOf: "ann@example.com"},
		},
	}
	if diff := cmp.Diff(want, task.object.Object); diff != "" {
		t.Error(diff)
	}
	again, _ := parse(&wire.Job{Kind: wire.KindApply}, []byte(`{"apiVersion":"ops.vworkspace.io/v1alpha1","kind":"Operation","metadata":{"namespace":"team","generateName":"b-"}}`))
	prepare(again.object, r)
	if again.object.GetName() != name {
		t.Error("the same job has another name the next time")
	}
}

func TestConfine(t *testing.T) {
	whole := &Session{ControlPlane: "odoo", ClusterID: "hub1"}
	one := &Session{ControlPlane: "odoo", ClusterID: "hub1", ManagedCluster: "c1"}
	label := func(cluster string) string { return strings.Replace(instanceJSON, `"c1"`, `"`+cluster+`"`, 1) }
	cases := []struct {
		name          string
		s             *Session
		kind, payload string
		want          string // part of the refusal; empty when it may be
		cluster       string // that the instance is for
	}{
		{name: "the whole fleet", s: whole, kind: wire.KindApply, payload: label("c7"), cluster: "c7"},
		{name: "an instance for no cluster", s: whole, kind: wire.KindApply, payload: strings.Replace(instanceJSON, "cluster-id", "other", 1), want: "metadata.labels: app.vworkspace.io/cluster-id is missing"},
		{name: "templates of the whole fleet", s: whole, kind: wire.KindApply, payload: templateJSON},
		{name: "its own cluster", s: one, kind: wire.KindApply, payload: label("c1"), cluster: "c1"},
		{name: "its identity", s: one, kind: wire.KindApply, payload: label("hub1"), cluster: "c1"},
		{name: "no cluster named", s: one, kind: wire.KindApply, payload: strings.Replace(instanceJSON, "cluster-id", "other", 1), cluster: "c1"},
		{name: "another cluster", s: one, kind: wire.KindApply, payload: label("c2"), want: `app.vworkspace.io/cluster-id is "c2"`},
		{name: "its own target", s: one, kind: wire.KindApply, payload: operationJSON},
		{name: "a placement", s: one, kind: wire.KindApply, payload: strings.Replace(operationJSON, `"targetRef"`, `"placement":{},"targetRef"`, 1), want: "spec.placement: the identity hub1 stands for cluster c1 alone"},
		{name: "a selector", s: one, kind: wire.KindApply, payload: strings.Replace(operationJSON, `"targetRef"`, `"selector":{},"x"`, 1), want: "spec.selector: "},
		{name: "no target", s: one, kind: wire.KindApply, payload: strings.Replace(operationJSON, `"targetRef"`, `"x"`, 1), want: "spec.targetRef: "},
		{name: "a template", s: one, kind: wire.KindApply, payload: templateJSON, want: "OperationTemplates are the whole fleet's"},
		{name: "a template to delete", s: one, kind: wire.KindDelete, payload: templateJSON, want: "OperationTemplates are the whole fleet's"},
		{name: "the catalog", s: one, kind: wire.KindIntent, payload: `{"intent":"ensure-catalog-entry","catalogId":"shop","templates":[` + templateJSON + `]}`, want: "the catalog is the whole fleet's"},
		{name: "its credentials", s: one, kind: wire.KindIntent, payload: `{"intent":"rotate-operator-credentials"}`},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			task, err := parse(&wire.Job{Kind: c.kind}, []byte(c.payload))
			if err != nil {
				t.Fatal(err)
			}
			err = c.s.confine(task)
			if (err == nil) != (c.want == "") || err != nil && !strings.Contains(err.Error(), c.want) {
				t.Fatalf("got %v", err)
			}
			if c.cluster != "" && task.object.GetLabels()[appsv1alpha1.LabelClusterID] != c.cluster {
				t.Errorf("labels are %v", task.object.GetLabels())
			}
		})
	}
}
