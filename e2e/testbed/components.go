// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"fmt"
	"os"
	"path/filepath"
	"runtime"
)

// Versions that a cluster of the testbed reports. They are go.mod's of components/; the Kubernetes one is linked into
// the binaries too, because an unstamped kube-apiserver calls itself v0.0.0-master and its clients misbehave.
const (
	kubernetesVersion = "v1.34.4"
	kubernetesMajor   = "1"
	kubernetesMinor   = "34"
)

// component is one binary of the testbed.
type component struct {
	name string // the binary's name
	pkg  string // the main package, resolved in the components module
}

// Components of a control plane; envtest wants the first, second and fourth.
var (
	kubeAPIServer         = component{"kube-apiserver", "k8s.io/kubernetes/cmd/kube-apiserver"}
	etcdServer            = component{"etcd", "go.etcd.io/etcd/server/v3"}
	kubeControllerManager = component{"kube-controller-manager", "k8s.io/kubernetes/cmd/kube-controller-manager"}
	kubectl               = component{"kubectl", "k8s.io/kubernetes/cmd/kubectl"}
	kubeScheduler         = component{"kube-scheduler", "k8s.io/kubernetes/cmd/kube-scheduler"}
	ocm                   = component{"ocm", "./ocm"}
	ocmAddOn              = component{"ocm-addon", "open-cluster-management.io/ocm/cmd/addon"}
	ocmServer             = component{"ocm-server", "open-cluster-management.io/ocm/cmd/server"}
	kwok                  = component{"kwok", "sigs.k8s.io/kwok/cmd/kwok"}
)

// Components of a node with pods, for e2e/kindfleet.
var (
	kubelet   = component{"kubelet", "k8s.io/kubernetes/cmd/kubelet"}
	kubeadm   = component{"kubeadm", "k8s.io/kubernetes/cmd/kubeadm"}
	kubeProxy = component{"kube-proxy", "k8s.io/kubernetes/cmd/kube-proxy"}
	// Argo's own main: in a pod, nobody else is on its ports.
	workflowController  = component{"workflow-controller", "github.com/argoproj/argo-workflows/v3/cmd/workflow-controller"}
	veleroRestoreHelper = component{"velero-restore-helper", "github.com/vmware-tanzu/velero/cmd/velero-restore-helper"}
)

// Components of the engines, see engines.go.
var (
	sourceController   = component{"source-controller", "github.com/fluxcd/source-controller"}
	helmController     = component{"helm-controller", "github.com/fluxcd/helm-controller"}
	velero             = component{"velero", "./velero"}
	veleroAWS          = component{"velero-plugin-for-aws", "github.com/vmware-tanzu/velero-plugin-for-aws/velero-plugin-for-aws"}
	s3                 = component{"gofakes3", "github.com/johannesboyne/gofakes3/cmd/gofakes3"}
	argo               = component{"argo", "./argo"}
	volSync            = component{"volsync", "github.com/backube/volsync/cmd"}
	snapshotController = component{"snapshot-controller", "github.com/kubernetes-csi/external-snapshotter/v8/cmd/snapshot-controller"}
	csi                = component{"csi", "./csi"}
)

// fleetComponents is what every fleet needs, envtestComponents what Assets returns, and nodeComponents what a fleet of real nodes has.
var (
	envtestComponents = []component{kubeAPIServer, etcdServer, kubectl}
	nodeComponents    = []component{
		kubeAPIServer, etcdServer, kubectl, kubeControllerManager, kubeScheduler, kubelet, kubeadm, kubeProxy, ocm,
		sourceController, helmController, velero, veleroAWS, veleroRestoreHelper, s3, workflowController, volSync,
	}
	fleetComponents = []component{kubeAPIServer, etcdServer, kubectl, kubeControllerManager, kubeScheduler, ocm, kwok}
)

// manifest is a folder of a dependency whose YAML files the testbed applies.
type manifest struct {
	name   string // folder in the cache
	module string
	dir    string // within the module
	files  string // pattern of the files below dir; every one in it when empty
}

// Manifests, by the cluster that they belong to.
var (
	ocmHubCRDs     = manifest{"ocm-hub", "open-cluster-management.io/ocm", "manifests/cluster-manager/hub/crds", ""}
	ocmSpokeCRDs   = manifest{"ocm-spoke", "open-cluster-management.io/ocm", "manifests/klusterlet/managed", ""}
	sourceCRDs     = manifest{"source-controller", "github.com/fluxcd/source-controller", "config/crd/bases", ""}
	helmCRDs       = manifest{"helm-controller", "github.com/fluxcd/helm-controller", "config/crd/bases", ""}
	veleroCRDs     = manifest{"velero", "github.com/vmware-tanzu/velero", "config/crd/v1/bases", ""}
	veleroDataCRDs = manifest{"velero-data", "github.com/vmware-tanzu/velero", "config/crd/v2alpha1/bases", ""}
	argoCRDs       = manifest{"argo", "github.com/argoproj/argo-workflows/v3", "manifests/base/crds/minimal", "argoproj.io_*.yaml"}
	volSyncCRDs    = manifest{"volsync", "github.com/backube/volsync", "config/crd/bases", ""}
	snapshotCRDs   = manifest{"snapshot", "github.com/kubernetes-csi/external-snapshotter/client/v8", "config/crd", "snapshot.storage.k8s.io_*.yaml"}
)

// fleetManifests are those that every fleet needs.
var fleetManifests = []manifest{ocmHubCRDs, ocmSpokeCRDs}

// linkFlags stamps the Kubernetes version into the binaries. They change the link step only, so that compiled
// packages are shared with every other build of this module.
func linkFlags() string {
	flags := "-s -w"
	for _, pkg := range []string{"k8s.io/component-base/version", "k8s.io/client-go/pkg/version"} {
		flags += " -X " + pkg + ".gitVersion=" + kubernetesVersion +
			" -X " + pkg + ".gitMajor=" + kubernetesMajor +
			" -X " + pkg + ".gitMinor=" + kubernetesMinor
	}
	return flags
}

// componentsModule is where the testbed's own components module is, below the root of the checkout.
const componentsModule = "e2e/testbed/components"

// moduleDir finds a module of the checkout by its path below the root: from this file, where it was compiled, or from the
// working directory's ancestors, for a binary that was moved or built with -trimpath.
func moduleDir(path string) (string, error) {
	path = filepath.FromSlash(path)
	if _, file, _, ok := runtime.Caller(0); ok {
		if dir := filepath.Join(filepath.Dir(file), "..", "..", path); isModule(dir) {
			return dir, nil
		}
	}
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if c := filepath.Join(dir, path); isModule(c) {
			return c, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("cannot find %s: run inside a checkout of vWorkspace Fleet", path)
		}
		dir = parent
	}
}

func isModule(dir string) bool {
	_, err := os.Stat(filepath.Join(dir, "go.mod"))
	return err == nil
}
