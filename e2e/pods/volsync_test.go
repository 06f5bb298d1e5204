// SPDX-License-Identifier: Apache-2.0

package pods

import (
	"context"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/kindfleet"
)

// fill writes a megabyte that nobody could guess into a volume, and prints what it sums up to; sum only prints it.
const (
	fill = "head -c 1048576 /dev/urandom > /data/treasure && sync && sha256sum < /data/treasure"
	sum  = "sha256sum < /data/treasure"
)

// volsync: restic backs a volume up on every spoke, to S3, and a new volume is made of the backup: byte by byte the same.
func volsync(t *testing.T) {
	before := volumesEverywhere(t)
	operate(t, saveVolumes("save-volumes"))
	restore := fleetwide("restore-volumes", opsv1alpha1.TypeRestore, `{"pvc": "found", "capacity": "1Gi", "repository": {"secretName": "restic"},
		"storageClassName": "`+kindfleet.StorageClass+`", "moverSecurityContext": {"runAsUser": 65534}}`)
	restore.Spec.Selector.Names = []string{"volumes"}
	operate(t, restore)
	sameEverywhere(t, "found", before)
}

// sameEverywhere holds that a volume on every spoke sums up to what it did before.
func sameEverywhere(t *testing.T, volume string, before map[string]string) {
	t.Helper()
	after := everywhere(t, "look", func(t *testing.T, spoke *kindfleet.Cluster) string { return inPod(t, spoke, "look", volume, sum) })
	if diff := cmp.Diff(before, after); diff != "" {
		t.Errorf("what the restored volumes sum up to is not what it was (-want +got):\n%s", diff)
	}
}

// volumesEverywhere makes a volume on every spoke that VolSync can back up, and returns what it sums up to.
func volumesEverywhere(t *testing.T) map[string]string {
	t.Helper()
	capabilities := map[opsv1alpha1.OperationType]opsv1alpha1.OperationEngine{
		opsv1alpha1.TypeBackup: opsv1alpha1.EngineVolsync, opsv1alpha1.TypeRestore: opsv1alpha1.EngineVolsync,
	}
	return everywhere(t, "fill", func(t *testing.T, spoke *kindfleet.Cluster) string {
		create(t, spoke, claim("treasure"), placeholder("volumes", capabilities), &corev1.Secret{
			ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: "restic"},
			StringData: map[string]string{
				"RESTIC_REPOSITORY": "s3:" + fleet.S3 + "/velero/restic-" + spoke.Name, "RESTIC_PASSWORD": "correct horse",
				"AWS_ACCESS_KEY_ID": "e2e", "AWS_SECRET_ACCESS_KEY": "e2e",
			},
		})
		return inPod(t, spoke, "fill", "treasure", fill)
	})
}

// saveVolumes is an Operation that backs these volumes up.
func saveVolumes(name string) *opsv1alpha1.Operation {
	op := fleetwide(name, opsv1alpha1.TypeBackup, `{"pvc": "treasure", "repository": {"secretName": "restic"}, "copyMethod": "Direct",
		"storageClassName": "`+kindfleet.StorageClass+`", "moverSecurityContext": {"runAsUser": 65534}}`)
	op.Spec.Selector.Names = []string{"volumes"}
	return op
}

func claim(name string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			StorageClassName: ptr.To(kindfleet.StorageClass),
			AccessModes:      []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
			Resources:        corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
	}
}

// inPod runs a command in a pod with a volume at /data, and returns what it printed.
func inPod(t *testing.T, c *kindfleet.Cluster, name, volume, command string) string {
	t.Helper()
	k := connect(t, c)
	job := &batchv1.Job{
		ObjectMeta: metav1.ObjectMeta{Namespace: tenant, GenerateName: name + "-"},
		Spec: batchv1.JobSpec{BackoffLimit: ptr.To[int32](0), Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
			RestartPolicy: corev1.RestartPolicyNever,
			Containers: []corev1.Container{{
				Name: "main", Image: kindfleet.ToolImage, ImagePullPolicy: corev1.PullNever, Command: []string{"bash", "-c", command},
				VolumeMounts: []corev1.VolumeMount{{Name: "data", MountPath: "/data"}},
			}},
			Volumes: []corev1.Volume{{Name: "data", VolumeSource: corev1.VolumeSource{
				PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: volume},
			}}},
		}}},
	}
	if err := k.Create(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	var pod corev1.Pod
	eventually(t, "pod "+job.Name+" on "+c.Name, func(ctx context.Context) string {
		var pods corev1.PodList
		if err := k.List(ctx, &pods, client.InNamespace(tenant), client.MatchingLabels{batchv1.JobNameLabel: job.Name}); err != nil {
			return err.Error()
		}
		if len(pods.Items) != 1 {
			return fmt.Sprintf("there are %d", len(pods.Items))
		}
		if pod = pods.Items[0]; pod.Status.Phase != corev1.PodSucceeded {
			return fmt.Sprintf("it is %s: %+v", pod.Status.Phase, pod.Status.ContainerStatuses)
		}
		return ""
	})
	said := strings.TrimSpace(podLog(t, c, &pod))
	destroy(t, c, job) // a pod keeps its volume from being deleted, also when it has ended
	return said
}
