// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"errors"
	"fmt"
	"time"

	"helm.sh/helm/v3/pkg/action"
	"helm.sh/helm/v3/pkg/chart/loader"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/client-go/kubernetes"
	podsecurity "k8s.io/pod-security-admission/api"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// The namespaces that the charts of deploy/charts are installed into.
const (
	HubNamespace   = "vworkspace-hub"
	AgentNamespace = "vworkspace-agent"
)

// Release is a Helm release of one of our charts.
type Release struct {
	// Chart is its folder.
	Chart string
	// Namespace that it is in; the release is called as the chart is.
	Namespace string
	// Values beside the chart's own.
	Values map[string]any
	// Images is an archive of its images, which is loaded into the node before; none when empty.
	Images string
}

// Install or upgrade a release, and wait until its pods are ready. Its namespace is restricted when it is made here.
func (f *Fleet) Install(ctx context.Context, c *Cluster, r Release) error {
	chart, err := loader.LoadDir(r.Chart)
	if err != nil {
		return err
	}
	helm, err := c.helm(r.Namespace)
	if err != nil {
		return err
	}
	if r.Images != "" {
		if err := c.Load(r.Images); err != nil {
			return err
		}
	}
	begun := time.Now()
	if _, missing := action.NewHistory(helm).Run(chart.Name()); missing != nil {
		if err := c.restricted(ctx, r.Namespace); err != nil {
			return err
		}
		install := action.NewInstall(helm)
		install.ReleaseName, install.Namespace = chart.Name(), r.Namespace
		install.Wait, install.Timeout = true, patience
		_, err = install.RunWithContext(ctx, chart, r.Values)
	} else {
		upgrade := action.NewUpgrade(helm)
		upgrade.Namespace, upgrade.Wait, upgrade.Timeout = r.Namespace, true, patience
		_, err = upgrade.RunWithContext(ctx, chart.Name(), chart, r.Values)
	}
	if err != nil {
		return errors.Join(fmt.Errorf("install %s on %s: %w", chart.Name(), c.Name, err), f.unwell(ctx, c, r.Namespace))
	}
	f.say("%s runs on %s, after %s", chart.Name(), c.Name, time.Since(begun).Round(time.Second))
	return nil
}

// restricted makes a namespace that takes only pods that are as restricted as Kubernetes knows how.
func (c *Cluster) restricted(ctx context.Context, name string) error {
	kube, err := kubernetes.NewForConfig(c.Config)
	if err != nil {
		return err
	}
	_, err = kube.CoreV1().Namespaces().Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name, Labels: map[string]string{podsecurity.EnforceLevelLabel: string(podsecurity.LevelRestricted)},
	}}, metav1.CreateOptions{})
	return client.IgnoreAlreadyExists(err)
}

// Uninstall a release.
func (c *Cluster) Uninstall(r Release) error {
	helm, err := c.helm(r.Namespace)
	if err != nil {
		return err
	}
	chart, err := loader.LoadDir(r.Chart)
	if err != nil {
		return err
	}
	uninstall := action.NewUninstall(helm)
	uninstall.Wait, uninstall.Timeout = true, patience
	_, err = uninstall.Run(chart.Name())
	return err
}

// helm is Helm in a namespace of the cluster.
func (c *Cluster) helm(namespace string) (*action.Configuration, error) {
	flags := genericclioptions.NewConfigFlags(false)
	flags.KubeConfig, flags.Namespace = &c.Kubeconfig, &namespace
	helm := &action.Configuration{}
	return helm, helm.Init(flags, namespace, "secret", func(string, ...any) {})
}
