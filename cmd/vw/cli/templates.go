// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/inventory"
	"vworkspace.io/fleet/cmd/vw/safe"
)

const templatesLong = `List the catalog: what may be run, by which engine, and whether somebody has to agree. With a name: which parameters it takes, and a command that runs it.`

func newTemplates(env *Env) *cobra.Command {
	output := newOutput(wide)
	cmd := &cobra.Command{
		Use: "templates [NAME]", Short: "List what may be run, or what one template takes", Long: templatesLong, GroupID: groupFleet, Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			c, err := env.Client()
			if err != nil {
				return err
			}
			if len(args) == 1 {
				return showTemplate(cmd.Context(), env, output, c, args[0])
			}
			return listTemplates(cmd.Context(), env, output, c)
		},
	}
	cmd.ValidArgsFunction = oneArgument(completeTemplates(env))
	output.AddFlags(cmd)
	return cmd
}

func listTemplates(ctx context.Context, env *Env, output *Output, c client.Reader) error {
	list := &opsv1alpha1.OperationTemplateList{}
	if err := c.List(ctx, list); err != nil {
		return err
	}
	if !output.Own() {
		return output.Print(env.Out, list)
	}
	if len(list.Items) == 0 {
		_, err := fmt.Fprintln(env.ErrOut, "No templates found. Those that come with every engine: kubectl apply --server-side -f deploy/catalog")
		return err
	}
	slices.SortFunc(list.Items, func(a, b opsv1alpha1.OperationTemplate) int {
		return cmp.Or(cmp.Compare(a.Spec.Type, b.Spec.Type), cmp.Compare(a.Name, b.Name))
	})
	table := newTable("Name", "Type", "Engine", "Approval", "Parameters", "+Rights", "+Namespaces", "+Description")
	for i := range list.Items {
		t := &list.Items[i]
		parameters, err := inventory.Parameters(&t.Spec)
		if err != nil {
			return fmt.Errorf("OperationTemplate %s: %w", t.Name, err)
		}
		addRow(table, t.Name, string(t.Spec.Type), string(t.Spec.Engine), approval(t), inBrief(parameters),
			cmp.Or(t.Spec.RBACProfile, strings.ToLower(string(t.Spec.Engine))), cmp.Or(strings.Join(t.Spec.AllowedNamespaces, ","), "all"), safe.Line(t.Spec.Description))
	}
	return output.PrintTable(env.Out, table, false)
}

func approval(t *opsv1alpha1.OperationTemplate) string {
	switch a := t.Spec.Approval; {
	case a == nil || !a.Required:
		return "no"
	case a.FourEyes:
		return "by another"
	default:
		return "yes"
	}
}

// inBrief names the parameters that have to be said, and counts the others.
func inBrief(parameters []inventory.Parameter) string {
	var required []string
	for _, p := range parameters {
		if p.Required {
			required = append(required, p.Name)
		}
	}
	text := strings.Join(required, ",")
	if others := len(parameters) - len(required); others > 0 {
		if text != "" {
			text += " "
		}
		text += fmt.Sprintf("[+%d]", others)
	}
	return orDash(text)
}

// templateDocument is a template as vw templates NAME shows it.
type templateDocument struct {
	Name       string                      `json:"name"`
	Type       opsv1alpha1.OperationType   `json:"type"`
	Engine     opsv1alpha1.OperationEngine `json:"engine"`
	Parameters []inventory.Parameter       `json:"parameters"`
	// Example is a command that runs it.
	Example string `json:"example"`
}

func showTemplate(ctx context.Context, env *Env, output *Output, c client.Reader, name string) error {
	t := &opsv1alpha1.OperationTemplate{}
	err := c.Get(ctx, client.ObjectKey{Name: name}, t)
	if isMissing(err) {
		return fmt.Errorf("there is no OperationTemplate %s%s", name, similarTemplate(ctx, c, name))
	}
	if err != nil {
		return err
	}
	parameters, err := inventory.Parameters(&t.Spec)
	if err != nil {
		return fmt.Errorf("OperationTemplate %s: %w", t.Name, err)
	}
	example := inventory.Example(name, parameters)
	if !output.Own() {
		return printDocument(env, output, "TemplateParameters", &templateDocument{name, t.Spec.Type, t.Spec.Engine, parameters, example})
	}
	if err := describeTemplate(env.Out, t); err != nil {
		return err
	}
	if len(parameters) > 0 {
		fmt.Fprintln(env.Out)
		if err := output.PrintTable(env.Out, parameterTable(parameters, output.Wide()), false); err != nil {
			return err
		}
	}
	_, err = fmt.Fprintf(env.Out, "\n  %s\n", example)
	return err
}

func describeTemplate(w io.Writer, t *opsv1alpha1.OperationTemplate) error {
	lines := [][2]string{{"Template:", t.Name}, {"What:", safe.Line(t.Spec.Description)}, {"Type:", string(t.Spec.Type)}, {"Engine:", string(t.Spec.Engine)}}
	if a := approval(t); a != "no" {
		lines = append(lines, [2]string{"Approval:", a})
	}
	if window := t.Spec.MaintenanceWindow; window != nil {
		lines = append(lines, [2]string{"Window:", fmt.Sprintf("%s for %s (%s)", window.Schedule, window.Duration.Duration, cmp.Or(window.TimeZone, "UTC"))})
	}
	if len(t.Spec.AllowedNamespaces) > 0 {
		lines = append(lines, [2]string{"Namespaces:", strings.Join(t.Spec.AllowedNamespaces, ", ")})
	}
	for _, line := range lines {
		if line[1] == "" {
			continue
		}
		if _, err := fmt.Fprintf(w, "%-12s%s\n", line[0], line[1]); err != nil {
			return err
		}
	}
	return nil
}

func parameterTable(parameters []inventory.Parameter, full bool) *metav1.Table {
	table := newTable("Parameter", "Type", "Required", "Default", "Description")
	for _, p := range parameters {
		required, description := "no", p.Description
		if p.Required {
			required = "yes"
		}
		if len(p.Enum) > 0 {
			description = "One of " + strings.Join(p.Enum, ", ") + ". " + description
		}
		if !full {
			description = cut(description, shownMessage)
		}
		addRow(table, p.Name, p.Type, required, orDash(p.Default), description)
	}
	return table
}
