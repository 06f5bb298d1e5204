// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"encoding/json"
	"fmt"
	"testing"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// velero: Velero saves an application with the files of its volume to S3, on every spoke; the application and its data are destroyed; and a
// Restore brings them back, byte by byte.
func velero(t *testing.T) {
	before := vaultsEverywhere(t)
	op := saveVaults("save-vaults")
	operate(t, op)
	for _, spoke := range fleet.Spokes {
		destroy(t, spoke, vault(), claim("vault"))
		restoreOn(t, spoke, backupOn(t, spoke, op))
		if after := inPod(t, spoke, "look", "vault", sum); after != before[spoke.Name] {
			t.Errorf("on %s the restored volume sums up to %s, want %s", spoke.Name, after, before[spoke.Name])
		}
	}
}

// ofVault are the labels of what Velero saves.
var ofVault = map[string]string{"app": "vault"}

// vaultsEverywhere makes an application with a volume on every spoke, and returns what the volume sums up to.
func vaultsEverywhere(t *testing.T) map[string]string {
	t.Helper()
	sums := map[string]string{}
	for _, spoke := range fleet.Spokes {
		volume := claim("vault")
		volume.Labels = ofVault
		create(t, spoke, volume, vault(), placeholder("vault", map[opsv1alpha1.OperationType]opsv1alpha1.OperationEngine{
			opsv1alpha1.TypeBackup: opsv1alpha1.EngineVelero, opsv1alpha1.TypeRestore: opsv1alpha1.EngineVelero,
		}))
		sums[spoke.Name] = inPod(t, spoke, "fill", "vault", fill)
	}
	return sums
}

// saveVaults is an Operation that saves these applications with the files of their volumes.
func saveVaults(name string) *opsv1alpha1.Operation {
	op := fleetwide(name, opsv1alpha1.TypeBackup, `{"defaultVolumesToFsBackup": true, "snapshotVolumes": false, "labelSelector": {"matchLabels": {"app": "vault"}}}`)
	op.Spec.Selector.Names = []string{"vault"}
	return op
}

// vault is an application that mounts its volume and does nothing.
func vault() *appsv1.Deployment {
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "vault", Labels: ofVault},
		Spec: appsv1.DeploymentSpec{
			Selector: &metav1.LabelSelector{MatchLabels: ofVault},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: ofVault},
				Spec: corev1.PodSpec{
					TerminationGracePeriodSeconds: new(int64),
					Containers: []corev1.Container{{
						Name: "main", Image: kindfleet.ToolImage, ImagePullPolicy: corev1.PullNever, Command: []string{"sleep", "infinity"},
						VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
					}},
					Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
						PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "vault"},
					}}},
				},
			},
		},
	}
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
