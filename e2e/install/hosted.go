// SPDX-License-Identifier: Apache-2.0

package install

import (
	"context"
	"fmt"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"vworkspace.io/fleet/deploy"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/spoke/hosted"
)

// HostedAccount is the ServiceAccount of the process, from deploy/hosted.
const HostedAccount = "vworkspace-hosted"

// Hosted applies CRDs and rights everywhere and starts the hub and, on the hub's cluster, one process that is the agent of every cluster that is
// handed to it by a Secret.
func Hosted(ctx context.Context, fleet *testbed.Fleet, hub, spoke string) (hubProcess, hosting *testbed.Process, err error) {
	group, ctx2 := errgroup.WithContext(ctx)
	group.Go(func() error {
		if err := OnHub(ctx2, fleet.Hub.Config()); err != nil {
			return err
		}
		return OnHosting(ctx2, fleet.Hub.Config())
	})
	for _, c := range fleet.Spokes {
		group.Go(func() error { return OnSpoke(ctx2, c.Config()) })
	}
	if err := group.Wait(); err != nil {
		return nil, nil, err
	}
	if hubProcess, err = startHub(ctx, fleet, hub); err != nil {
		return nil, nil, err
	}
	if hosting, err = HostedReplica(ctx, fleet, spoke, "vworkspace-hosted"); err != nil {
		return nil, nil, err
	}
	return hubProcess, hosting, AwaitAdmission(ctx, fleet.Hub.Config())
}

// HostedReplica starts one of the processes that are the agents of the clusters that are handed over; its name is unlike those of the others.
func HostedReplica(ctx context.Context, fleet *testbed.Fleet, spoke, name string, args ...string) (*testbed.Process, error) {
	return start(ctx, fleet, fleet.Hub, name, spoke, hosted.DefaultNamespace, HostedAccount, append([]string{"--hosted", "--hosted-replica=" + name}, args...)...)
}

// OnHosting applies what a process with hosted agents needs on the cluster that it runs on.
func OnHosting(ctx context.Context, config *rest.Config) error {
	return applyFolders(ctx, config, deploy.Hosted)
}

// HostedSecret hands a cluster to the hosted agents, which reach it at a URL: its kubeconfig has a token of the agent's ServiceAccount, for a day, and
// nothing else. The config is an administrator's.
func HostedSecret(ctx context.Context, name string, admin *rest.Config, url string) (*corev1.Secret, error) {
	agent, err := AsAgent(ctx, admin)
	if err != nil {
		return nil, fmt.Errorf("be the agent of %s: %w", name, err)
	}
	agent.Host = url
	kubeconfig, err := kubeconfigOf(agent, name, agentAccount)
	if err != nil {
		return nil, err
	}
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: hosted.DefaultNamespace, Name: name, Labels: map[string]string{hosted.DefaultLabel: "true"}},
		Data:       map[string][]byte{hosted.SecretKey: kubeconfig},
	}, nil
}
