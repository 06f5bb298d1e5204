// SPDX-License-Identifier: Apache-2.0

package page

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
)

// Directive is what a comment says about a block.
type Directive struct {
	Verb Verb
	// Cluster that it is done on: hub, spoke1, ...
	Cluster string
	// Expect, Until or Fails hold the text that the commands have to print, once at the end, at last, or while they fail; one of them at most.
	Expect, Until, Fails string
	// Name of a file.
	Name string
	// Kind that a fragment is of; empty when it is only parsed.
	Kind string
	// Reason why it is shown alone, or not run.
	Reason string
}

// Reasons why a block is shown alone, or not run. The list is short, and closed, so that nothing is left out lightly.
var Reasons = map[Verb][]string{
	Shown: {
		"a drawing",
		"a format",
		"a formula of metrics",
		"a message",
		"a target of the Makefile prints it",
		"a larger fleet prints it",
	},
	NotRun: {
		"a target of the Makefile",
		"needs Helm",
		"needs an image registry",
		"needs OCM's operator",
		"needs pods that run",
		"would end the fleet",
	},
}

var knownCluster = regexp.MustCompile(`^(hub|spoke[1-9])$`)

// parseDirective of the first line of a comment. It is not known when it begins with no verb.
func parseDirective(head string) (d Directive, known bool, err error) {
	verb, rest, _ := strings.Cut(strings.TrimSpace(head), ":")
	d.Verb, rest = Verb(verb), strings.TrimSpace(rest)
	switch d.Verb {
	case Run:
		return d, true, d.parseRun(rest)
	case Before, Apply, Manifest:
		d.Cluster = rest
		return d, true, d.checkCluster()
	case Output:
		return d, true, d.nothing(rest)
	case File:
		name, on, _ := strings.Cut(rest, ",")
		d.Name, d.Cluster = strings.TrimSpace(name), strings.TrimSpace(strings.TrimPrefix(strings.TrimSpace(on), "on:"))
		return d, true, d.checkFile()
	case Fragment:
		d.Kind = rest
		return d, true, nil
	case Shown, NotRun:
		d.Reason = rest
		return d, true, d.checkReason()
	default:
		return d, false, nil
	}
}

// parseRun of CLUSTER[, expect: TEXT], or until, or fails.
func (d *Directive) parseRun(rest string) error {
	cluster, condition, more := strings.Cut(rest, ",")
	d.Cluster = strings.TrimSpace(cluster)
	if err := d.checkCluster(); err != nil || !more {
		return err
	}
	what, text, _ := strings.Cut(strings.TrimSpace(condition), ":")
	text = strings.TrimSpace(text)
	switch what {
	case "expect":
		d.Expect = text
	case "until":
		d.Until = text
	case "fails":
		d.Fails = text
	default:
		return fmt.Errorf("run: %q is none of expect, until and fails", what)
	}
	if text == "" {
		return fmt.Errorf("run: %s needs a text", what)
	}
	return nil
}

func (d *Directive) checkCluster() error {
	if !knownCluster.MatchString(d.Cluster) {
		return fmt.Errorf("%s: %q is no cluster: it is hub, spoke1, spoke2 or spoke3", d.Verb, d.Cluster)
	}
	return nil
}

func (d *Directive) checkFile() error {
	if d.Name == "" || strings.ContainsAny(d.Name, "/ ") {
		return fmt.Errorf("file: %q is not the name of a file", d.Name)
	}
	if d.Cluster != "" {
		return d.checkCluster()
	}
	return nil
}

func (d *Directive) checkReason() error {
	if !slices.Contains(Reasons[d.Verb], d.Reason) {
		return fmt.Errorf("%s: %q is none of the reasons: %s", d.Verb, d.Reason, strings.Join(Reasons[d.Verb], "; "))
	}
	return nil
}

func (d *Directive) nothing(rest string) error {
	if rest != "" {
		return fmt.Errorf("%s: %q is too much", d.Verb, rest)
	}
	return nil
}
