// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"fmt"

	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// kubeconfig describes one user of one cluster; the certificates are inside, so that the file can be moved.
func kubeconfig(cluster, server string, ca []byte, user string, identity keyPair) *clientcmdapi.Config {
	c := clientcmdapi.NewConfig()
	c.Clusters[cluster] = &clientcmdapi.Cluster{Server: server, CertificateAuthorityData: ca}
	c.AuthInfos[user] = &clientcmdapi.AuthInfo{ClientCertificateData: identity.cert, ClientKeyData: identity.key}
	c.Contexts[cluster] = &clientcmdapi.Context{Cluster: cluster, AuthInfo: user}
	c.CurrentContext = cluster
	return c
}

// writeKubeconfig writes a kubeconfig that only its owner can read.
func writeKubeconfig(path string, c *clientcmdapi.Config) error {
	if err := clientcmd.WriteToFile(*c, path); err != nil {
		return fmt.Errorf("write kubeconfig %s: %w", path, err)
	}
	return nil
}
