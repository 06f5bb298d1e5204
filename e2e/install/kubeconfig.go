// SPDX-License-Identifier: Apache-2.0

package install

import (
	"fmt"
	"path/filepath"

	"k8s.io/client-go/tools/clientcmd"
)

// actAs writes a kubeconfig beside the admin's that acts as a ServiceAccount, and returns its path.
func actAs(admin, namespace, account string) (string, error) {
	config, err := clientcmd.LoadFromFile(admin)
	if err != nil {
		return "", fmt.Errorf("read kubeconfig: %w", err)
	}
	user := fmt.Sprintf("system:serviceaccount:%s:%s", namespace, account)
	for _, info := range config.AuthInfos {
		info.Impersonate = user
	}
	path := filepath.Join(filepath.Dir(admin), fmt.Sprintf("%s-as-%s.kubeconfig", kubeconfigName(admin), account))
	if err := clientcmd.WriteToFile(*config, path); err != nil {
		return "", fmt.Errorf("write kubeconfig: %w", err)
	}
	return path, nil
}

func kubeconfigName(path string) string {
	base := filepath.Base(path)
	return base[:len(base)-len(filepath.Ext(base))]
}
