// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/chain"
)

// appinst says how an ApplicationInstance is.
func (d *describe) appinst(ctx context.Context, cl client.Reader, name string) error {
	namespace, err := d.Namespace()
	if err != nil {
		return err
	}
	ai := &appsv1alpha1.ApplicationInstance{}
	if err := cl.Get(ctx, types.NamespacedName{Namespace: namespace, Name: name}, ai); err != nil {
		return err
	}
	f, err := chain.ReadInstance(ctx, cl, ai, d.Now())
	if err != nil {
		return err
	}
	c := chain.WalkInstance(f)
	return d.print("InstanceChain", &c, &c)
}

// managedCluster says how a cluster is, as the hub sees it.
func (d *describe) managedCluster(ctx context.Context, cl client.Reader, name string) error {
	f, err := chain.ReadManagedCluster(ctx, cl, name, d.Now())
	if err != nil {
		return err
	}
	c := chain.WalkCluster(f)
	return d.print("ClusterChain", &c, &c)
}
