// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/util/retry"
	"sigs.k8s.io/controller-runtime/pkg/client"

	apierrors "k8s.io/apimachinery/pkg/api/errors"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/steer"
)

// addSteering adds what changes Operations that are there.
func addSteering(env *Env, root *cobra.Command) {
	root.AddCommand(
		newPause(env), newResume(env), newCancel(env), newApprove(env), newRetry(env), newRollback(env), newFreeze(env), newUnfreeze(env),
	)
}

// steering is a command that changes Operations.
type steering struct {
	env    *Env
	output *Output
	client client.WithWatch
	// decide what to do about an Operation.
	decide func(ctx context.Context, op *opsv1alpha1.Operation) (steer.Step, error)
	// asks a person first, of an Operation that is not as it shall be; empty to ask nobody.
	asks string
	// follows the Operation that was changed or created, if it was asked to; nil when it cannot be.
	follows func(ctx context.Context, op *opsv1alpha1.Operation) error
}

// newSteering is a command on Operations by name.
func newSteering(s *steering, use, short, long, example string) *cobra.Command {
	cmd := &cobra.Command{
		Use: use, Short: short, Long: long, Example: example, GroupID: groupSteer, Args: namedOperations, ValidArgsFunction: completeOperations(s.env),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			if s.client, err = s.env.Client(); err != nil {
				return err
			}
			return s.each(cmd.Context(), args)
		},
	}
	s.output = newOutput()
	s.output.AddFlags(cmd)
	return cmd
}

// namedOperations is at least one.
func namedOperations(cmd *cobra.Command, args []string) error {
	if len(args) == 0 {
		return fmt.Errorf("name an Operation: %s", cmd.UseLine())
	}
	return nil
}

// each of the Operations. One that cannot be changed keeps no other from being.
func (s *steering) each(ctx context.Context, names []string) error {
	var all []error
	for _, name := range names {
		err := retry.RetryOnConflict(retry.DefaultBackoff, func() error { return s.one(ctx, name) })
		if apierrors.IsConflict(err) {
			err = fmt.Errorf("%s is being changed by others all the time: try again: %w", name, err)
		}
		if errors.Is(err, errDeclined) {
			return err
		}
		all = append(all, err)
	}
	return errors.Join(all...)
}

// one Operation, as it is now.
func (s *steering) one(ctx context.Context, name string) error {
	op, err := getOperation(ctx, s.env, s.client, name)
	if err != nil {
		return err
	}
	step, err := s.decide(ctx, op)
	if err != nil {
		return err
	}
	if s.asks != "" && (step.Patch != nil || step.Create != nil) && s.env.asksPeople() {
		if _, err := confirm(s.env.In, s.env.ErrOut, fmt.Sprintf(s.asks, op.Name)); err != nil {
			return err
		}
	}
	switch {
	case step.Create != nil:
		if err := s.client.Create(ctx, step.Create, client.FieldOwner("vw")); err != nil {
			return fmt.Errorf("create the Operation: %w", err)
		}
		return s.tellCreated(ctx, op, step)
	case step.Patch != nil:
		if err := s.patch(ctx, op, step); err != nil {
			return err
		}
	}
	if s.output.Format() == "" {
		fmt.Fprintf(s.env.Out, "%s %s\n", op.Name, step.Says)
	} else if err := s.output.Print(s.env.Out, op); err != nil {
		return err
	}
	return s.follow(ctx, op)
}

func (s *steering) follow(ctx context.Context, op *opsv1alpha1.Operation) error {
	if s.follows == nil {
		return nil
	}
	return s.follows(ctx, op)
}

// patch the Operation with the fields of a step; guarded, only as it was read.
func (s *steering) patch(ctx context.Context, op *opsv1alpha1.Operation, step steer.Step) error {
	content := map[string]any{"spec": step.Patch}
	as := map[string]any{"uid": op.UID} // and not another one that was made under its name meanwhile
	if step.Guarded {
		as["resourceVersion"] = op.ResourceVersion
	}
	content["metadata"] = as
	data, err := json.Marshal(content)
	if err != nil {
		return err
	}
	err = s.client.Patch(ctx, op, client.RawPatch(types.MergePatchType, data), client.FieldOwner("vw"))
	if err != nil && !apierrors.IsConflict(err) {
		return fmt.Errorf("change Operation %s: %w", op.Name, err)
	}
	return err
}

// tellCreated says which Operation was created, for which.
func (s *steering) tellCreated(ctx context.Context, op *opsv1alpha1.Operation, step steer.Step) error {
	if s.output.Format() != "" {
		if err := s.output.Print(s.env.Out, step.Create); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(s.env.Out, "operation.ops.vworkspace.io/%s created\n%s: %s\n", step.Create.Name, op.Name, step.Says)
	}
	return s.follow(ctx, step.Create)
}
