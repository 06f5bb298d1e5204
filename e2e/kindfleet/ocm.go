// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sync/errgroup"
	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"k8s.io/utils/ptr"
	clusterclient "open-cluster-management.io/api/client/cluster/clientset/versioned"
	clusterv1 "open-cluster-management.io/api/cluster/v1"

	"vworkspace.io/fleet/e2e/testbed"

	_ "embed"
)

const (
	ocmHubNamespace   = "open-cluster-management-hub"
	ocmAgentNamespace = "open-cluster-management-agent"
)

// ocmHub is Open Cluster Management's hub, and ocmSpoke its agent.
//
//go:embed manifests/ocm-hub.yaml
var ocmHub []byte

//go:embed manifests/ocm-spoke.yaml
var ocmSpoke []byte

// StartOCM installs Open Cluster Management as pods, and returns when the hub calls every spoke Available.
func (f *Fleet) StartOCM(ctx context.Context) error {
	var loading errgroup.Group
	for _, c := range f.Clusters() {
		loading.Go(func() error { return c.Load(f.kit.ocmArchive()) })
	}
	if err := loading.Wait(); err != nil {
		return err
	}
	crds, err := testbed.OCMCRDs(f.kit.binaries.manifests["ocm-hub"], "*.crd.yaml")
	if err != nil {
		return err
	}
	if err := testbed.Apply(ctx, f.Hub.Config, append(crds, ocmHub)...); err != nil {
		return fmt.Errorf("install Open Cluster Management on the hub: %w", err)
	}
	bootstrap, err := f.bootstrap(ctx)
	if err != nil {
		return err
	}
	group, ctx := errgroup.WithContext(ctx)
	for _, spoke := range f.Spokes {
		group.Go(func() error { return f.join(ctx, spoke, bootstrap) })
	}
	return group.Wait()
}

// bootstrap is the kubeconfig that agents register with, as pods of a spoke reach the hub.
func (f *Fleet) bootstrap(ctx context.Context) ([]byte, error) {
	kube, err := kubernetes.NewForConfig(f.Hub.Config)
	if err != nil {
		return nil, err
	}
	token, err := kube.CoreV1().ServiceAccounts(ocmHubNamespace).CreateToken(ctx, "bootstrap", &authenticationv1.TokenRequest{
		Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: ptr.To[int64](24 * 3600)},
	}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("get a token for the agents: %w", err)
	}
	return clientcmd.Write(clientcmdapi.Config{
		Clusters: map[string]*clientcmdapi.Cluster{"hub": {
			Server: f.Hub.InternalURL(), CertificateAuthorityData: f.Hub.Config.CAData,
		}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"bootstrap": {Token: token.Status.Token}},
		Contexts:       map[string]*clientcmdapi.Context{"hub": {Cluster: "hub", AuthInfo: "bootstrap"}},
		CurrentContext: "hub",
	})
}

// join installs the agent on a spoke, and waits until the hub calls the cluster Available.
func (f *Fleet) join(ctx context.Context, spoke *Cluster, bootstrap []byte) error {
	crds, err := testbed.OCMCRDs(f.kit.binaries.manifests["ocm-spoke"], "0000_*.crd.yaml")
	if err != nil {
		return err
	}
	agent := bytes.ReplaceAll(ocmSpoke, []byte("CLUSTER"), []byte(spoke.Name))
	if err := testbed.Apply(ctx, spoke.Config, append(crds, agent)...); err != nil {
		return fmt.Errorf("install Open Cluster Management on %s: %w", spoke.Name, err)
	}
	kube, err := kubernetes.NewForConfig(spoke.Config)
	if err != nil {
		return err
	}
	_, err = kube.CoreV1().Secrets(ocmAgentNamespace).Create(ctx, &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: "bootstrap-hub-kubeconfig"}, Data: map[string][]byte{"kubeconfig": bootstrap},
	}, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return err
	}
	hub, err := clusterclient.NewForConfig(f.Hub.Config)
	if err != nil {
		return err
	}
	begun := time.Now()
	err = until(ctx, patience, func() error {
		mc, err := hub.ClusterV1().ManagedClusters().Get(ctx, spoke.Name, metav1.GetOptions{})
		if err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(mc.Status.Conditions, clusterv1.ManagedClusterConditionAvailable) {
			return fmt.Errorf("its conditions are %+v", mc.Status.Conditions)
		}
		return nil
	})
	if err != nil {
		return errors.Join(fmt.Errorf("wait until the hub calls %s Available: %w", spoke.Name, err), f.unwell(ctx, f.Hub, ocmHubNamespace), f.unwell(ctx, spoke, ocmAgentNamespace))
	}
	f.say("%s has joined, after %s", spoke.Name, time.Since(begun).Round(time.Second))
	return nil
}
