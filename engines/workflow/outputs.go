// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"cmp"
	"regexp"
	"slices"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"vworkspace.io/fleet/engines"
)

const (
	outputWorkflowName = "workflowName"
	// maxOutputs of the workflow are copied, and only those with at most maxOutput bytes: half a name is of no use.
	maxOutputs = 16
	maxOutput  = 256
)

// secretName is what the name of an output looks like that holds a secret.
var secretName = regexp.MustCompile(`(?i)pass|secret|token|credential|private|api[-_]?key|access[-_]?key|dsn`)

// outputs are the Workflow's name and its global output parameters.
func outputs(wf *wfv1.Workflow) map[string]string {
	out := map[string]string{outputWorkflowName: wf.Name}
	if wf.Status.Outputs == nil {
		return out
	}
	params := slices.Clone(wf.Status.Outputs.Parameters)
	slices.SortFunc(params, func(a, b wfv1.Parameter) int { return cmp.Compare(a.Name, b.Name) })
	for _, p := range params {
		if p.Value == nil || p.Name == outputWorkflowName || len(p.Name)+len(*p.Value) > maxOutput || secretName.MatchString(p.Name) {
			continue
		}
		if v := p.Value.String(); engines.Redact(v) == v && len(out) <= maxOutputs {
			out[p.Name] = v
		}
	}
	return out
}
