// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/util/validation"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// Kinds that jobs may be about.
const (
	kindInstance  = "ApplicationInstance"
	kindOperation = "Operation"
	kindTemplate  = "OperationTemplate"
)

// kinds by name, with the API that they belong to.
var kinds = map[string]schema.GroupVersion{
	kindInstance: appsv1alpha1.GroupVersion, kindOperation: opsv1alpha1.GroupVersion, kindTemplate: opsv1alpha1.GroupVersion,
}

// Intents that are known.
const (
	intentInstance = "ensure-application-instance"
	intentOperate  = "request-operation"
	intentDelete   = "delete-application-instance"
	intentRotate   = "rotate-operator-credentials"
	intentEntry    = "ensure-catalog-entry"
)

// task is what a job asks for: exactly one of these.
type task struct {
	object *unstructured.Unstructured // to apply
	delete *wire.Ref                  // to delete
	entry  *entry                     // to keep
	rotate bool                       // credentials
}

// parse what a job asks for. An error is a *Refusal.
func parse(job *wire.Job, payload json.RawMessage) (*task, error) {
	switch job.Kind {
	case wire.KindApply:
		return applyTask("payload", payload)
	case wire.KindDelete:
		return deleteTask("payload", payload)
	case wire.KindIntent:
		return parseIntent(payload)
	}
	return nil, refused("kind: %q is none that the hub knows: it must be apply, delete or intent", job.Kind)
}

func parseIntent(payload json.RawMessage) (*task, error) {
	var in struct {
		Intent              string          `json:"intent"`
		ApplicationInstance json.RawMessage `json:"applicationInstance"`
		Operation           json.RawMessage `json:"operation"`
		Namespace           string          `json:"namespace"`
		Name                string          `json:"name"`
		entry
	}
	if err := json.Unmarshal(payload, &in); err != nil {
		return nil, unreadable("payload", err)
	}
	switch in.Intent {
	case intentInstance:
		return intended("payload.applicationInstance", in.ApplicationInstance, kindInstance)
	case intentOperate:
		return intended("payload.operation", in.Operation, kindOperation)
	case intentDelete:
		if in.Namespace == "" || in.Name == "" {
			return nil, refused("payload.namespace and payload.name: both are needed to tell which ApplicationInstance is to be deleted")
		}
		return &task{delete: &wire.Ref{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: kindInstance, Namespace: in.Namespace, Name: in.Name}}, nil
	case intentRotate:
		return &task{rotate: true}, nil
	case intentEntry:
		e := in.entry
		return &task{entry: &e}, e.check()
	}
	return nil, refused("payload.intent: %q is none that the hub knows; it knows %s", in.Intent,
		strings.Join([]string{intentInstance, intentOperate, intentDelete, intentRotate, intentEntry}, ", "))
}

// intended is an object that an intent carries. Its kind may be left out.
func intended(path string, raw json.RawMessage, kind string) (*task, error) {
	t, err := applyTaskOf(path, raw, kind)
	if err != nil {
		return nil, err
	}
	if got := t.object.GetKind(); got != kind {
		return nil, refused("%s.kind: it is %s, and must be %s", path, got, kind)
	}
	return t, nil
}

func applyTask(path string, raw json.RawMessage) (*task, error) { return applyTaskOf(path, raw, "") }

func applyTaskOf(path string, raw json.RawMessage, kind string) (*task, error) {
	o := &unstructured.Unstructured{}
	if len(raw) == 0 || bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		return nil, refused("%s: it is missing, and must be the object that is wanted", path)
	}
	if err := json.Unmarshal(raw, &o.Object); err != nil || o.Object == nil {
		return nil, unreadable(path, err)
	}
	if kind != "" && o.Object["kind"] == nil && o.Object["apiVersion"] == nil {
		o.SetGroupVersionKind(kinds[kind].WithKind(kind))
	}
	ref := wire.Ref{APIVersion: o.GetAPIVersion(), Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName()}
	if ref.Name == "" && o.GetGenerateName() != "" {
		ref.Name = o.GetGenerateName() + "0" // gets its end when the job is known
	}
	if err := checkRef(path, ".metadata", &ref); err != nil {
		return nil, err
	}
	if _, ok := o.Object["metadata"].(map[string]any); !ok {
		return nil, refused("%s.metadata: it must be an object with a name", path)
	}
	for _, label := range []string{opsv1alpha1.LabelRoot, opsv1alpha1.LabelParent} {
		if _, there := o.GetLabels()[label]; there {
			return nil, refused("%s.metadata.labels: %s says that a hub has delivered it, which none has: leave it out", path, label)
		}
	}
	return &task{object: o}, nil
}

func deleteTask(path string, raw json.RawMessage) (*task, error) {
	ref := &wire.Ref{}
	if err := json.Unmarshal(raw, ref); err != nil {
		return nil, unreadable(path, err)
	}
	if ref.Name == "" {
		var o struct {
			Metadata struct{ Namespace, Name, UID string } `json:"metadata"`
		}
		if json.Unmarshal(raw, &o) == nil && o.Metadata.Name != "" {
			ref.Namespace, ref.Name, ref.UID = o.Metadata.Namespace, o.Metadata.Name, o.Metadata.UID
		}
	}
	if err := checkRef(path, "", ref); err != nil {
		return nil, err
	}
	return &task{delete: ref}, nil
}

// checkRef tells whether a reference names something that jobs may be about; in is where below path the name is.
func checkRef(path, in string, ref *wire.Ref) error {
	version, known := kinds[ref.Kind]
	switch {
	case !known:
		return refused("%s.kind: %q is none that a job may be about: it must be %s, %s or %s", path, ref.Kind, kindInstance, kindOperation, kindTemplate)
	case ref.APIVersion != version.String():
		return refused("%s.apiVersion: %q is not that of %s, which is %s", path, ref.APIVersion, ref.Kind, version)
	case ref.Name == "":
		return refused("%s%s.name: it is missing", path, in)
	case len(validation.IsDNS1123Subdomain(ref.Name)) > 0:
		return refused("%s%s.name: %q is no name of an object: %s", path, in, ref.Name, validation.IsDNS1123Subdomain(ref.Name)[0])
	case ref.Kind == kindTemplate && ref.Namespace != "":
		return refused("%s%s.namespace: an %s has none: leave it out", path, in, ref.Kind)
	case ref.Kind != kindTemplate && ref.Namespace == "":
		return refused("%s%s.namespace: it is missing: an %s has one", path, in, ref.Kind)
	case ref.Namespace != "" && len(validation.IsDNS1123Label(ref.Namespace)) > 0:
		return refused("%s%s.namespace: %q is no name of a namespace", path, in, ref.Namespace)
	}
	return nil
}

// unreadable says that a payload is not as it should be, and repeats nothing of it: it may have been encrypted.
func unreadable(path string, err error) error {
	if e, ok := err.(*json.UnmarshalTypeError); ok && e.Field != "" { //nolint:errorlint // encoding/json does not wrap it
		return refused("%s.%s: it must not be a JSON %s", path, e.Field, e.Value)
	}
	return refused("%s: it must be a JSON object", path)
}

// prepare an object of a job for the API server: what the server writes itself is left out, and where it comes from is written down.
func prepare(o *unstructured.Unstructured, r *Record) {
	delete(o.Object, "status")
	for _, field := range []string{"managedFields", "resourceVersion", "uid", "generation", "creationTimestamp", "deletionTimestamp", "deletionGracePeriodSeconds", "selfLink",
		"finalizers", "ownerReferences"} {
		unstructured.RemoveNestedField(o.Object, "metadata", field)
	}
	if o.GetName() == "" {
		o.SetName(o.GetGenerateName() + strings.TrimPrefix(r.name(), recordPrefix)[:10])
	}
	o.SetGenerateName("")
	labels := o.GetLabels()
	if labels == nil {
		labels = map[string]string{}
	}
	labels[appsv1alpha1.LabelManagedBy] = appsv1alpha1.ManagedByControlPlane
	o.SetLabels(labels)
	annotations := o.GetAnnotations()
	if annotations == nil {
		annotations = map[string]string{}
	}
	for _, own := range []string{
		opsv1alpha1.AnnotationReported, opsv1alpha1.AnnotationOnBehalfOf, opsv1alpha1.AnnotationRequestedBy, opsv1alpha1.AnnotationRequestedByGroups,
		opsv1alpha1.AnnotationOrigin, opsv1alpha1.AnnotationStartBefore,
	} {
		delete(annotations, own)
	}
	annotations[opsv1alpha1.AnnotationJob] = r.source()
	if r.Job.RequestedBy != "" {
		annotations[opsv1alpha1.AnnotationOnBehalfOf] = r.Job.RequestedBy
	}
	o.SetAnnotations(annotations)
}

// refOf an object.
func refOf(o *unstructured.Unstructured) *wire.Ref {
	return &wire.Ref{
		APIVersion: o.GetAPIVersion(), Kind: o.GetKind(), Namespace: o.GetNamespace(), Name: o.GetName(), UID: string(o.GetUID()), Generation: o.GetGeneration(),
	}
}

// shown names an object for people.
func shown(ref *wire.Ref) string {
	if ref.Namespace == "" {
		return fmt.Sprintf("%s %s", ref.Kind, ref.Name)
	}
	return fmt.Sprintf("%s %s/%s", ref.Kind, ref.Namespace, ref.Name)
}
