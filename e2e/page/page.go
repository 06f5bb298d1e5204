// SPDX-License-Identifier: Apache-2.0

package page

import (
	"bytes"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/yuin/goldmark"
	"github.com/yuin/goldmark/ast"
	"github.com/yuin/goldmark/text"
)

// Verb is what is done with a block.
type Verb string

// Verbs.
const (
	Run      Verb = "run"
	Before   Verb = "before"
	Output   Verb = "output"
	Apply    Verb = "apply"
	Manifest Verb = "manifest"
	File     Verb = "file"
	Fragment Verb = "fragment"
	Shown    Verb = "shown"
	NotRun   Verb = "not run"

	where = "where"
)

// Step is a block of a page, or commands that set the scene.
type Step struct {
	Directive
	// Line of the page where its text begins, from 1 on.
	Line int
	// Language of a fenced block; empty when it does not say one.
	Language string
	// Text of the block, with names replaced as the page says.
	Text string
}

// Parse a page. All that is wrong is in the error, a line each.
func Parse(source []byte) ([]Step, error) {
	r := &reader{source: source, names: names{}}
	document := goldmark.DefaultParser().Parse(text.NewReader(source))
	_ = ast.Walk(document, func(n ast.Node, entering bool) (ast.WalkStatus, error) {
		if entering {
			r.visit(n)
		}
		return ast.WalkContinue, nil
	})
	r.settle()
	return r.steps, errors.Join(r.wrong...)
}

// reader walks through a page.
type reader struct {
	source  []byte
	names   names
	pending *Step // what the last comment says, for the block that must follow
	steps   []Step
	wrong   []error
}

func (r *reader) visit(n ast.Node) {
	switch n := n.(type) {
	case *ast.HTMLBlock:
		r.comment(n)
	case *ast.CodeBlock:
		r.block(n, "")
	case *ast.FencedCodeBlock:
		r.block(n, string(n.Language(r.source)))
	default:
		if n.Type() == ast.TypeBlock && n.Kind() != ast.KindDocument {
			r.settle()
		}
	}
}

// settle complains about a comment that no block has followed.
func (r *reader) settle() {
	if r.pending != nil {
		r.complain(r.pending.Line, "this comment is about a block of code, and none follows it")
		r.pending = nil
	}
}

func (r *reader) comment(n *ast.HTMLBlock) {
	raw, line := r.text(n)
	if n.HasClosure() {
		raw += string(n.ClosureLine.Value(r.source))
	}
	raw, isComment := strings.CutPrefix(strings.TrimSpace(raw), "<!--")
	raw, closed := strings.CutSuffix(raw, "-->")
	if !isComment {
		return
	}
	r.settle()
	if !closed {
		r.complain(line, "this comment does not end where its list or quotation does: indent all of its lines")
		return
	}
	head, body, _ := strings.Cut(strings.TrimSpace(raw)+"\n", "\n")
	if names, ok := strings.CutPrefix(head, where+":"); ok {
		r.replace(line, names+" "+body)
		return
	}
	d, known, err := parseDirective(head)
	switch {
	case !known:
	case err != nil:
		r.complain(line, "%v", err)
		// The block that follows has been spoken of.
		r.pending = &Step{Directive: Directive{Verb: Shown}, Line: line}
	case d.Verb == Before:
		r.steps = append(r.steps, Step{Directive: d, Line: line + 1, Text: r.names.replace(body)})
	default:
		r.pending = &Step{Directive: d, Line: line}
	}
}

func (r *reader) block(n ast.Node, language string) {
	body, line := r.text(n)
	if r.pending == nil {
		r.complain(line, "this block says not what is done with it: write a comment right before it, such as <!-- run: hub --> (go doc vworkspace.io/fleet/e2e/page)")
		return
	}
	step := *r.pending
	r.pending = nil
	step.Line, step.Language, step.Text = line, language, r.names.replace(body)
	if problem := step.odd(); problem != "" {
		r.complain(line, "%s", problem)
	}
	r.steps = append(r.steps, step)
}

// replace takes NAME=VALUE, ...
func (r *reader) replace(line int, names string) {
	for pair := range strings.SplitSeq(names, ",") {
		name, value, ok := strings.Cut(strings.TrimSpace(pair), "=")
		if !ok || name == "" {
			r.complain(line, "where: %q is not NAME=VALUE", strings.TrimSpace(pair))
			return
		}
		r.names[name] = value
	}
}

// text of a block, and the line where it begins.
func (r *reader) text(n ast.Node) (string, int) {
	lines := n.Lines()
	if lines.Len() == 0 {
		return "", 0
	}
	return string(lines.Value(r.source)), 1 + bytes.Count(r.source[:lines.At(0).Start], []byte("\n"))
}

func (r *reader) complain(line int, format string, args ...any) {
	r.wrong = append(r.wrong, fmt.Errorf("line %d: "+format, append([]any{line}, args...)...))
}

// odd says what does not fit together in a step.
func (s *Step) odd() string {
	isYAML, isManifest := s.Language == "yaml", wholeManifest.MatchString(s.Text)
	switch {
	case isYAML && (s.Verb == Run || s.Verb == Output || s.Verb == NotRun):
		return "YAML cannot be run: say apply, manifest, file or fragment"
	case isManifest && s.Verb == Fragment:
		return "this is no fragment but a manifest: say apply, manifest or file, and the cluster that checks it"
	case isManifest && s.Verb == File && s.Cluster == "":
		return "this file is a manifest: say on: and the cluster that checks it"
	case isYAML && s.Verb == Shown:
		return "YAML is always checked: say apply, manifest, file or fragment"
	}
	return ""
}

var wholeManifest = regexp.MustCompile(`(?m)^apiVersion: `)
