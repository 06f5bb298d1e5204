// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// What there is before a story begins: a Placement, instances, and what executors need.

// everywhere is a Placement that has chosen all clusters.
func everywhere(w *World) error { return w.Placement("everywhere", append([]string{near}, far...)...) }

// placeholders are two on the near cluster, a and b, that an engine works on.
func placeholders(engine opsv1alpha1.OperationEngine) func(*World) error {
	return func(w *World) error { return w.Create(OnSpoke, Placeholder("a", engine), Placeholder("b", engine)) }
}

// instances are placeholders, and a Placement.
func instances(engine opsv1alpha1.OperationEngine) func(*World) error {
	return both(placeholders(engine), everywhere)
}

// released are instances that Flux has installed.
func released(engine opsv1alpha1.OperationEngine, names ...string) func(*World) error {
	return func(w *World) error {
		for _, name := range names {
			if err := w.Create(OnSpoke, Release(name, engine)); err != nil {
				return err
			}
		}
		return nil
	}
}

// quiesced is an instance that a Job puts to sleep, and another wakes.
func quiesced(name string) func(*World) error {
	return func(w *World) error {
		ai := Placeholder(name, opsv1alpha1.EngineVelero)
		ai.Annotations[opsv1alpha1.CapabilityQuiesce] = string(opsv1alpha1.EngineJob)
		ai.Annotations[opsv1alpha1.AnnotationQuiesceParameters] = `{"image":"registry.example.com/sleep:1"}`
		ai.Annotations[opsv1alpha1.AnnotationUnquiesceParameters] = `{"image":"registry.example.com/wake:1"}`
		return w.Create(OnSpoke, ai)
	}
}

// asked is an instance whose application is asked to sleep, and to wake up.
func asked(name string) func(*World) error {
	return func(w *World) error {
		ai := Placeholder(name, opsv1alpha1.EngineVelero)
		ai.Annotations[opsv1alpha1.CapabilityQuiesce] = opsv1alpha1.QuiesceExec
		ai.Annotations[opsv1alpha1.AnnotationQuiesceURL] = sleepService + "/asleep"
		ai.Annotations[opsv1alpha1.AnnotationUnquiesceURL] = sleepService + "/awake"
		return w.Create(OnSpoke, ai)
	}
}

// saved is a Backup that can be restored.
func saved(w *World) error {
	return w.Create(OnSpoke, object("velero.io/v1", "Backup", "velero", "saved", map[string]any{
		"spec": map[string]any{"includedNamespaces": []any{apps}, "storageLocation": "default"},
		"status": map[string]any{"phase": "Completed", "startTimestamp": now(), "completionTimestamp": now(), "formatVersion": "1.1.0",
			"expiration": "2099-01-01T00:00:00Z"},
	}))
}

// record is the Secret in which Helm keeps what it has installed: a chart with one hook, a Job.
func record(name string) func(*World) error {
	return func(w *World) error {
		manifest := "apiVersion: batch/v1\nkind: Job\nmetadata:\n  name: migrate\nspec:\n  template:\n    spec:\n      restartPolicy: Never\n" +
			"      securityContext: {runAsNonRoot: true, seccompProfile: {type: RuntimeDefault}}\n" +
			"      containers:\n      - name: migrate\n        image: registry.example.com/shop:1\n" +
			"        securityContext: {allowPrivilegeEscalation: false, capabilities: {drop: [ALL]}}\n        env:\n        - {name: PASSWORD, valueFrom: {secretKeyRef: {name: shop, key: password}}}\n"
		raw, err := json.Marshal(map[string]any{
			"name": name, "namespace": apps, "version": 1, "info": map[string]any{"status": "deployed"},
			"hooks": []any{map[string]any{
				"name": "migrate", "kind": "Job", "path": "shop/templates/migrate.yaml", "manifest": manifest, "events": []any{"pre-upgrade"},
			}},
		})
		if err != nil {
			return err
		}
		var packed bytes.Buffer
		z := gzip.NewWriter(&packed)
		if _, err := z.Write(raw); err != nil {
			return err
		}
		if err := z.Close(); err != nil {
			return err
		}
		s := secret("sh.helm.release.v1."+name+".v1", map[string]string{"release": base64.StdEncoding.EncodeToString(packed.Bytes())})
		s.Type = "helm.sh/release.v1"
		s.Labels = map[string]string{"owner": "helm", "name": name, "version": "1", "status": "deployed"}
		return w.Create(OnSpoke, s)
	}
}

func object(apiVersion, kind, namespace, name string, fields map[string]any) *unstructured.Unstructured {
	o := &unstructured.Unstructured{Object: fields}
	o.SetAPIVersion(apiVersion)
	o.SetKind(kind)
	o.SetNamespace(namespace)
	o.SetName(name)
	return o
}

// storage is a place that Velero can write to.
func storage(w *World) error {
	return w.Create(OnSpoke, object("velero.io/v1", "BackupStorageLocation", "velero", "default", map[string]any{
		"spec":   map[string]any{"provider": "aws", "objectStorage": map[string]any{"bucket": "backups"}, "default": true},
		"status": map[string]any{"phase": "Available"},
	}))
}

// workflowTemplate is a runbook of Argo's.
func workflowTemplate(w *World) error {
	return w.Create(OnSpoke, object("argoproj.io/v1alpha1", "WorkflowTemplate", apps, "tidy", map[string]any{
		"spec": map[string]any{"entrypoint": "main", "templates": []any{
			map[string]any{"name": "main", "container": map[string]any{"image": "registry.example.com/tool:1", "command": []any{"true"}}},
		}},
	}))
}

// volume is one that can be backed up, and the Secret with the key of its repository.
func volume(w *World) error {
	return w.Create(OnSpoke, claim("data"), secret("restic", map[string]string{"RESTIC_PASSWORD": canary}))
}

func claim(name string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:   corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

func secret(name string, data map[string]string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: apps, Name: name}, StringData: data}
}
