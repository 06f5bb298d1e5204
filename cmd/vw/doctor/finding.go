// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"strings"
)

// Level of a finding.
type Level string

const (
	// OK is well.
	OK Level = "OK"
	// Warn will do for now, or may be meant so.
	Warn Level = "WARN"
	// Fail does not work.
	Fail Level = "FAIL"
	// Skip could not be looked at.
	Skip Level = "SKIP"
)

// Finding of a check.
type Finding struct {
	// Check that found it.
	Check string `json:"check"`
	// Level is OK, WARN, FAIL or SKIP.
	Level Level `json:"level"`
	// Message says what was found.
	Message string `json:"message"`
	// Why it matters. Empty when all is well.
	Why string `json:"why,omitempty"`
	// Fix is what mends it: a command, or what to do. Empty when nothing has to be mended.
	Fix string `json:"fix,omitempty"`
}

// Findings of one check, as it makes them.
type Findings struct {
	check Check
	list  []Finding
}

func (f *Findings) ok(format string, args ...any) {
	f.list = append(f.list, Finding{Check: f.check.Name, Level: OK, Message: fmt.Sprintf(format, args...)})
}

func (f *Findings) warn(fix, format string, args ...any) { f.add(Warn, fix, format, args...) }

func (f *Findings) fail(fix, format string, args ...any) { f.add(Fail, fix, format, args...) }

// skip says which right or kind is missing.
func (f *Findings) skip(fix, format string, args ...any) { f.add(Skip, fix, format, args...) }

func (f *Findings) add(level Level, fix, format string, args ...any) {
	f.list = append(f.list, Finding{Check: f.check.Name, Level: level, Message: fmt.Sprintf(format, args...), Why: f.check.Why, Fix: fix})
}

// bad tells whether anything is wrong so far.
func (f *Findings) bad() bool {
	for _, finding := range f.list {
		if finding.Level == Warn || finding.Level == Fail {
			return true
		}
	}
	return false
}

// Counts of findings by level.
type Counts struct {
	OK   int `json:"ok"`
	Warn int `json:"warn"`
	Fail int `json:"fail"`
	Skip int `json:"skip"`
}

// Diagnosis is all that was found.
type Diagnosis struct {
	// Hub and Spoke tell what the cluster was taken for; it may be both.
	Hub   bool `json:"hub"`
	Spoke bool `json:"spoke"`
	// Cluster of the fleet that was looked at in particular; empty when none was.
	Cluster string `json:"cluster,omitempty"`
	// Findings in the order of the checks.
	Findings []Finding `json:"findings"`
	Counts   Counts    `json:"counts"`
}

func (d *Diagnosis) add(findings []Finding) {
	d.Findings = append(d.Findings, findings...)
	for _, finding := range findings {
		switch finding.Level {
		case OK:
			d.Counts.OK++
		case Warn:
			d.Counts.Warn++
		case Fail:
			d.Counts.Fail++
		case Skip:
			d.Counts.Skip++
		}
	}
}

// shown is how many names a message has at most.
const shown = 5

// several names, the first of them.
func several(names []string) string {
	if len(names) > shown {
		return fmt.Sprintf("%s and %d more", strings.Join(names[:shown], ", "), len(names)-shown)
	}
	return strings.Join(names, ", ")
}
