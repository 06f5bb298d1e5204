// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"

	"github.com/spf13/pflag"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/cmd/vw/reach"
)

// addReach adds the flags that say how a cluster is reached from the hub.
func addReach(flags *pflag.FlagSet, o *reach.Options) {
	flags.StringVar(&o.Context, "spoke-context", "", "Context of the cluster's own kubeconfig (default: the one that is named as the cluster, if there is one)")
	flags.StringVar(&o.Kubeconfig, "spoke-kubeconfig", "", "Kubeconfig file of the cluster itself")
	flags.StringVar(&o.ClusterProxy, "cluster-proxy", "", "URL of the user server of Open Cluster Management's cluster-proxy, to reach the cluster through the hub")
	flags.StringVar(&o.ClusterProxyCA, "cluster-proxy-ca", "", "File with the certificates that the user server's is signed by (default: the system's)")
	flags.StringVar(&o.ManagedServiceAccount, "managed-serviceaccount", reach.DefaultManagedServiceAccount, "ManagedServiceAccount whose token is used with --cluster-proxy")
}

// reachCluster finds a way to a cluster. Without one it says what to do, and that is no error.
func (e *Env) reachCluster(ctx context.Context, o reach.Options, cluster string, hub client.Reader) (*reach.Way, string, error) {
	raw, err := e.Flags.ToRawKubeConfigLoader().RawConfig()
	if err != nil {
		return nil, "", err
	}
	as := e.Flags.Impersonate != nil && *e.Flags.Impersonate != ""
	if as && o.ClusterProxy != "" {
		return nil, "", errors.New("--as: not together with --cluster-proxy, which acts as its ManagedServiceAccount: leave one of them out")
	}
	way, hint, err := reach.To(ctx, o, cluster, raw, hub)
	if err != nil || way == nil || !as {
		return way, hint, err
	}
	config, err := e.Config()
	if err != nil {
		return nil, "", err
	}
	way.Config.Impersonate = config.Impersonate // who looks as somebody else looks so everywhere
	return way, hint, nil
}

// localWay is the cluster that vw talks to anyway.
func (e *Env) localWay() (*reach.Way, error) {
	config, err := e.Config()
	if err != nil {
		return nil, err
	}
	return &reach.Way{Config: rest.CopyConfig(config), Through: e.where()}, nil
}
