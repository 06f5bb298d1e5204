// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/utils/ptr"
)

const (
	// StorageClass of the spokes' volumes: folders of the node, as PersistentVolumes of kind local. Velero does not look into hostPath volumes, which
	// are what kind's own class makes.
	StorageClass = "local"
	// volumes of a spoke. One is used once: nobody empties it.
	volumes = 16
)

// startStorage makes a cluster's volumes.
func (f *Fleet) startStorage(ctx context.Context, c *Cluster) error {
	kube, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	_, err = kube.StorageV1().StorageClasses().Create(ctx, &storagev1.StorageClass{
		ObjectMeta: metav1.ObjectMeta{Name: StorageClass}, Provisioner: "kubernetes.io/no-provisioner",
		VolumeBindingMode: ptr.To(storagev1.VolumeBindingWaitForFirstConsumer), ReclaimPolicy: ptr.To(corev1.PersistentVolumeReclaimRetain),
	}, metav1.CreateOptions{})
	if err != nil {
		return err
	}
	for i := range volumes {
		name := fmt.Sprintf("local-%02d", i)
		path := "/var/local-volumes/" + name
		if err := c.node.CommandContext(ctx, "mkdir", "-p", "-m", "0777", path).Run(); err != nil {
			return fmt.Errorf("make a volume on %s: %w", c.Name, err)
		}
		_, err := kube.CoreV1().PersistentVolumes().Create(ctx, &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: name},
			Spec: corev1.PersistentVolumeSpec{
				StorageClassName: StorageClass, PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain,
				AccessModes:            []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
				Capacity:               corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")},
				PersistentVolumeSource: corev1.PersistentVolumeSource{Local: &corev1.LocalVolumeSource{Path: path}},
				NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
					MatchExpressions: []corev1.NodeSelectorRequirement{{Key: corev1.LabelHostname, Operator: corev1.NodeSelectorOpIn, Values: []string{c.node.String()}}},
				}}}},
			},
		}, metav1.CreateOptions{})
		if err != nil {
			return err
		}
	}
	return nil
}

// Pause a cluster's node: everything on it stands still, as when a machine hangs.
func (f *Fleet) Pause(ctx context.Context, c *Cluster) error {
	_, err := f.engine.docker(ctx, "pause", c.node.String())
	return err
}

// Unpause it.
func (f *Fleet) Unpause(ctx context.Context, c *Cluster) error {
	_, err := f.engine.docker(ctx, "unpause", c.node.String())
	return err
}
