// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"path/filepath"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// actAs writes a kubeconfig beside the admin's that acts as a ServiceAccount, and returns its path.
func actAs(admin, namespace, account string) (string, error) {
	config, err := clientcmd.LoadFromFile(admin)
	if err != nil {
		return "", fmt.Errorf("read kubeconfig: %w", err)
	}
	for _, info := range config.AuthInfos {
		info.Impersonate = userOf(namespace, account)
	}
	path := filepath.Join(filepath.Dir(admin), fmt.Sprintf("%s-as-%s.kubeconfig", kubeconfigName(admin), account))
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return "", fmt.Errorf("write kubeconfig: %w", err)
	}
	return path, nil
}

// as is a configuration that acts as a ServiceAccount.
func as(config *rest.Config, namespace, account string) *rest.Config {
	config = rest.CopyConfig(config)
	config.Impersonate.UserName = userOf(namespace, account)
	return config
}

func userOf(namespace, account string) string {
	return fmt.Sprintf("system:serviceaccount:%s:%s", namespace, account)
}

func kubeconfigName(path string) string {
	base := filepath.Base(path)
	return base[:len(base)-len(filepath.Ext(base))]
}
