// SPDX-License-Identifier: Apache-2.0

// Command csi is a fake CSI driver: it makes volumes and snapshots that hold nothing, because there is no kubelet to mount them. It stands in
// for two sidecars of a real driver, external-provisioner and csi-snapshotter, and speaks to the API server as they do.
package main

import (
	"context"
	"flag"
	"fmt"
	"os"
	"os/signal"
	"syscall"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	snapshotclient "github.com/kubernetes-csi/external-snapshotter/client/v8/clientset/versioned"
	snapshotinformers "github.com/kubernetes-csi/external-snapshotter/client/v8/informers/externalversions"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
	"sigs.k8s.io/sig-storage-lib-external-provisioner/v13/controller"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	kubeconfig := flag.String("kubeconfig", "", "the cluster's kubeconfig")
	driver := flag.String("driver", "", "name of the driver")
	flag.Parse()
	config, err := clientcmd.BuildConfigFromFlags("", *kubeconfig)
	if err == nil {
		config.QPS, config.Burst = 200, 400
		err = run(ctx, config, *driver)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run(ctx context.Context, config *rest.Config, driver string) error {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	snapshots, err := snapshotclient.NewForConfig(config)
	if err != nil {
		return err
	}
	if err := watchSnapshots(ctx, snapshots, driver); err != nil {
		return err
	}
	controller.NewProvisionController(ctx, kube, driver, provisioner{driver}, controller.LeaderElection(false)).Run(ctx)
	return nil
}

// provisioner makes PersistentVolumes of a size, from nothing or from a snapshot.
type provisioner struct{ driver string }

func (p provisioner) Provision(_ context.Context, o controller.ProvisionOptions) (*corev1.PersistentVolume, controller.ProvisioningState, error) {
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: o.PVName},
		Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: *o.StorageClass.ReclaimPolicy,
			AccessModes:                   o.PVC.Spec.AccessModes,
			Capacity:                      corev1.ResourceList{corev1.ResourceStorage: o.PVC.Spec.Resources.Requests[corev1.ResourceStorage]},
			VolumeMode:                    o.PVC.Spec.VolumeMode,
			PersistentVolumeSource: corev1.PersistentVolumeSource{
				CSI: &corev1.CSIPersistentVolumeSource{Driver: p.driver, VolumeHandle: o.PVName},
			},
		},
	}, controller.ProvisioningFinished, nil
}

func (provisioner) Delete(context.Context, *corev1.PersistentVolume) error { return nil }

// watchSnapshots calls every content of the driver's ready as soon as it is there.
func watchSnapshots(ctx context.Context, client snapshotclient.Interface, driver string) error {
	factory := snapshotinformers.NewSharedInformerFactory(client, time.Minute)
	handle := func(o any) {
		content, ok := o.(*snapshotv1.VolumeSnapshotContent)
		if !ok || content.Spec.Driver != driver || content.DeletionTimestamp != nil {
			return
		}
		if err := makeReady(ctx, client, content); err != nil {
			klog.ErrorS(err, "cannot make the snapshot ready", "content", content.Name)
		}
	}
	_, err := factory.Snapshot().V1().VolumeSnapshotContents().Informer().AddEventHandler(cache.ResourceEventHandlerFuncs{
		AddFunc: handle, UpdateFunc: func(_, o any) { handle(o) },
	})
	if err != nil {
		return err
	}
	factory.Start(ctx.Done())
	return nil
}

func makeReady(ctx context.Context, client snapshotclient.Interface, content *snapshotv1.VolumeSnapshotContent) error {
	if s := content.Status; s != nil && s.ReadyToUse != nil && *s.ReadyToUse {
		return nil
	}
	ready, handle, now, size := true, "snapshot-"+string(content.UID), time.Now().UnixNano(), int64(1<<20)
	if h := content.Spec.Source.SnapshotHandle; h != nil {
		handle = *h
	}
	content = content.DeepCopy()
	content.Status = &snapshotv1.VolumeSnapshotContentStatus{ReadyToUse: &ready, SnapshotHandle: &handle, CreationTime: &now, RestoreSize: &size}
	_, err := client.SnapshotV1().VolumeSnapshotContents().UpdateStatus(ctx, content, metav1.UpdateOptions{})
	return err
}
