// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
)

const (
	serviceRange   = "10.96.0.0/16"
	firstServiceIP = "10.96.0.1"
)

// Controllers that every control plane runs: what makes namespaces, ServiceAccounts, RBAC and owner references work.
var coreControllers = []string{
	"namespace-controller", "serviceaccount-controller", "serviceaccount-token-controller",
	"garbage-collector-controller", "root-ca-certificate-publisher-controller", "clusterrole-aggregation-controller",
}

// The hub signs the certificates that agents ask for when they register.
var hubControllers = append([]string{
	"certificatesigningrequest-signing-controller", "certificatesigningrequest-approving-controller",
	"certificatesigningrequest-cleaner-controller",
}, coreControllers...)

// Spokes run workloads. There is no node-lifecycle-controller: KWOK's node never goes away.
var spokeControllers = append([]string{
	"job-controller", "cronjob-controller", "ttl-after-finished-controller", "deployment-controller",
	"replicaset-controller", "statefulset-controller", "daemonset-controller", "disruption-controller",
	"persistentvolume-binder-controller", "persistentvolumeclaim-protection-controller",
	"persistentvolume-protection-controller", "endpointslice-controller", "pod-garbage-collector-controller",
}, coreControllers...)

// Admission plugins that are switched off. TaintNodesByCondition would keep KWOK's node unschedulable for want of
// the controller that takes the taint away; the others guard what no simulated cluster has.
var disabledAdmission = []string{
	"TaintNodesByCondition", "StorageObjectInUseProtection", "PersistentVolumeClaimResize", "RuntimeClass",
	"PodTopologyLabels", "ClusterTrustBundleAttest",
}

// startControlPlane starts kube-apiserver and kube-controller-manager; it returns when Pods could be created.
func (f *Fleet) startControlPlane(ctx context.Context, c *Cluster, controllers []string) error {
	if err := f.startAPIServer(ctx, c); err != nil {
		return err
	}
	_, err := f.sup.launch(ctx, func() (Command, probe, error) { return f.planControllerManager(c, controllers) })
	return err
}

func (f *Fleet) startAPIServer(ctx context.Context, c *Cluster) (err error) {
	if c.pki, err = newPKI(c.Name, f.dir.data(c.Name, "pki")); err != nil {
		return err
	}
	_, err = f.sup.launch(ctx, func() (Command, probe, error) { return f.planAPIServer(c) })
	return err
}

func (f *Fleet) planAPIServer(c *Cluster) (Command, probe, error) {
	port, err := freePort()
	if err != nil {
		return Command{}, nil, err
	}
	if err := c.configure(port); err != nil {
		return Command{}, nil, err
	}
	client, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		return Command{}, nil, err
	}
	return Command{
		Name: c.process("kube-apiserver"),
		Path: f.bin.path(kubeAPIServer),
		Args: apiServerFlags(c, f.EtcdURL, port),
		Env:  f.childEnv(),
	}, apiReady(client), nil
}

func apiServerFlags(c *Cluster, etcdURL string, port int) []string {
	return []string{
		"--etcd-servers=" + etcdURL,
		"--etcd-prefix=/" + c.Name,
		"--bind-address=" + loopback, fmt.Sprintf("--secure-port=%d", port),
		"--advertise-address=" + loopback,
		"--endpoint-reconciler-type=none", // nobody reaches the API through the kubernetes Service
		"--tls-cert-file=" + c.pki.path("apiserver.crt"), "--tls-private-key-file=" + c.pki.path("apiserver.key"),
		"--client-ca-file=" + c.pki.path("ca.crt"),
		// Aggregated API servers believe kube-apiserver who a request is from: nobody else has this certificate.
		"--requestheader-client-ca-file=" + c.pki.path("ca.crt"), "--requestheader-allowed-names=" + frontProxy,
		"--requestheader-username-headers=X-Remote-User", "--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + c.pki.path("front-proxy.crt"), "--proxy-client-key-file=" + c.pki.path("front-proxy.key"),
		"--service-account-issuer=https://kubernetes.default.svc",
		"--service-account-key-file=" + c.pki.path("sa.pub"),
		"--service-account-signing-key-file=" + c.pki.path("sa.key"),
		"--service-cluster-ip-range=" + serviceRange,
		"--authorization-mode=RBAC",
		"--disable-admission-plugins=" + strings.Join(disabledAdmission, ","),
		// Flow control takes seconds to set up, and would be what a benchmark measures.
		"--enable-priority-and-fairness=false", "--max-requests-inflight=0", "--max-mutating-requests-inflight=0",
		"--allow-privileged=true",
		"--profiling=false",
	}
}

func (f *Fleet) planControllerManager(c *Cluster, controllers []string) (Command, probe, error) {
	client, err := kubernetes.NewForConfig(c.Config())
	if err != nil {
		return Command{}, nil, err
	}
	return Command{
		Name: c.process("kube-controller-manager"),
		Path: f.bin.path(kubeControllerManager),
		Args: []string{
			"--kubeconfig=" + c.KubeconfigPath,
			"--controllers=" + strings.Join(controllers, ","),
			"--leader-elect=false",
			"--secure-port=0",
			"--use-service-account-credentials=false",
			"--root-ca-file=" + c.pki.path("ca.crt"),
			"--service-account-private-key-file=" + c.pki.path("sa.key"),
			"--cluster-signing-cert-file=" + c.pki.path("ca.crt"), "--cluster-signing-key-file=" + c.pki.path("ca.key"),
			"--service-cluster-ip-range=" + serviceRange,
			// At the default of 20 requests a second, the ServiceAccounts of a thousand new namespaces take minutes.
			"--kube-api-qps=300", "--kube-api-burst=600",
			// A volume that was provisioned is bound to its claim at the next look, and by default that is up to 15 s away.
			"--pvclaimbinder-sync-period=1s",
			"--profiling=false",
		},
		Env: f.childEnv(),
	}, defaultAccountReady(client), nil
}

// defaultAccountReady waits for what the controller manager makes first and every Pod needs.
func defaultAccountReady(client kubernetes.Interface) probe {
	return func(ctx context.Context) error {
		_, err := client.CoreV1().ServiceAccounts(metav1.NamespaceDefault).Get(ctx, "default", metav1.GetOptions{})
		return err
	}
}
