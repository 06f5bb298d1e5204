// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"

	"vworkspace.io/fleet/e2e/testbed"
)

// actAs writes a kubeconfig beside the admin's that acts as a ServiceAccount, and returns its path.
func actAs(ctx context.Context, admin *rest.Config, path, namespace, account string) (string, error) {
	config, err := testbed.As(ctx, admin, namespace, account)
	if err != nil {
		return "", err
	}
	kubeconfig, err := kubeconfigOf(config, kubeconfigName(path), account)
	if err != nil {
		return "", err
	}
	path = filepath.Join(filepath.Dir(path), fmt.Sprintf("%s-as-%s.kubeconfig", kubeconfigName(path), account))
	if err := os.WriteFile(path, kubeconfig, 0o600); err != nil {
		return "", fmt.Errorf("write kubeconfig: %w", err)
	}
	return path, nil
}

// kubeconfigOf writes down a configuration that has a token and nothing else.
func kubeconfigOf(config *rest.Config, name, account string) ([]byte, error) {
	kubeconfig := clientcmdapi.NewConfig()
	kubeconfig.Clusters[name] = &clientcmdapi.Cluster{Server: config.Host, CertificateAuthorityData: config.CAData}
	kubeconfig.AuthInfos[account] = &clientcmdapi.AuthInfo{Token: config.BearerToken}
	kubeconfig.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: account}
	kubeconfig.CurrentContext = name
	out, err := clientcmd.Write(*kubeconfig)
	if err != nil {
		return nil, fmt.Errorf("write the kubeconfig of %s: %w", name, err)
	}
	return out, nil
}

func kubeconfigName(path string) string {
	base := filepath.Base(path)
	return base[:len(base)-len(filepath.Ext(base))]
}
