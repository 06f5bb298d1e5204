// SPDX-License-Identifier: Apache-2.0

package logs

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"
	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/cmd/vw/chain"
	"vworkspace.io/fleet/engines"
)

// steps puts the pods of a Workflow into the order of its steps, and says of a step without a pod what Argo says: that it failed before it had one, that its pod is
// gone, or where its log was archived.
func (p *Printer) steps(wf *wfv1.Workflow, m *chain.Made) {
	byNode := map[string]client.Object{}
	for _, part := range m.Parts {
		byNode[part.GetAnnotations()["workflows.argoproj.io/node-id"]] = part
	}
	var ordered []client.Object
	for _, s := range chain.Steps(wf) {
		pod, there := byNode[s.ID]
		if there {
			ordered = append(ordered, pod)
			continue
		}
		if s.Type != wfv1.NodeTypePod && !s.FailedOrError() {
			continue
		}
		where := ""
		if s.Outputs != nil && s.Outputs.Artifacts.GetArtifactByName("main-logs") != nil {
			where = fmt.Sprintf("; Argo has archived its log: argo logs %s -n %s", wf.Name, wf.Namespace)
		}
		p.note("step %s is %s and has no pod%s", s.DisplayName, said(string(s.Phase), engines.Redact(strings.TrimSpace(s.Message))), where)
	}
	if len(ordered) == len(m.Parts) { // else the labels are not what they are thought to be: print them all, in their own order
		m.Parts = ordered
	}
}

// mover prints what VolSync has kept of its mover's log: the pod goes when it has ended.
func (p *Printer) mover(kind string, o client.Object, s *volsyncv1alpha1.MoverStatus) {
	if s == nil || s.Logs == "" {
		return
	}
	p.note("%s %s/%s: the mover ended as %s; VolSync has kept this of its log:", kind, o.GetNamespace(), o.GetName(), s.Result)
	for _, line := range p.last(strings.Split(strings.TrimRight(s.Logs, "\n"), "\n")) {
		p.line("", engines.Redact(line))
	}
}

// last lines, as many as --tail says.
func (p *Printer) last(lines []string) []string {
	if p.Tail >= 0 && int64(len(lines)) > p.Tail {
		return lines[int64(len(lines))-p.Tail:]
	}
	return lines
}

// moment is a line of what Flux did.
type moment struct {
	at   time.Time
	text string
}

// release prints what Flux says of a release. Helm has no log of its own: helm-controller tells in conditions, in the history of the release, and in Events.
func (p *Printer) release(ctx context.Context, hr *helmv2.HelmRelease) error {
	var all []moment
	for _, h := range hr.Status.History {
		all = append(all, moment{h.LastDeployed.Time, fmt.Sprintf("Helm revision %d: %s %s is %s", h.Version, h.ChartName, h.ChartVersion, h.Status)})
	}
	for _, c := range hr.Status.Conditions {
		all = append(all, moment{c.LastTransitionTime.Time, fmt.Sprintf("condition %s=%s %s", c.Type, c.Status, said(c.Reason, engines.Redact(c.Message)))})
	}
	events := &corev1.EventList{}
	if err := p.Client.List(ctx, events, client.InNamespace(hr.Namespace), client.MatchingFields{"involvedObject.uid": string(hr.UID)}); err != nil {
		p.note("the Events of HelmRelease %s/%s could not be read: %v", hr.Namespace, hr.Name, err)
	}
	for i := range events.Items {
		e := &events.Items[i]
		all = append(all, moment{chain.EventTime(e).Time, fmt.Sprintf("event %s %s", e.Type, said(e.Reason, engines.Redact(e.Message)))})
	}
	slices.SortStableFunc(all, func(a, b moment) int { return cmp.Or(a.at.Compare(b.at), strings.Compare(a.text, b.text)) })
	lines := make([]string, 0, len(all))
	for _, m := range all {
		lines = append(lines, m.at.UTC().Format(time.RFC3339)+" "+strings.Join(strings.Fields(m.text), " "))
	}
	prefix := fmt.Sprintf("[HelmRelease %s/%s] ", hr.Namespace, hr.Name)
	for _, line := range p.last(lines) {
		p.line(prefix, line)
	}
	if len(lines) == 0 {
		p.note("Flux has said nothing of HelmRelease %s/%s yet", hr.Namespace, hr.Name)
	}
	return nil
}
