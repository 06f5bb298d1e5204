// SPDX-License-Identifier: Apache-2.0

// Package executors registers the API types of the controllers that the engines drive.
package executors

import (
	"fmt"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
)

// AddToScheme adds every kind that an engine reads or makes, those of Kubernetes itself among them.
func AddToScheme(scheme *runtime.Scheme) error {
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme,  // job, helmHookJob
		helmv2.AddToScheme,          // helm
		sourcev1.AddToScheme,        // helm
		wfv1.AddToScheme,            // workflow
		velerov1.AddToScheme,        // velero
		volsyncv1alpha1.AddToScheme, // volsync
		snapshotv1.AddToScheme,      // volsync
	} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("register the types of the engines: %w", err)
		}
	}
	return nil
}
