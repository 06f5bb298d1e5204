// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// velero: Velero saves an application that Flux has installed from a chart, with the files of its volume, to S3, on every spoke; the application and its
// data are destroyed; and a Restore brings them back, byte by byte.
func velero(t *testing.T) {
	before := vaultsEverywhere(t)
	op := saveVaults("save-vaults")
	operate(t, op)
	everywhere(t, "restore", func(t *testing.T, spoke *kindfleet.Cluster) bool {
		destroy(t, spoke, &appsv1.Deployment{ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "vault"}}, claim("vault"))
		restoreOn(t, spoke, backupOn(t, spoke, op))
		return true
	})
	sameEverywhere(t, "vault", before)
}

// vaultsEverywhere makes an application with a volume on every spoke, and returns what the volume sums up to.
func vaultsEverywhere(t *testing.T) map[string]string {
	t.Helper()
	url := charts(t)
	return everywhere(t, "fill", func(t *testing.T, spoke *kindfleet.Cluster) string {
		create(t, spoke, vault(url))
		k := connect(t, spoke)
		eventually(t, "the vault to be installed on "+spoke.Name, func(ctx context.Context) string {
			var ai appsv1alpha1.ApplicationInstance
			if err := k.Get(ctx, client.ObjectKey{Namespace: tenant, Name: "vault"}, &ai); err != nil {
				return err.Error()
			}
			if s := ai.Status; s.Ready != metav1.ConditionTrue {
				return fmt.Sprintf("%s/%s: %s", s.Ready, s.ReadyReason, s.ReadyMessage)
			}
			return ""
		})
		return inPod(t, spoke, "fill", "vault", fill)
	})
}

// vault is an instance of the chart of testdata/vault, which mounts its volume and does nothing.
func vault(url string) *appsv1alpha1.ApplicationInstance {
	return &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "vault", Annotations: map[string]string{
			opsv1alpha1.TypeBackup.Capability(): string(opsv1alpha1.EngineVelero), opsv1alpha1.TypeRestore.Capability(): string(opsv1alpha1.EngineVelero),
		}},
		Spec: appsv1alpha1.ApplicationInstanceSpec{
			Mode: appsv1alpha1.ModeManaged, AppRef: appsv1alpha1.AppRef{CatalogID: "vault"},
			Chart:   &appsv1alpha1.ChartSpec{SourceType: appsv1alpha1.ChartSourceHelm, URL: url, Name: "vault", Version: "1.0.0"},
			Release: &appsv1alpha1.ReleaseSpec{Name: "vault", Namespace: tenant},
			Values: &appsv1alpha1.ValuesSpec{Source: appsv1alpha1.ValuesInline, Inline: &runtime.RawExtension{
				Raw: fmt.Appendf(nil, `{"image": %q, "storageClass": %q}`, kindfleet.ToolImage, kindfleet.StorageClass),
			}},
		},
	}
}

// saveVaults is an Operation that saves these applications with the files of their volumes.
func saveVaults(name string) *opsv1alpha1.Operation {
	op := fleetwide(name, opsv1alpha1.TypeBackup, `{"defaultVolumesToFsBackup": true, "snapshotVolumes": false, "labelSelector": {"matchLabels": {"app": "vault"}}}`)
	op.Spec.Selector.Names = []string{"vault"}
	return op
}

// destroy objects, and wait until they are gone.
func destroy(t *testing.T, c *kindfleet.Cluster, objects ...client.Object) {
	t.Helper()
	k := connect(t, c)
	for _, o := range objects {
		if err := k.Delete(t.Context(), o, client.PropagationPolicy(metav1.DeletePropagationForeground)); client.IgnoreNotFound(err) != nil {
			t.Fatal(err)
		}
	}
	for _, o := range objects {
		eventually(t, fmt.Sprintf("%T %s to be gone from %s", o, o.GetName(), c.Name), func(ctx context.Context) string {
			if err := k.Get(ctx, client.ObjectKeyFromObject(o), o); !apierrors.IsNotFound(err) {
				return fmt.Sprint("it is there: ", err)
			}
			return ""
		})
	}
}

// backupOn is the Backup that an Operation of the fleet has made on a spoke.
func backupOn(t *testing.T, spoke *kindfleet.Cluster, op *opsv1alpha1.Operation) string {
	t.Helper()
	var children opsv1alpha1.OperationList
	if err := connect(t, spoke).List(t.Context(), &children, client.InNamespace(tenant)); err != nil {
		t.Fatal(err)
	}
	for i := range children.Items {
		child := &children.Items[i]
		if child.Labels[opsv1alpha1.LabelParent] == "" || child.Spec.Type != op.Spec.Type || child.Spec.TargetRef.Name != "vault" || child.Status.Outputs == nil {
			continue
		}
		var outputs struct {
			BackupName string `json:"backupName"`
		}
		if err := json.Unmarshal(child.Status.Outputs.Raw, &outputs); err != nil {
			t.Fatal(err)
		}
		return outputs.BackupName
	}
	t.Fatalf("no Operation on %s says which Backup it made", spoke.Name)
	return ""
}

// restoreOn restores a Backup as an engineer does who has only that spoke.
func restoreOn(t *testing.T, spoke *kindfleet.Cluster, backup string) {
	t.Helper()
	op := &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "restore-vault"},
		Spec: opsv1alpha1.OperationSpec{
			TargetRef: &opsv1alpha1.TargetRef{APIVersion: "apps.vworkspace.io/v1alpha1", Kind: "ApplicationInstance", Name: "vault"},
			Type:      opsv1alpha1.TypeRestore, Parameters: &runtime.RawExtension{Raw: fmt.Appendf(nil, `{"backupName": %q}`, backup)},
		},
	}
	create(t, spoke, op)
	succeeds(t, spoke, op)
}
