// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"fmt"
	"io"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// keyWidth is that of the names of what is told.
const keyWidth = 14

// sheet is a page of names and what they are.
type sheet struct {
	strings.Builder
	Look
}

// say a line; nothing when there is nothing to say.
func (p *sheet) say(key, value string) {
	if value == "" {
		return
	}
	paragraph(&p.Builder, p.Look, pad(key+":", keyWidth), value)
}

// Write the overview for people.
func (o *Overview) Write(out io.Writer, l Look) error {
	p := &sheet{Look: l}
	p.say("Operation", o.Namespace+"/"+o.Name)
	p.say("Does", o.does())
	p.say("On", o.Targets)
	p.say("Asked by", o.asked())
	p.say("Approved by", o.ApprovedBy)
	p.say("Rollout", o.Rollout)
	p.say("Times", o.times(l))
	p.WriteString(pad("Phase:", keyWidth) + l.paint(o.State, marks[o.State]+" "+o.Phase) + "\n")
	if text := said(o.Reason, o.Message); text != "" {
		paragraph(&p.Builder, l, strings.Repeat(" ", keyWidth), text)
	}
	if o.Clusters != nil {
		p.say("Clusters", counted(o.Clusters))
	}
	if o.Instances != nil {
		p.say("Instances", counted(o.Instances))
	}
	p.groups(o.Groups)
	p.failures(o.Failures)
	p.conditions(o.Conditions)
	p.history(o.History)
	if o.Next != "" {
		p.WriteString("\n")
		p.say("To do", o.Next)
	}
	if _, err := io.WriteString(out, p.String()); err != nil || o.Chain == nil {
		return err
	}
	if _, err := io.WriteString(out, "\n"); err != nil {
		return err
	}
	return o.Chain.Write(out, l)
}

func (o *Overview) does() string {
	text := o.Type
	if o.Template != "" {
		text += " by template " + o.Template
	}
	if o.Engine != "" {
		text += ", engine " + o.Engine
	}
	return text
}

func (o *Overview) asked() string {
	text := o.RequestedBy
	if o.OnBehalfOf != "" {
		text += ", on behalf of " + o.OnBehalfOf
	}
	if o.Job != "" {
		text += ", for job " + o.Job
	}
	return text
}

func (o *Overview) times(l Look) string {
	text := "created " + Short(l.Now.Sub(o.Created.Time)) + " ago"
	if o.StartedAt != nil {
		text += ", started " + Short(l.Now.Sub(o.StartedAt.Time)) + " ago"
	}
	switch {
	case o.FinishedAt != nil && o.StartedAt != nil:
		text += fmt.Sprintf(", ended %s ago, took %s", Short(l.Now.Sub(o.FinishedAt.Time)), Short(o.FinishedAt.Sub(o.StartedAt.Time)))
	case o.FinishedAt != nil:
		text += ", ended " + Short(l.Now.Sub(o.FinishedAt.Time)) + " ago"
	case o.ExpectedEnd != nil && o.ExpectedEnd.After(l.Now):
		text += ", expected to end in " + Short(o.ExpectedEnd.Sub(l.Now))
	}
	return text
}

func (p *sheet) groups(groups []opsv1alpha1.GroupStatus) {
	if len(groups) < 2 {
		return
	}
	p.WriteString("Groups:\n")
	width := 0
	for _, g := range groups {
		width = max(width, runes(g.Name))
	}
	for _, g := range groups {
		state := OK
		switch {
		case g.Clusters.Failed > 0:
			state = Broken
		case g.FinishedAt == nil:
			state = Waiting
		}
		text := counted(&g.Clusters)
		if g.StartedAt != nil && g.FinishedAt != nil {
			text += ", took " + Short(g.FinishedAt.Sub(g.StartedAt.Time))
		}
		p.WriteString("  " + p.paint(state, marks[state]+" "+pad(g.Name, width)) + gap + text + "\n")
	}
}

func (p *sheet) failures(all []opsv1alpha1.Failure) {
	if len(all) == 0 {
		return
	}
	p.WriteString("Failures:\n")
	for _, f := range all {
		p.WriteString("  " + p.paint(Broken, marks[Broken]+" "+f.Name) + "\n")
		paragraph(&p.Builder, p.Look, "    ", said(f.Reason, f.Message))
	}
}

func (p *sheet) conditions(all []metav1.Condition) {
	var rows []row
	for _, c := range all {
		if c.Status == metav1.ConditionTrue {
			rows = append(rows, row{guide: "  ", below: "    ", name: c.Type, state: conditionState(c.Type), phase: c.Reason, age: p.age(&c.LastTransitionTime.Time)})
		}
	}
	if len(rows) > 0 {
		p.WriteString("Conditions:\n")
		writeRows(&p.Builder, p.Look, rows)
	}
}

func conditionState(kind string) State {
	switch kind {
	case opsv1alpha1.ConditionFailed, opsv1alpha1.ConditionCancelled:
		return Broken
	case opsv1alpha1.ConditionBlocked, opsv1alpha1.ConditionDegraded:
		return Waiting
	}
	return OK
}

func (p *sheet) history(all []opsv1alpha1.Transition) {
	if len(all) == 0 {
		return
	}
	p.WriteString("History:\n")
	for _, t := range all {
		paragraph(&p.Builder, p.Look, "  "+t.Time.UTC().Format(time.DateTime)+gap+pad(string(t.Phase), len(opsv1alpha1.PhaseSucceeded))+gap, said(t.Reason, t.Message))
	}
}
