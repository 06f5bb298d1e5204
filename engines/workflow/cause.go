// SPDX-License-Identifier: Apache-2.0

package workflow

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	wfv1 "github.com/argoproj/argo-workflows/v3/pkg/apis/workflow/v1alpha1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

const (
	// maxStepWords bytes of what a step says when it is not the cause of a failure.
	maxStepWords = 320
	// maxCause bytes of what the step that failed says; the rest of a message is for names.
	maxCause = 640
)

// cause says why the Workflow did not succeed: the step that failed first, in Argo's words. What became of it is "failed" or "had an error".
func cause(wf *wfv1.Workflow, s steps, became string) string {
	failed := s.failed(wf.Name)
	if len(failed) == 0 {
		text := fmt.Sprintf("Workflow %s %s: %s", wf.Name, became, said(wf.Status.Message))
		if s.elsewhere != "" {
			text += "; " + s.elsewhere + ", see argo get " + wf.Name + " -n " + wf.Namespace
		}
		return text
	}
	first := failed[0]
	text := "step " + stepName(first)
	if t := templateOf(first); t != "" {
		text += " (template " + t + ")"
	}
	text += " " + verdict(first) + ": " + words(first)
	if more := len(failed) - 1; more > 0 {
		text += fmt.Sprintf("; %d more failed", more)
	}
	// What is said of the whole may be the better cause, such as a bound that went by.
	if m := wf.Status.Message; m != "" && !echoes(m, failed) {
		text += "; workflow: " + shorten(engines.Redact(oneLine(m)), maxStepWords)
	}
	return opsv1alpha1.Truncate(text, opsv1alpha1.MaxMessage)
}

// echoes tells whether a workflow's message says nothing that the steps that failed do not say.
func echoes(message string, failed []*wfv1.NodeStatus) bool {
	for _, general := range []string{"child '", "No more retries left", "Stopped with strategy"} {
		if strings.HasPrefix(message, general) {
			return true
		}
	}
	return slices.ContainsFunc(failed, func(n *wfv1.NodeStatus) bool { return n.Message == message })
}

func verdict(n *wfv1.NodeStatus) string {
	if n.Phase == wfv1.NodeError {
		return "had an error"
	}
	return "failed"
}

func templateOf(n *wfv1.NodeStatus) string {
	if n.TemplateRef != nil {
		return n.TemplateRef.Name + "/" + n.TemplateRef.Template
	}
	return n.TemplateName
}

// words of a step that failed. Argo's message has the exit code and the container's termination message, which are the last lines of its log where the
// template sets terminationMessagePolicy: FallbackToLogsOnError.
func words(n *wfv1.NodeStatus) string {
	message := shorten(engines.Redact(strings.TrimSpace(n.Message)), maxCause)
	if n.Outputs == nil || n.Outputs.ExitCode == nil || strings.Contains(message, "exit code") {
		return said(message)
	}
	return strings.TrimSuffix("exit code "+*n.Outputs.ExitCode+": "+message, ": ")
}

func said(message string) string {
	if message == "" {
		return "Argo does not say why"
	}
	return shorten(engines.Redact(strings.TrimSpace(message)), maxCause)
}

// failed are the steps at which the workflow failed, the first one first. Not those whose failure was overcome: by a later attempt, or by a group
// that went on. Hooks come last: they seldom decide.
func (s steps) failed(root string) []*wfv1.NodeStatus {
	t := newTree(s.nodes, root)
	found := t.deepest(t.decisive)
	if len(found) == 0 {
		found = t.deepest(func(n *wfv1.NodeStatus) bool { return n.FailedOrError() })
	}
	slices.SortFunc(found, func(a, b *wfv1.NodeStatus) int {
		return cmp.Or(t.hooked(a)-t.hooked(b), a.FinishedAt.Compare(b.FinishedAt.Time), cmp.Compare(a.Name, b.Name))
	})
	return found
}

// tree is the nodes by what holds what. That is in their names: a step is HOLDER.STEP, a group HOLDER[N], and an attempt or an item HOLDER(...).
// Node.children is something else: what comes next.
type tree struct {
	byName map[string]*wfv1.NodeStatus
	// overcome are attempts after which there was another one.
	overcome map[string]bool
	root     string
}

func newTree(nodes wfv1.Nodes, root string) *tree {
	t := &tree{byName: make(map[string]*wfv1.NodeStatus, len(nodes)), overcome: map[string]bool{}, root: root}
	for id := range nodes {
		n := nodes[id]
		t.byName[n.Name] = &n
		if n.Type != wfv1.NodeTypeRetry {
			continue
		}
		var attempts []string
		for _, child := range n.Children {
			if c, ok := nodes[child]; ok && (c.NodeFlag == nil || !c.NodeFlag.Hooked) {
				attempts = append(attempts, c.Name)
			}
		}
		for _, name := range attempts[:max(len(attempts)-1, 0)] {
			t.overcome[name] = true
		}
	}
	return t
}

// holders of a node, from the inside out, without the workflow's own.
func (t *tree) holders(n *wfv1.NodeStatus) []*wfv1.NodeStatus {
	var found []*wfv1.NodeStatus
	for i := len(n.Name) - 1; i > len(t.root); i-- {
		if !strings.ContainsRune(".[(", rune(n.Name[i])) {
			continue
		}
		if h, ok := t.byName[n.Name[:i]]; ok {
			found = append(found, h)
		}
	}
	return found
}

// decisive tells whether a failure was let through by all that holds the node.
func (t *tree) decisive(n *wfv1.NodeStatus) bool {
	for _, h := range append(t.holders(n), n) {
		if !h.FailedOrError() || t.overcome[h.Name] {
			return false
		}
	}
	return true
}

// deepest are the nodes that match and hold no other one that does.
func (t *tree) deepest(match func(*wfv1.NodeStatus) bool) []*wfv1.NodeStatus {
	matching, holding := map[string]*wfv1.NodeStatus{}, map[string]bool{}
	for name, n := range t.byName {
		if !match(n) {
			continue
		}
		matching[name] = n
		for _, h := range t.holders(n) {
			holding[h.Name] = true
		}
		holding[t.root] = holding[t.root] || name != t.root
	}
	var found []*wfv1.NodeStatus
	for name, n := range matching {
		if !holding[name] {
			found = append(found, n)
		}
	}
	return found
}

// hooked is 1 for a node that a hook or an exit handler brought about, else 0.
func (t *tree) hooked(n *wfv1.NodeStatus) int {
	for _, h := range append(t.holders(n), n) {
		if h.NodeFlag != nil && h.NodeFlag.Hooked {
			return 1
		}
	}
	return 0
}
