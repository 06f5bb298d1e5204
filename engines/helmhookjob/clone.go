// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"cmp"
	"errors"
	"maps"
	"strings"

	"helm.sh/helm/v3/pkg/release"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	utiljson "k8s.io/apimachinery/pkg/util/json"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/helmrecord"
)

// labelHook on a Job is the name of the hook that it was made from, cut to what a label may hold.
const labelHook = "ops.vworkspace.io/source-hook"

// helmAnnotations is what Helm's annotations begin with.
const helmAnnotations = "helm.sh/"

// errNotAnObject is returned for a manifest that has something else where an object has to be.
var errNotAnObject = errors.New("not an object")

// clone makes a step's Job out of its hook. It stays untyped all the way: a field that this agent's Kubernetes types do not know is the
// chart's to set and the API server's to judge.
func (p *Parameters) clone(run engines.Run, hook *release.Hook, rec *helmrecord.Record, at step) (*unstructured.Unstructured, error) {
	spec, err := p.specOf(run, hook, rec)
	if err != nil {
		return nil, err
	}
	template, err := child(spec, "template")
	if err != nil {
		return nil, p.unreadable(hook, rec)
	}
	if err := prepare(template, run); err != nil {
		return nil, p.unreadable(hook, rec)
	}
	if p.BackoffLimit != nil {
		spec["backoffLimit"] = int64(*p.BackoffLimit)
	}
	if p.ActiveDeadlineSeconds != nil {
		spec["activeDeadlineSeconds"] = *p.ActiveDeadlineSeconds
	}
	job := &unstructured.Unstructured{Object: map[string]any{"spec": spec}}
	job.SetGroupVersionKind(batchv1.SchemeGroupVersion.WithKind(kindJob))
	job.SetName(at.name(run))
	job.SetNamespace(run.Namespace())
	job.SetOwnerReferences([]metav1.OwnerReference{run.OwnerReference()})
	// The chart's labels stay on the pod only: a tool that finds its objects by them must not take the Job for one of its own.
	labels := run.RunnerLabels()
	if value := labelValue(hook.Name); value != "" {
		labels[labelHook] = value
	}
	job.SetLabels(labels)
	annotations := at.annotations()
	annotations[annotationRecord], annotations[annotationRecordUID] = rec.Secret, string(rec.UID)
	job.SetAnnotations(annotations)
	return job, nil
}

// specOf is the spec of a Job that does what the hook does.
func (p *Parameters) specOf(run engines.Run, hook *release.Hook, rec *helmrecord.Record) (map[string]any, error) {
	manifest, err := parse(hook.Manifest)
	if err != nil {
		return nil, p.unreadable(hook, rec)
	}
	if ns := manifest.GetNamespace(); ns != "" && ns != run.Namespace() {
		return nil, p.refuse(ReasonHookNotRunnable, "%s %s is in namespace %s, and hooks are run in the Operation's namespace only", hook.Kind, hook.Name, ns)
	}
	spec, err := child(manifest.Object, "spec")
	if err != nil {
		return nil, p.unreadable(hook, rec)
	}
	switch manifest.GroupVersionKind() {
	case batchv1.SchemeGroupVersion.WithKind(kindJob):
		// The selector is the API server's to make, and a Job that removes itself takes its result along.
		for _, field := range []string{"selector", "manualSelector", "ttlSecondsAfterFinished"} {
			delete(spec, field)
		}
		return spec, nil
	case corev1.SchemeGroupVersion.WithKind(kindPod):
		return jobOf(manifest, spec), nil
	default:
		gvk := manifest.GroupVersionKind()
		return nil, p.refuse(ReasonHookNotRunnable, "%s is a %s, and only a Job of batch/v1 or a Pod of v1 can be run", hook.Name, describe(gvk))
	}
}

// jobOf wraps a Pod, which is started once.
func jobOf(pod *unstructured.Unstructured, spec map[string]any) map[string]any {
	if spec["restartPolicy"] != string(corev1.RestartPolicyOnFailure) {
		spec["restartPolicy"] = string(corev1.RestartPolicyNever) // a Job takes no Always, which is a Pod's default
	}
	metadata := map[string]any{}
	for _, field := range []string{"labels", "annotations"} {
		if value, ok, err := unstructured.NestedMap(pod.Object, "metadata", field); ok && err == nil {
			metadata[field] = value
		}
	}
	return map[string]any{"backoffLimit": int64(0), "template": map[string]any{"metadata": metadata, "spec": spec}}
}

// prepare makes the pod the run's. The chart's labels stay, although a Service may select by them: network policies and identities go by
// labels too, and Helm's own hook pods have them all the same.
func prepare(template map[string]any, run engines.Run) error {
	metadata, err := child(template, "metadata")
	if err != nil {
		return err
	}
	labels, err := child(metadata, "labels")
	if err != nil {
		return err
	}
	for key, value := range run.RunnerLabels() {
		labels[key] = value
	}
	annotations, err := child(metadata, "annotations")
	if err != nil {
		return err
	}
	maps.DeleteFunc(annotations, func(key string, _ any) bool { return strings.HasPrefix(key, helmAnnotations) })
	if len(annotations) == 0 {
		delete(metadata, "annotations")
	}
	spec, err := child(template, "spec")
	if err != nil {
		return err
	}
	explain(spec)
	return nil
}

// explain has the kubelet copy the last lines of a failing container's log into the pod's status, where the chart does not say otherwise.
func explain(podSpec map[string]any) {
	for _, field := range []string{"initContainers", "containers"} {
		containers, _ := podSpec[field].([]any)
		for i := range containers {
			if c, ok := containers[i].(map[string]any); ok && c["terminationMessagePolicy"] == nil {
				c["terminationMessagePolicy"] = string(corev1.TerminationMessageFallbackToLogsOnError)
			}
		}
	}
}

// parse reads a manifest with whole numbers as such, as an API server does.
func parse(manifest string) (*unstructured.Unstructured, error) {
	raw, err := yaml.YAMLToJSON([]byte(manifest))
	if err != nil {
		return nil, err
	}
	object := map[string]any{}
	if err := utiljson.Unmarshal(raw, &object); err != nil {
		return nil, err
	}
	return &unstructured.Unstructured{Object: object}, nil
}

// child is the object below a key. It is made when there is none.
func child(object map[string]any, key string) (map[string]any, error) {
	if object[key] == nil {
		object[key] = map[string]any{}
	}
	below, ok := object[key].(map[string]any)
	if !ok {
		return nil, errNotAnObject
	}
	return below, nil
}

// unreadable leaves the cause out: a decoder quotes what it stumbles over, and that may be one of the chart's values.
func (p *Parameters) unreadable(hook *release.Hook, rec *helmrecord.Record) error {
	return p.refuse(ReasonHookNotRunnable, "the manifest of %s %s cannot be read as one: see `helm get hooks %s --revision %d`",
		hook.Kind, hook.Name, rec.Name, rec.Version)
}

// labelValue cuts a name to what a label may hold; a name that is none is left out.
func labelValue(name string) string {
	value := strings.TrimRight(name[:min(len(name), validation.LabelValueMaxLength)], "-_.")
	if len(validation.IsValidLabelValue(value)) > 0 {
		return ""
	}
	return value
}

func describe(gvk schema.GroupVersionKind) string {
	return cmp.Or(gvk.Kind, "manifest without a kind") + " of " + cmp.Or(gvk.GroupVersion().String(), "no apiVersion")
}
