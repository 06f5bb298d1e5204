// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Options say which way to take; at most one of the first two groups.
type Options struct {
	// Context of the kubeconfig, and Kubeconfig, a file, that lead to the cluster.
	Context, Kubeconfig string
	// ClusterProxy is the URL of cluster-proxy's user server, and ClusterProxyCA a file with the certificates that its own is signed by; those of the system when
	// empty.
	ClusterProxy, ClusterProxyCA string
	// ManagedServiceAccount whose token is used with it.
	ManagedServiceAccount string
}

// Way to a cluster.
type Way struct {
	// Config of a client.
	Config *rest.Config
	// Through is how, for people: "context spoke1".
	Through string
}

// To a cluster. There is none, and no error, when no option names one and no context is named as the cluster; the text says then what to do.
func To(ctx context.Context, o Options, cluster string, kubeconfig clientcmdapi.Config, hub client.Reader) (*Way, string, error) {
	named := o.Context != "" || o.Kubeconfig != ""
	switch {
	case named && o.ClusterProxy != "":
		return nil, "", fmt.Errorf("--cluster-proxy and --spoke-context or --spoke-kubeconfig are two ways to %s: choose one", cluster)
	case o.Kubeconfig != "":
		loaded, err := clientcmd.LoadFromFile(o.Kubeconfig)
		if err != nil {
			return nil, "", fmt.Errorf("--spoke-kubeconfig: %w", err)
		}
		return inFile(*loaded, o)
	case o.Context != "":
		way, err := byContext(kubeconfig, o.Context)
		return way, "", err
	case o.ClusterProxy != "":
		way, err := byProxy(ctx, o, cluster, hub)
		return way, "", err
	}
	if _, there := kubeconfig.Contexts[cluster]; there && cluster != "" {
		way, err := byContext(kubeconfig, cluster)
		return way, "", err
	}
	return nil, fmt.Sprintf("cluster %s itself was not looked at: no context of your kubeconfig is named %s. Name another by --spoke-context, a file by --spoke-kubeconfig, "+
		"or go through Open Cluster Management by --cluster-proxy", cluster, cluster), nil
}

// inFile is the way of a kubeconfig of its own.
func inFile(loaded clientcmdapi.Config, o Options) (*Way, string, error) {
	name := o.Context
	if name == "" {
		name = loaded.CurrentContext
	}
	if name == "" {
		return nil, "", fmt.Errorf("--spoke-kubeconfig: %s has no current context: name one by --spoke-context", o.Kubeconfig)
	}
	way, err := byContext(loaded, name)
	if err != nil {
		return nil, "", err
	}
	way.Through = o.Kubeconfig + " (context " + name + ")"
	return way, "", nil
}

func byContext(kubeconfig clientcmdapi.Config, name string) (*Way, error) {
	if _, there := kubeconfig.Contexts[name]; !there {
		names := make([]string, 0, len(kubeconfig.Contexts))
		for n := range kubeconfig.Contexts {
			names = append(names, n)
		}
		slices.Sort(names)
		return nil, fmt.Errorf("--spoke-context: there is no context %q: there are %s", name, strings.Join(names, ", "))
	}
	config, err := clientcmd.NewNonInteractiveClientConfig(kubeconfig, name, &clientcmd.ConfigOverrides{}, nil).ClientConfig()
	if err != nil {
		return nil, fmt.Errorf("context %s: %w", name, err)
	}
	config.QPS, config.Burst = 200, 400
	return &Way{Config: config, Through: "context " + name}, nil
}
