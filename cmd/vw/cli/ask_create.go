// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"

	"k8s.io/apimachinery/pkg/runtime"
	utilrand "k8s.io/apimachinery/pkg/util/rand"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/ask"
)

// carryOut what was asked for, as far as --dry-run lets it.
func (a *asking) carryOut(ctx context.Context, r ask.Request) error {
	op, err := r.Operation()
	if err != nil {
		return err
	}
	if a.template != nil && a.template.UID != "" {
		known := make([]ask.Parameter, len(a.parameters))
		for i, p := range a.parameters {
			known[i] = p.Parameter
		}
		if err := ask.Check(op, a.template, known); err != nil {
			return err
		}
	}
	for _, note := range append(a.notes, a.aim.Notes...) {
		fmt.Fprintln(a.env.ErrOut, note)
	}
	var made *clusterv1beta1.Placement
	if a.aim.Target == "" && len(a.aim.Clusters) > 0 {
		made = ask.PlacementOf(a.namespace, r.Aim.Placement, a.aim.Clusters)
	}
	if a.flags.dryRun == dryRunClient {
		return a.printManifest(op, made)
	}
	if err := a.checkWhere(ctx, r, made); err != nil {
		return err
	}
	if ok, err := a.agreed(ctx, op); err != nil || !ok {
		return err
	}
	if err := a.create(ctx, op, made); err != nil {
		return err
	}
	return a.afterwards(ctx, op)
}

// checkWhere the Operation goes, so that a slip of the pen is an error now and not an Operation that waits for a Placement.
func (a *asking) checkWhere(ctx context.Context, r ask.Request, made *clusterv1beta1.Placement) error {
	if made != nil {
		return checkClusters(ctx, a.client, a.aim.Clusters)
	}
	if r.Aim.Placement == "" {
		return nil
	}
	_, _, err := readGroups(ctx, a.client, a.namespace, r.Aim.Placement)
	return err
}

// printManifest of what would be created.
func (a *asking) printManifest(op *opsv1alpha1.Operation, made *clusterv1beta1.Placement) error {
	objects := []runtime.Object{op}
	if made != nil {
		objects = append(objects, made)
	}
	if a.flags.output.Format() == "" {
		*a.flags.output.flags.OutputFormat = "yaml"
	}
	for _, object := range objects {
		manifest, err := ask.Manifest(object)
		if err != nil {
			return err
		}
		if err := a.flags.output.Print(a.env.Out, manifest); err != nil {
			return err
		}
	}
	return nil
}

// create the Operation, and the Placement that is made for it, which then goes with it. Whether there can be one is asked first: an Operation without it would wait.
func (a *asking) create(ctx context.Context, op *opsv1alpha1.Operation, made *clusterv1beta1.Placement) error {
	if made != nil {
		// A field that an older Open Cluster Management does not know would be dropped, and the Placement would select every cluster.
		if err := a.client.Create(ctx, made.DeepCopy(), client.DryRunAll, client.FieldValidation("Strict")); err != nil {
			return fmt.Errorf("--cluster: no Placement can be made for the clusters, use one that is there by --placement: %w", err)
		}
	}
	options := []client.CreateOption{client.FieldOwner("vw")}
	if a.flags.dryRun == dryRunServer {
		options = append(options, client.DryRunAll)
	}
	if op.Name == "" { // known beforehand, so that whoever gets no answer can look for it
		op.Name, op.GenerateName = op.GenerateName+utilrand.String(5), ""
	}
	if err := a.client.Create(ctx, op, options...); err != nil {
		if apierrors.IsAlreadyExists(err) {
			return &ask.Invalid{Option: "name", Message: fmt.Sprintf("there is an Operation %s in namespace %s already", op.Name, op.Namespace)}
		}
		if status := apierrors.APIStatus(nil); !errors.As(err, &status) {
			return fmt.Errorf("create Operation %s: no answer (it may be there all the same: vw get op %s before you ask again): %w", op.Name, op.Name, err)
		}
		return fmt.Errorf("create the Operation: %w", err)
	}
	if made == nil || a.flags.dryRun == dryRunServer {
		return nil
	}
	ask.OwnedBy(made, op)
	ctx = context.WithoutCancel(ctx) // the two belong together
	if err := a.client.Create(ctx, made, client.FieldValidation("Strict"), client.FieldOwner("vw")); err != nil {
		return fmt.Errorf("operation %s is there and waits for its Placement, which cannot be created (vw cancel %s gives it up): %w", op.Name, op.Name, err)
	}
	return nil
}

// afterwards says what was created, and stays until it has ended where that was asked for.
func (a *asking) afterwards(ctx context.Context, op *opsv1alpha1.Operation) error {
	f := a.flags
	if f.dryRun == dryRunServer {
		return a.printCreated(op, " (server dry run)")
	}
	if f.scope() != "" {
		return a.preview(ctx, op)
	}
	if !f.wait {
		if err := a.printCreated(op, ""); err != nil {
			return err
		}
		if a.env.Terminal() {
			fmt.Fprintf(a.env.ErrOut, "follow it: %s watch %s\n", a.cmd.Root().DisplayName(), op.Name)
		}
		return nil
	}
	out := a.env.Out
	if f.output.Format() != "" {
		out = a.env.ErrOut // standard output is for the object alone
	} else if err := a.printCreated(op, ""); err != nil {
		return err
	}
	err := waitFor(ctx, a.env, a.client, op, f.waitTimeout, out)
	if f.output.Format() != "" {
		err = errors.Join(err, f.output.Print(a.env.Out, op))
	}
	return err
}

// preview waits for what a dry run comes to, and prints it.
func (a *asking) preview(ctx context.Context, op *opsv1alpha1.Operation) error {
	err := until(ctx, a.env, a.client, op, a.flags.waitTimeout, func() {})
	if err != nil {
		return err
	}
	if err := printPlan(ctx, a.env, a.client, op, a.flags.output); err != nil {
		return err
	}
	return outcome(op)
}

// printCreated says it as kubectl does, or prints the object.
func (a *asking) printCreated(op *opsv1alpha1.Operation, suffix string) error {
	if a.flags.output.Format() != "" {
		return a.flags.output.Print(a.env.Out, op)
	}
	_, err := fmt.Fprintf(a.env.Out, "operation.ops.vworkspace.io/%s created%s\n", op.Name, suffix)
	return err
}
