// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"cmp"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strings"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	"vworkspace.io/fleet/engines"
)

const (
	// maxNodes bounds the bytes that compressed nodes may unfold to. Argo compresses what is above 1 MiB.
	maxNodes = 64 << 20
	// maxNamed steps are named in a message; the others are counted.
	maxNamed = 3
	// maxStepName bytes of a step's name: that of a loop holds its item.
	maxStepName = 96
)

// steps are the nodes of a Workflow, those that the Workflow itself holds.
type steps struct {
	nodes wfv1.Nodes
	// elsewhere says why they are not here, for people; empty when they are.
	elsewhere string
}

// readSteps unfolds the nodes of a large workflow as Argo folds them: JSON, gzip, base64. Argo's own code for it is in packages of its controller.
func readSteps(wf *wfv1.Workflow) steps {
	switch {
	case len(wf.Status.Nodes) > 0:
		return steps{nodes: wf.Status.Nodes}
	case wf.Status.CompressedNodes != "":
		nodes, err := unfold(wf.Status.CompressedNodes)
		if err != nil {
			return steps{elsewhere: "its compressed steps cannot be read (" + err.Error() + ")"}
		}
		return steps{nodes: nodes}
	case wf.Status.OffloadNodeStatusVersion != "":
		return steps{elsewhere: "Argo keeps its steps in a database"}
	default:
		return steps{}
	}
}

func unfold(compressed string) (wfv1.Nodes, error) {
	unzipped, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, strings.NewReader(compressed)))
	if err != nil {
		return nil, err
	}
	nodes := wfv1.Nodes{}
	if err := json.NewDecoder(io.LimitReader(unzipped, maxNodes)).Decode(&nodes); err != nil {
		return nil, err
	}
	return nodes, nil
}

// done tells whether the workflow's own node, which holds all others, ended well. Nodes that are elsewhere are taken to be what Argo says of the whole.
func (s steps) done(root string) bool {
	own := s.which(func(n *wfv1.NodeStatus) bool { return n.Name == root })
	return s.elsewhere != "" || len(own) == 1 && own[0].Fulfilled() && !own[0].FailedOrError()
}

// suspended names the steps that wait for a person, or is empty when there are none.
func (s steps) suspended(wf *wfv1.Workflow) string {
	waiting := s.which(func(n *wfv1.NodeStatus) bool { return n.IsActiveSuspendNode() && !resumesItself(wf, n) })
	if len(waiting) == 0 {
		return ""
	}
	verb := "waits"
	if len(waiting) > 1 {
		verb = "wait"
	}
	text := fmt.Sprintf("%s %s to be resumed", named(waiting), verb)
	if m := waiting[0].Message; m != "" {
		text += " (" + shorten(engines.Redact(oneLine(m)), maxStepWords) + ")"
	}
	return text
}

// active says what the workflow does now.
func (s steps) active(wf *wfv1.Workflow) string {
	if s.elsewhere != "" {
		return s.elsewhere + "; see argo get " + wf.Name + " -n " + wf.Namespace
	}
	busy := s.which(func(n *wfv1.NodeStatus) bool {
		return (n.Phase == wfv1.NodeRunning || n.Phase == wfv1.NodePending) && works(n.Type)
	})
	if len(busy) == 0 {
		return "between two steps"
	}
	verb := "runs"
	if len(busy) > 1 {
		verb = "run"
	}
	for _, n := range busy {
		if n.Phase == wfv1.NodePending && n.Message != "" {
			return fmt.Sprintf("%s %s; step %s is pending: %s", named(busy), verb, stepName(n), shorten(engines.Redact(oneLine(n.Message)), maxStepWords))
		}
	}
	return named(busy) + " " + verb
}

// which nodes match, in the order in which they started.
func (s steps) which(match func(*wfv1.NodeStatus) bool) []*wfv1.NodeStatus {
	var found []*wfv1.NodeStatus
	for id := range s.nodes {
		if n := s.nodes[id]; match(&n) {
			found = append(found, &n)
		}
	}
	slices.SortFunc(found, func(a, b *wfv1.NodeStatus) int {
		return cmp.Or(a.StartedAt.Compare(b.StartedAt.Time), cmp.Compare(a.Name, b.Name))
	})
	return found
}

// works tells whether nodes of that type do something, rather than hold others. A container is part of its pod's node.
func works(t wfv1.NodeType) bool {
	switch t {
	case wfv1.NodeTypePod, wfv1.NodeTypeSuspend, wfv1.NodeTypeHTTP, wfv1.NodeTypePlugin:
		return true
	case wfv1.NodeTypeContainer, wfv1.NodeTypeSteps, wfv1.NodeTypeStepGroup, wfv1.NodeTypeDAG, wfv1.NodeTypeTaskGroup, wfv1.NodeTypeRetry,
		wfv1.NodeTypeSkipped:
		return false
	default:
		return true
	}
}

// resumesItself tells whether a suspended step goes on after a duration. Its template is found where Argo has stored it.
func resumesItself(wf *wfv1.Workflow, n *wfv1.NodeStatus) bool {
	scope, resource := n.GetTemplateScope()
	t := wf.GetStoredTemplate(scope, resource, n)
	if t == nil && n.TemplateName != "" {
		t = wf.GetTemplateByName(n.TemplateName)
	}
	return t != nil && t.Suspend != nil && t.Suspend.Duration != ""
}

// named is "step a", or "steps a, b and 2 more".
func named(nodes []*wfv1.NodeStatus) string {
	if len(nodes) == 1 {
		return "step " + stepName(nodes[0])
	}
	names := make([]string, 0, maxNamed)
	for _, n := range nodes[:min(len(nodes), maxNamed)] {
		names = append(names, stepName(n))
	}
	text := "steps " + strings.Join(names, ", ")
	if more := len(nodes) - maxNamed; more > 0 {
		text += fmt.Sprintf(" and %d more", more)
	}
	return text
}

func stepName(n *wfv1.NodeStatus) string {
	return shorten(engines.Redact(oneLine(cmp.Or(n.DisplayName, n.Name))), maxStepName)
}
