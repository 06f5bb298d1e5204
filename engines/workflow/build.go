// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"maps"
	"math"
	"slices"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"vworkspace.io/fleet/engines"
)

// Arguments that every workflow gets: a run on many targets cannot be given them one by one.
const (
	argumentTargetName      = "targetName"
	argumentTargetNamespace = "targetNamespace"
)

// build makes the run's Workflow. An Argo controller that is restricted to templates (templateReferencing Strict or Secure) takes only some fields
// beside workflowTemplateRef; whoever adds one here should look for it in Argo's workflow/util/merge.go.
func build(run engines.Run, p *Parameters, serviceAccount string) *wfv1.Workflow {
	wf := &wfv1.Workflow{
		TypeMeta: metav1.TypeMeta{APIVersion: wfv1.SchemeGroupVersion.String(), Kind: kind},
		ObjectMeta: metav1.ObjectMeta{
			Name:            run.Name(),
			Namespace:       run.Namespace(),
			Labels:          run.RunnerLabels(),
			OwnerReferences: []metav1.OwnerReference{run.OwnerReference()},
		},
		Spec: wfv1.WorkflowSpec{
			WorkflowTemplateRef:   &wfv1.WorkflowTemplateRef{Name: p.template(), ClusterScope: p.ClusterScope},
			Entrypoint:            p.Entrypoint,
			ServiceAccountName:    serviceAccount,
			ActiveDeadlineSeconds: p.TimeoutSeconds,
			// The Workflow goes with the Operation. A TTL of the template, or of Argo's own configuration, could take the result along between two looks;
			// a Workflow's own goes before both, and there is no way to say "none".
			TTLStrategy: &wfv1.TTLStrategy{SecondsAfterCompletion: ptr.To[int32](math.MaxInt32)},
		},
	}
	given := arguments(run, p)
	for _, name := range slices.Sorted(maps.Keys(given)) {
		wf.Spec.Arguments.Parameters = append(wf.Spec.Arguments.Parameters, wfv1.Parameter{Name: name, Value: wfv1.AnyStringPtr(given[name])})
	}
	return wf
}

// arguments of the workflow. Argo takes those that its template does not declare, so the target's are always there.
func arguments(run engines.Run, p *Parameters) map[string]string {
	given := map[string]string{}
	if target := run.Operation.Spec.TargetRef; target != nil {
		given[argumentTargetName], given[argumentTargetNamespace] = target.Name, run.Namespace()
	}
	for name, value := range p.Parameters {
		given[name], _ = write(value)
	}
	return given
}
