// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/api/equality"
	"k8s.io/apimachinery/pkg/util/duration"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/ask"
	"vworkspace.io/fleet/cmd/vw/steer"
)

func newFreeze(env *Env) *cobra.Command {
	var (
		reason, until string
		types         []string
	)
	output := newOutput(wide)
	cmd := &cobra.Command{
		Use: "freeze [NAME --reason TEXT]", Short: "Let nothing begin, anywhere; without a name, list what holds", GroupID: groupSteer,
		Long: `Make a Freeze: while there is one, no Operation begins and no cluster and no instance is started. What runs goes on. On a hub it holds for the fleet, on a cluster
for that cluster. It ends at --until, or by vw unfreeze. A Freeze of the name that is there already is changed.

Without a name, list the Freezes.`,
		Example: `  vw freeze payments-down --reason "the payment provider is down, ask the duty officer" --types upgrade,migration --until 18:00
  vw freeze`,
		Args: cobra.MaximumNArgs(1), ValidArgsFunction: oneArgument(completeFreezes(env)),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := env.Client()
			if err != nil {
				return err
			}
			if len(args) == 0 {
				if reason != "" || until != "" || len(types) > 0 {
					return errors.New("name the Freeze: vw freeze NAME --reason TEXT")
				}
				return listFreezes(cmd.Context(), env, c, output)
			}
			change, err := freezeChange(env, cmd, reason, until, types)
			if err != nil {
				return err
			}
			return putFreeze(cmd.Context(), env, c, args[0], change, output)
		},
	}
	cmd.Flags().StringVar(&reason, "reason", "", "Why, for people: every Operation that is held shows it")
	cmd.Flags().StringSliceVar(&types, "types", nil, "Hold Operations of these types only, such as upgrade,migration (default: all)")
	cmd.Flags().StringVar(&until, "until", "", "When it ends by itself: in 2h, at 18:00, or at 2026-12-01T06:00:00Z (default: by vw unfreeze)")
	output.AddFlags(cmd)
	return cmd
}

// freezeChange is what the flags that were given say.
func freezeChange(env *Env, cmd *cobra.Command, reason, until string, types []string) (func(*opsv1alpha1.FreezeSpec), error) {
	held, err := steer.Types(types)
	if err != nil {
		return nil, err
	}
	end, err := steer.Until(until, env.Now())
	if err != nil {
		return nil, err
	}
	said := cmd.Flags().Changed
	return func(spec *opsv1alpha1.FreezeSpec) {
		if said("reason") {
			spec.Reason = reason
		}
		if said("types") {
			spec.Types = held
		}
		if said("until") {
			spec.Until = end
		} else if spec.Until != nil && !spec.Until.After(env.Now()) {
			spec.Until = nil // that one is over: whoever freezes anew means now
		}
	}, nil
}

// putFreeze creates a Freeze, or changes the one that is there, so that nothing slips through in between.
func putFreeze(ctx context.Context, env *Env, c client.Client, name string, change func(*opsv1alpha1.FreezeSpec), output *Output) error {
	freeze, done := &opsv1alpha1.Freeze{}, "changed"
	err := c.Get(ctx, client.ObjectKey{Name: name}, freeze)
	if err != nil && !isMissing(err) {
		return fmt.Errorf("read Freeze %s: %w", name, err)
	}
	isNew, before := err != nil, freeze.Spec.DeepCopy()
	freeze.Name = name
	change(&freeze.Spec)
	switch {
	case freeze.Spec.Reason == "":
		return &ask.Invalid{Option: "reason", Message: "say why: whoever is held reads it"}
	case isNew:
		done, err = "created", c.Create(ctx, freeze, client.FieldOwner("vw"))
	case equality.Semantic.DeepEqual(before, &freeze.Spec):
		done = "is there already"
	default:
		err = c.Update(ctx, freeze, client.FieldOwner("vw"))
	}
	if err != nil {
		return fmt.Errorf("write Freeze %s: %w", name, err)
	}
	if !output.Own() {
		return output.Print(env.Out, freeze)
	}
	_, err = fmt.Fprintf(env.Out, "freeze.ops.vworkspace.io/%s %s: %s\n", name, done, holds(freeze, env.Now()))
	return err
}

// holds says what a Freeze holds, and for how long.
func holds(f *opsv1alpha1.Freeze, now time.Time) string {
	what := "nothing begins"
	if len(f.Spec.Types) > 0 {
		what = "no " + frozenTypes(f) + " begins"
	}
	if f.Spec.Until == nil {
		return what + " until vw unfreeze " + f.Name
	}
	return fmt.Sprintf("%s until %s (%s)", what, f.Spec.Until.UTC().Format(time.RFC3339), duration.HumanDuration(f.Spec.Until.Sub(now)))
}

func frozenTypes(f *opsv1alpha1.Freeze) string {
	names := make([]string, len(f.Spec.Types))
	for i, t := range f.Spec.Types {
		names[i] = string(t)
	}
	return strings.Join(names, ", ")
}

func listFreezes(ctx context.Context, env *Env, c client.Client, output *Output) error {
	list := &opsv1alpha1.FreezeList{}
	if err := c.List(ctx, list); err != nil {
		return fmt.Errorf("list Freezes: %w", err)
	}
	if !output.Own() {
		return output.Print(env.Out, list)
	}
	if len(list.Items) == 0 {
		_, err := fmt.Fprintln(env.ErrOut, "nothing is frozen")
		return err
	}
	now := env.Now()
	t := newTable("Name", "Types", "Until", "Age", "Reason")
	for i := range list.Items {
		f := &list.Items[i]
		types, until := "all", "vw unfreeze"
		if len(f.Spec.Types) > 0 {
			types = frozenTypes(f)
		}
		if f.Spec.Until != nil {
			until = f.Spec.Until.UTC().Format(time.RFC3339)
			if !f.Spec.Until.After(now) {
				until += " (over)"
			}
		}
		addRow(t, f.Name, types, until, duration.HumanDuration(now.Sub(f.CreationTimestamp.Time)), f.Spec.Reason)
	}
	return output.PrintTable(env.Out, t, false)
}

func newUnfreeze(env *Env) *cobra.Command {
	return &cobra.Command{
		Use: "unfreeze NAME...", Short: "Let go what a Freeze holds", GroupID: groupSteer,
		Long:    "Delete a Freeze. What it holds begins within seconds, unless something else holds it.",
		Example: "  vw unfreeze payments-down", ValidArgsFunction: completeFreezes(env),
		Args: func(_ *cobra.Command, args []string) error {
			if len(args) == 0 {
				return errors.New("name a Freeze: vw freeze lists them")
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := env.Client()
			if err != nil {
				return err
			}
			var all []error
			for _, name := range args {
				all = append(all, unfreeze(cmd.Context(), env, c, name))
			}
			return errors.Join(all...)
		},
	}
}

// completeFreezes offers the Freezes that there are.
func completeFreezes(env *Env) completion {
	return completeNames(env, opsv1alpha1.GroupVersion.WithKind("Freeze"), everywhere)
}

func unfreeze(ctx context.Context, env *Env, c client.Client, name string) error {
	err := c.Delete(ctx, &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: name}})
	list := &opsv1alpha1.FreezeList{}
	listed := c.List(ctx, list) == nil
	var others []string
	for i := range list.Items {
		others = append(others, list.Items[i].Name)
	}
	others = slices.DeleteFunc(others, func(o string) bool { return o == name })
	switch {
	case isMissing(err):
		return fmt.Errorf("there is no Freeze %s%s", name, ask.DidYouMean(name, others))
	case err != nil:
		return fmt.Errorf("delete Freeze %s: %w", name, err)
	}
	rest := ""
	if listed && len(others) > 0 {
		rest = "; still there: " + strings.Join(others, ", ")
	}
	_, err = fmt.Fprintf(env.Out, "freeze.ops.vworkspace.io/%s deleted%s\n", name, rest)
	return err
}
