// SPDX-License-Identifier: Apache-2.0

// Package install puts vWorkspace Fleet on a testbed fleet, the way that a platform team would on a real one: CRDs and rights from
// deploy/, one hub, one agent per spoke. The hub and the agents run as processes and not from the Deployments there, because there is no kubelet;
// they act as the ServiceAccounts of deploy/, by their tokens, so that a right that is missing there is missing here too.
package install

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os/exec"
	"path/filepath"

	"golang.org/x/sync/errgroup"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/deploy"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/engines/velero"
)

const (
	// HubNamespace is the namespace of the hub's controller, from deploy/hub.
	HubNamespace = "vworkspace-hub"
	// hubAccount and agentAccount are the ServiceAccounts of deploy/.
	hubAccount   = "vworkspace-hub"
	agentAccount = "vworkspace-agent"
)

// Installation is vWorkspace Fleet on a fleet.
type Installation struct {
	// Hub is the hub's process.
	Hub *testbed.Process
	// Agents are the agents' processes by cluster name.
	Agents map[string]*testbed.Process
}

// Binaries builds the hub and the agent from this checkout into dir and returns their paths.
func Binaries(ctx context.Context, dir string) (hub, spoke string, err error) {
	cmd := exec.CommandContext(ctx, "go", "build", "-o", dir+string(filepath.Separator), "vworkspace.io/fleet/cmd/hub", "vworkspace.io/fleet/cmd/spoke")
	if out, err := cmd.CombinedOutput(); err != nil {
		return "", "", fmt.Errorf("build the hub and the agent (run it inside a checkout of this repository): %w\n%s", err, out)
	}
	return filepath.Join(dir, "hub"), filepath.Join(dir, "spoke"), nil
}

// Install applies CRDs and rights everywhere and starts the hub and the agents. It waits until the hub writes down who asks for Operations, and not until
// anything is ready: what is asked of them waits in the API server.
func Install(ctx context.Context, fleet *testbed.Fleet, hub, spoke string) (*Installation, error) {
	group, ctx2 := errgroup.WithContext(ctx)
	group.Go(func() error { return OnHub(ctx2, fleet.Hub.Config()) })
	for _, c := range fleet.Spokes {
		group.Go(func() error { return OnSpoke(ctx2, c.Config()) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	out := &Installation{Agents: map[string]*testbed.Process{}}
	var err error
	if out.Hub, err = startHub(ctx, fleet, hub); err != nil {
		return nil, err
	}
	for _, c := range fleet.Spokes {
		agent, err := start(ctx, fleet, c, c.Name+"-vworkspace-agent", spoke, opsv1alpha1.DefaultAgentNamespace, agentAccount, "--cluster="+c.Name)
		if err != nil {
			return nil, err
		}
		out.Agents[c.Name] = agent
	}
	return out, AwaitAdmission(ctx, fleet.Hub.Config())
}

// startHub starts the hub, and has the hub's API server ask it who asks.
func startHub(ctx context.Context, fleet *testbed.Fleet, hub string) (*testbed.Process, error) {
	address, err := FreeAddress()
	if err != nil {
		return nil, err
	}
	if err := Admission(ctx, fleet.Hub.Config(), deploy.Hub, address); err != nil {
		return nil, err
	}
	return start(ctx, fleet, fleet.Hub, "vworkspace-hub", hub, HubNamespace, hubAccount, "--leader-elect=true", "--control-planes", "--admission-bind-address="+address)
}

// OnHub applies the CRDs, policies, catalog and rights of a hub. Its API server asks nobody: see Admission.
func OnHub(ctx context.Context, config *rest.Config) error {
	return applyFolders(ctx, config, deploy.CRDs, deploy.Policies, deploy.Catalog, deploy.Hub, deploy.ControlPlane)
}

// OnSpoke applies those of a spoke but the catalog, which the hub brings. Where Velero is, profile velero is bound for it.
func OnSpoke(ctx context.Context, config *rest.Config) error {
	if err := applyFolders(ctx, config, deploy.CRDs, deploy.Policies, deploy.Spoke); err != nil {
		return err
	}
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return err
	}
	_, err = kube.CoreV1().Namespaces().Get(ctx, velero.DefaultNamespace, metav1.GetOptions{})
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("look for Velero: %w", err)
	}
	profile, err := deploy.Manifests.ReadFile(deploy.VeleroProfile)
	if err != nil {
		return err
	}
	return testbed.Apply(ctx, config, profile)
}

// OnSpokeAlone applies those of a spoke that no hub brings a catalog to.
func OnSpokeAlone(ctx context.Context, config *rest.Config) error {
	return errors.Join(OnSpoke(ctx, config), Catalog(ctx, config))
}

// Catalog applies the built-in OperationTemplates, where their CRD is.
func Catalog(ctx context.Context, config *rest.Config) error {
	return applyFolders(ctx, config, deploy.Catalog)
}

// AsHub is a configuration by which one is the hub's controller, and AsAgent one by which one is the agent: the ServiceAccounts of deploy/, for a day.
func AsHub(ctx context.Context, config *rest.Config) (*rest.Config, error) {
	return testbed.As(ctx, config, HubNamespace, hubAccount)
}

// AsAgent is one by which one is the agent.
func AsAgent(ctx context.Context, config *rest.Config) (*rest.Config, error) {
	return testbed.As(ctx, config, opsv1alpha1.DefaultAgentNamespace, agentAccount)
}

func start(ctx context.Context, fleet *testbed.Fleet, c *testbed.Cluster, name, path, namespace, account string, args ...string) (*testbed.Process, error) {
	kubeconfig, err := actAs(ctx, c.Config(), c.KubeconfigPath, namespace, account)
	if err != nil {
		return nil, err
	}
	return fleet.Start(testbed.Command{Name: name, Path: path, Args: append([]string{"--kubeconfig=" + kubeconfig}, args...)})
}

// applyFolders applies folders of deploy.Manifests, without the workloads.
func applyFolders(ctx context.Context, config *rest.Config, folders ...string) error {
	var documents [][]byte
	for _, folder := range folders {
		files, err := fs.Glob(deploy.Manifests, folder+"/*.yaml")
		if err != nil {
			return err
		}
		for _, file := range files {
			data, err := deploy.Manifests.ReadFile(file)
			if err != nil {
				return err
			}
			if data, err = withoutWorkloads(data); err != nil {
				return fmt.Errorf("%s: %w", file, err)
			}
			documents = append(documents, data)
		}
	}
	return testbed.Apply(ctx, config, documents...)
}
