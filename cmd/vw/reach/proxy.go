// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"context"
	"fmt"
	"net/url"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// DefaultManagedServiceAccount is whose token is used through cluster-proxy.
const DefaultManagedServiceAccount = "vworkspace-vw"

// byProxy goes through cluster-proxy's user server, which takes the first part of a path for the cluster and hands the rest, with the caller's Authorization, to
// that cluster's API server (cluster-proxy v0.10.0, pkg/userserver). The token is that of a ManagedServiceAccount, which managed-serviceaccount keeps in a Secret of
// the same name in the cluster's namespace (v0.9.0, pkg/addon/agent/controller). The Secret's ca.crt is the cluster's own, and the user server's certificate is not
// signed by it.
func byProxy(ctx context.Context, o Options, cluster string, hub client.Reader) (*Way, error) {
	u, err := url.Parse(o.ClusterProxy)
	if err != nil || u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("--cluster-proxy: %q is no https URL: give that of cluster-proxy's user server, such as https://cluster-proxy.example.com", o.ClusterProxy)
	}
	if strings.Trim(u.Path, "/") != "" {
		return nil, fmt.Errorf("--cluster-proxy: %q has a path, and the user server takes the first part of a path for the cluster: leave it out", o.ClusterProxy)
	}
	token, err := tokenOf(ctx, o, cluster, hub)
	if err != nil {
		return nil, err
	}
	return &Way{
		Config: &rest.Config{
			Host: u.Scheme + "://" + u.Host + "/" + cluster, BearerToken: token, QPS: 200, Burst: 400,
			TLSClientConfig: rest.TLSClientConfig{CAFile: o.ClusterProxyCA},
		},
		Through: "cluster-proxy as ManagedServiceAccount " + o.ManagedServiceAccount,
	}, nil
}

// tokenOf the ManagedServiceAccount.
func tokenOf(ctx context.Context, o Options, cluster string, hub client.Reader) (string, error) {
	name := o.ManagedServiceAccount
	secret := &corev1.Secret{}
	err := hub.Get(ctx, client.ObjectKey{Namespace: cluster, Name: name}, secret)
	switch {
	case apierrors.IsNotFound(err):
		return "", fmt.Errorf("--managed-serviceaccount: the hub has no Secret %s/%s: create a ManagedServiceAccount %s in namespace %s, and give it rights on the cluster", cluster, name, name, cluster)
	case err != nil:
		return "", fmt.Errorf("--managed-serviceaccount: read Secret %s/%s: %w", cluster, name, err)
	case len(secret.Data[corev1.ServiceAccountTokenKey]) == 0:
		return "", fmt.Errorf("--managed-serviceaccount: Secret %s/%s holds no token yet: kubectl -n %s describe managedserviceaccount %s says why", cluster, name, cluster, name)
	}
	return string(secret.Data[corev1.ServiceAccountTokenKey]), nil
}
