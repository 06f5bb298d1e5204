// SPDX-License-Identifier: Apache-2.0

package demo

import (
	"encoding/json"
	"fmt"
	"io"
	"math"
	"text/tabwriter"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Report is what `vw demo -o json` prints. Its names are an interface: add, never rename.
type Report struct {
	Operations []OperationReport `json:"operations"`
}

// OperationReport is how one fleet Operation ended.
type OperationReport struct {
	Name      string                      `json:"name"`
	Type      opsv1alpha1.OperationType   `json:"type"`
	Engine    opsv1alpha1.OperationEngine `json:"engine"`
	Phase     opsv1alpha1.OperationPhase  `json:"phase"`
	Reason    string                      `json:"reason"`
	Message   string                      `json:"message,omitempty"`
	Clusters  opsv1alpha1.Counts          `json:"clusters"`
	Instances opsv1alpha1.Counts          `json:"instances"`
	Failures  []opsv1alpha1.Failure       `json:"failures,omitempty"`
	// Retries that were asked for while it ran.
	Retries int32 `json:"retries,omitempty"`
	// Seconds from its creation on the hub to its end there.
	Seconds float64 `json:"seconds"`
}

func reportOf(op *opsv1alpha1.Operation, took time.Duration) OperationReport {
	out := OperationReport{
		Name: op.Name, Type: op.Spec.Type, Engine: op.Spec.Engine, Phase: op.Status.Phase, Reason: op.Status.Reason,
		Message: op.Status.Message, Failures: op.Status.Failures, Seconds: math.Round(took.Seconds()*10) / 10,
	}
	if s := op.Status.Summary; s != nil {
		if s.Clusters != nil {
			out.Clusters = *s.Clusters
		}
		if s.Instances != nil {
			out.Instances = *s.Instances
		}
	}
	if r := op.Status.Rollout; r != nil {
		out.Retries = r.Attempt
	}
	return out
}

// WriteJSON prints the report as one JSON document.
func (r Report) WriteJSON(w io.Writer) error {
	encoder := json.NewEncoder(w)
	encoder.SetIndent("", "  ")
	return encoder.Encode(r)
}

// WriteTable prints the report for people.
func (r Report) WriteTable(w io.Writer) error {
	table := tabwriter.NewWriter(w, 0, 0, 3, ' ', 0)
	fmt.Fprintln(table, "OPERATION\tTYPE\tENGINE\tPHASE\tCLUSTERS OK\tINSTANCES OK\tSECONDS")
	for _, o := range r.Operations {
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d/%d\t%d/%d\t%.1f\n", o.Name, o.Type, o.Engine, o.Phase,
			o.Clusters.Succeeded, o.Clusters.Total, o.Instances.Succeeded, o.Instances.Total, o.Seconds)
	}
	if err := table.Flush(); err != nil {
		return err
	}
	for _, o := range r.Operations {
		for _, f := range o.Failures {
			fmt.Fprintf(w, "\n%s failed on %s (%s):\n  %s\n", o.Name, f.Name, f.Reason, f.Message)
		}
	}
	return nil
}
