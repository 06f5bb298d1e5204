// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"fmt"
	"html"
	"strings"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// subject is what was asked for, and by whom: "Backup of the clusters of Placement prod, asked for by ada".
func subject(e *wire.Event) string {
	a := e.Audit
	if a == nil {
		a = &wire.Audit{}
	}
	action := a.Action
	if action == "" {
		action = "Operation"
	}
	text := action + " " + e.ResourceRef.Name
	switch kind, name, _ := strings.Cut(a.Target, "/"); kind {
	case "Placement":
		text = action + " of the clusters of " + name
	case "ApplicationInstance":
		text = action + " of " + name
	}
	if who := person(a); who != "" {
		text += ", asked for by " + who
	}
	return text
}

// person who asked: the one on whose behalf it was, where that is known, and by whom.
func person(a *wire.Audit) string {
	if a.OnBehalfOf != "" && a.Job != "" {
		plane, _, _ := strings.Cut(a.Job, "/")
		return a.OnBehalfOf + " in " + plane
	}
	if a.OnBehalfOf != "" {
		return a.OnBehalfOf + " through " + a.RequestedBy
	}
	return a.RequestedBy
}

// standing says in a sentence how an Operation stands after an event.
func standing(e *wire.Event) string {
	if e.Kind == wire.EventDeleted {
		return "deleted before it had ended" + counted(e)
	}
	c := telling(e.Conditions)
	if c == nil || e.Kind == wire.EventClusterResult {
		return "running" + counted(e)
	}
	switch c.Type {
	case opsv1alpha1.ConditionAccepted:
		if c.Status == metav1.ConditionFalse {
			return "refused" + because(c)
		}
		return "accepted, about to begin"
	case opsv1alpha1.ConditionBlocked:
		if c.Status == metav1.ConditionFalse {
			return "running" + counted(e)
		}
		return "waiting" + because(c)
	case opsv1alpha1.ConditionRunning, opsv1alpha1.ConditionDegraded:
		return "running" + counted(e)
	case opsv1alpha1.ConditionSucceeded:
		return "succeeded" + counted(e)
	case opsv1alpha1.ConditionFailed:
		if done := counted(e); done != "" && e.Audit.Failed > 0 {
			return "failed" + done
		}
		return "failed" + because(c)
	case opsv1alpha1.ConditionCancelled:
		return "cancelled" + because(c)
	default:
		return strings.ToLower(c.Type) + because(c)
	}
}

// telling is the condition of an event that says how things stand: the last one that is True.
func telling(conditions []metav1.Condition) *metav1.Condition {
	for i := len(conditions) - 1; i >= 0; i-- {
		if conditions[i].Status == metav1.ConditionTrue {
			return &conditions[i]
		}
	}
	if len(conditions) > 0 {
		return &conditions[len(conditions)-1]
	}
	return nil
}

func because(c *metav1.Condition) string {
	if c.Message != "" {
		return ": " + c.Message
	}
	return " (" + c.Reason + ")"
}

// counted is how far it has come: ": 37 of 40 clusters done, 1 failed: eu-3: disk full". Empty when nothing is known.
func counted(e *wire.Event) string {
	if e.Audit == nil || e.Audit.Progress == "" {
		return ""
	}
	done, total, _ := strings.Cut(e.Audit.Progress, "/")
	text := fmt.Sprintf(": %s of %s clusters done", done, total)
	if total == "1" {
		text = fmt.Sprintf(": %s of 1 cluster done", done)
	}
	if e.Audit.Failed > 0 {
		text += fmt.Sprintf(", %d failed", e.Audit.Failed)
		for i, failure := range e.Audit.Failures {
			text += map[bool]string{true: ": ", false: "; "}[i == 0] + failure
		}
		if more := int(e.Audit.Failed) - len(e.Audit.Failures); more > 0 && len(e.Audit.Failures) > 0 {
			text += fmt.Sprintf("; and %d more", more)
		}
	}
	return text
}

// ended tells whether after an event nothing more happens to its Operation, as far as people care.
func ended(e *wire.Event) bool {
	return e.Kind == wire.EventDeleted || e.Kind == wire.EventCondition && e.Terminal()
}

// body of the message about an Operation, in HTML: every text in it is from somebody else, and is escaped.
func body(e *wire.Event) string {
	return "<p><b>" + html.EscapeString(subject(e)) + "</b>: " + html.EscapeString(standing(e)) + ".</p><p><small>" +
		html.EscapeString(e.ResourceRef.Namespace+"/"+e.ResourceRef.Name) + "</small></p>"
}

// reply that ends the thread of an Operation, in HTML.
func reply(e *wire.Event) string {
	return "<p>" + html.EscapeString(subject(e)+": "+standing(e)) + ".</p>"
}
