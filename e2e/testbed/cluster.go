// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"fmt"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// Cluster is one control plane of a fleet.
type Cluster struct {
	// Name is "hub", or the ManagedCluster's name: spoke1, spoke2, ...
	Name string
	// KubeconfigPath is the kubeconfig of the cluster's admin.
	KubeconfigPath string

	config *rest.Config
	pki    *pki
}

// Config returns a new configuration for the cluster's admin, without a client-side rate limit.
func (c *Cluster) Config() *rest.Config { return rest.CopyConfig(c.config) }

// configure writes the admin's kubeconfig for the API server on a port, and keeps it as the cluster's Config.
func (c *Cluster) configure(port int) error {
	admin, err := c.pki.client("admin", "system:masters")
	if err != nil {
		return err
	}
	if err := writeKubeconfig(c.KubeconfigPath, kubeconfig(c.Name, serverURL(port), c.pki.caPEM(), "admin", admin)); err != nil {
		return err
	}
	config, err := clientcmd.BuildConfigFromFlags("", c.KubeconfigPath)
	if err != nil {
		return fmt.Errorf("read back kubeconfig of %s: %w", c.Name, err)
	}
	config.QPS = -1
	c.config = config
	return nil
}

// process names one of the cluster's processes.
func (c *Cluster) process(component string) string { return c.Name + "-" + component }

func serverURL(port int) string { return "https://" + address(port) }
