// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"fmt"
	"strings"
	"text/tabwriter"

	"sigs.k8s.io/yaml"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog/redact"
	"vworkspace.io/fleet/placement"
)

// maxShown names of clusters or instances are shown; of more, the first.
const maxShown = 6

// Deed is what an Operation would do, for a person to agree to.
type Deed struct {
	Operation *opsv1alpha1.Operation
	Aim       Aim
	// Redact are the template's secret parameters.
	Redact []string
	// Groups of the Placement as it has decided now; GroupsKnown tells whether it could be asked.
	Groups      []placement.Group
	GroupsKnown bool
}

// Describe it in a few lines.
func (d Deed) Describe() (string, error) {
	var b strings.Builder
	op := d.Operation
	fmt.Fprintf(&b, "%s in namespace %s\n", op.Spec.Type, op.Namespace)
	w := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	line := func(name, text string) {
		if text != "" {
			fmt.Fprintf(w, "  %s\t%s\n", name, text)
		}
	}
	if op.Spec.TemplateRef != nil {
		line("template", op.Spec.TemplateRef.Name)
	} else {
		line("template", "the one that each cluster finds for it")
	}
	parameters, err := d.parameters()
	if err != nil {
		return "", err
	}
	line("parameters", parameters)
	line("clusters", d.clusters())
	line("instances", d.instances())
	line("rollout", inOrder(op.Spec.Rollout))
	if err := w.Flush(); err != nil {
		return "", err
	}
	return b.String(), nil
}

// parameters in one line, without what is secret.
func (d Deed) parameters() (string, error) {
	if d.Operation.Spec.Parameters == nil {
		return "", nil
	}
	shown, err := redact.Parameters(d.Redact, d.Operation.Spec.Parameters.Raw)
	if err != nil {
		return "", err
	}
	text, err := yaml.JSONToYAML(shown)
	if err != nil {
		return "", err
	}
	lines := strings.Split(strings.TrimSpace(string(text)), "\n")
	return strings.Join(lines, "\n  \t"), nil
}

func (d Deed) clusters() string {
	p := d.Operation.Spec.Placement
	var names []string
	for _, g := range d.Groups {
		names = append(names, g.Clusters...)
	}
	switch {
	case d.Aim.Target != "":
		if len(d.Aim.Found) == 1 {
			return clusterOf(&d.Aim.Found[0])
		}
		return ""
	case p == nil:
		return ""
	case len(d.Aim.Clusters) > 0:
		return first(d.Aim.Clusters)
	case !d.GroupsKnown:
		return fmt.Sprintf("those that Placement %s selects, which you may not read or which it has not decided yet", p.PlacementRef.Name)
	case len(names) == 0:
		return fmt.Sprintf("none: Placement %s selects no cluster now", p.PlacementRef.Name)
	}
	return fmt.Sprintf("%d, by Placement %s now: %s", len(names), p.PlacementRef.Name, first(names))
}

func (d Deed) instances() string {
	if d.Aim.Target != "" {
		return d.Aim.Target
	}
	var names []string
	for i := range d.Aim.Found {
		names = append(names, d.Aim.Found[i].Name)
	}
	if len(names) == 0 {
		return "those that the clusters know and the selector picks; none is known here"
	}
	return fmt.Sprintf("%d known here: %s", len(names), first(names))
}

func first(names []string) string {
	if n := len(names) - maxShown; n > 0 {
		return strings.Join(names[:maxShown], ", ") + fmt.Sprintf(" and %d more", n)
	}
	return strings.Join(names, ", ")
}

// inOrder says in which order clusters are acted on, and what stops it.
func inOrder(r *opsv1alpha1.RolloutSpec) string {
	if r == nil {
		return ""
	}
	var parts []string
	switch {
	case r.Progressive != nil:
		for _, g := range r.Progressive.MandatoryDecisionGroups.MandatoryDecisionGroups {
			name := g.GroupName
			if name == "" {
				name = fmt.Sprint(g.GroupIndex)
			}
			parts = append(parts, "group "+name+" first")
		}
		if c := r.Progressive.MaxConcurrency.String(); c != "0" {
			parts = append(parts, c+" clusters at a time")
		}
		parts = append(parts, stops(r.Progressive.MaxFailures.String(), r))
	case r.ProgressivePerGroup != nil:
		parts = append(parts, "one group after the other", stops(r.ProgressivePerGroup.MaxFailures.String(), r))
	default:
		parts = append(parts, "all clusters at once")
	}
	if r.Gate == opsv1alpha1.GatePerGroup {
		parts = append(parts, "each group but the first waits for an approval")
	}
	return strings.Join(parts, ", ")
}

func stops(failures string, r *opsv1alpha1.RolloutSpec) string {
	what := map[opsv1alpha1.BreachPolicy]string{
		"": "halts", opsv1alpha1.BreachHalt: "halts", opsv1alpha1.BreachContinue: "goes on", opsv1alpha1.BreachRollback: "is rolled back",
	}[r.OnBreach]
	if failures == "0" {
		return what + " when one has failed"
	}
	return fmt.Sprintf("%s when more than %s have failed", what, failures)
}
