// SPDX-License-Identifier: Apache-2.0

package expressions

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

var gold = Cluster{
	Name:   "spoke1",
	Labels: map[string]string{"region": "eu-central", "tier": "gold", "n": "7", "quote": `say "hi" & <go>`},
	Claims: map[string]string{"nextcloud.app.vworkspace.io": "3", "platform.open-cluster-management.io": "AWS"},
}

func raw(s string) *runtime.RawExtension { return &runtime.RawExtension{Raw: []byte(s)} }

// render parameters for a cluster, or say what is wrong.
func render(parameters string, c Cluster) string {
	form, errs := Read(raw(parameters))
	switch {
	case len(errs) > 0:
		return errs.ToAggregate().Error()
	case form == nil:
		return parameters
	}
	row, failure := form.Row(c)
	if failure != nil {
		return fmt.Sprintf("%s: ${%s}: %v", Path(form.Blanks[failure.Blank].At), failure.Text, failure.Cause)
	}
	filled, err := Fill(raw(parameters), form.Blanks, row)
	if err != nil {
		return err.Error()
	}
	return string(filled.Raw)
}

func TestRender(t *testing.T) {
	for name, c := range map[string]struct{ parameters, want string }{
		"nothing":                     {`{"a":"b"}`, `{"a":"b"}`},
		"a label":                     {`{"r":"${cluster.labels['region']}"}`, `{"r":"eu-central"}`},
		"a label as a field":          {`{"r":"${cluster.labels.region}"}`, `{"r":"eu-central"}`},
		"the name":                    {`{"r":"${cluster.name}"}`, `{"r":"spoke1"}`},
		"a claim":                     {`{"r":"${cluster.claims['nextcloud.app.vworkspace.io']}"}`, `{"r":"3"}`},
		"a whole number":              {`{"r":"${cluster.labels['tier'] == 'gold' ? 3 : 1}"}`, `{"r":3}`},
		"a large number":              {`{"r":"${cluster.name == '' ? 0 : 9007199254740993}"}`, `{"r":9007199254740993}`},
		"a number from text":          {`{"r":"${int(cluster.labels['n']) * 2}"}`, `{"r":14}`},
		"a broken number":             {`{"r":"${double(cluster.labels['n']) / 2.0}"}`, `{"r":3.5}`},
		"true":                        {`{"r":"${'tier' in cluster.labels}"}`, `{"r":true}`},
		"a default":                   {`{"r":"${cluster.labels[?'zone'].orValue('none')}"}`, `{"r":"none"}`},
		"inside a text":               {`{"r":"s3://b-${cluster.labels['region']}/${cluster.name}/x"}`, `{"r":"s3://b-eu-central/spoke1/x"}`},
		"a number inside a text":      {`{"r":"n=${int(cluster.labels['n']) + 1}, ${1.5 + double(cluster.labels['n'])}, ${cluster.name == 'x'}"}`, `{"r":"n=8, 8.5, false"}`},
		"two beside each other":       {`{"r":"${cluster.name}${cluster.name}"}`, `{"r":"spoke1spoke1"}`},
		"a space makes it text":       {`{"r":" ${1 + int(cluster.labels['n'])}"}`, `{"r":" 8"}`},
		"deep":                        {`{"a":[{"b":["x","${cluster.name}"]}],"n":12345678901234567890}`, `{"a":[{"b":["x","spoke1"]}],"n":12345678901234567890}`},
		"names with dots":             {`{"a.b":{"c/d":"${cluster.name}"}}`, `{"a.b":{"c/d":"spoke1"}}`},
		"quotes in a value":           {`{"r":"${cluster.labels['quote']}!"}`, `{"r":"say \"hi\" & <go>!"}`},
		"braces in a string":          {`{"r":"${'{' + cluster.name + '}'}"}`, `{"r":"{spoke1}"}`},
		"braces of a map":             {`{"r":"${{'gold': 'a', 'x': 'b'}[cluster.labels['tier']]}"}`, `{"r":"a"}`},
		"the shell's variables":       {`{"r":"echo ${HOME} $HOME ${#a[@]} ${x:-y} ${my_cluster} ${clusters} ${$cluster}"}`, `{"r":"echo ${HOME} $HOME ${#a[@]} ${x:-y} ${my_cluster} ${clusters} ${$cluster}"}`},
		"the shell's escapes":         {`{"r":"$${HOME} $$"}`, `{"r":"$${HOME} $$"}`},
		"an unclosed one":             {`{"r":"${HOME and it's the cluster's"}`, `{"r":"${HOME and it's the cluster's"}`},
		"in a shell's default":        {`{"r":"${REGION:-${cluster.labels['region']}}"}`, `{"r":"${REGION:-eu-central}"}`},
		"a word in a string":          {`{"r":"${x['cluster']}"}`, `{"r":"${x['cluster']}"}`},
		"a field of that name":        {`{"r":"${x.cluster}"}`, `{"r":"${x.cluster}"}`},
		"an escape":                   {`{"r":"echo $${cluster:-none} ${cluster.name}"}`, `{"r":"echo ${cluster:-none} spoke1"}`},
		"an escape alone":             {`{"r":"$${cluster.name}"}`, `{"r":"${cluster.name}"}`},
		"an escape after a dollar":    {`{"r":"$$${cluster.name}"}`, `{"r":"$${cluster.name}"}`},
		"an escape that is unclosed":  {`{"r":"$${cluster.name"}`, `{"r":"${cluster.name"}`},
		"no such label":               {`{"r":"${cluster.labels['zone']}"}`, `spec.parameters.r: ${cluster.labels['zone']}: no such key: zone`},
		"no such claim":               {`{"a":{"r":["${cluster.claims['x']}"]}}`, `spec.parameters.a.r.0: ${cluster.claims['x']}: no such key: x`},
		"no such field":               {`{"r":"${cluster.region}"}`, `spec.parameters.r: Invalid value: the expression does not compile: undeclared reference to 'cluster'; known are cluster.name, `},
		"the variable alone":          {`{"r":"${cluster}"}`, `undeclared reference to 'cluster'; known are`},
		"the shell's default":         {`{"r":"${cluster:-none}"}`, `the expression does not compile: syntax error at character 8; known are`},
		"another variable":            {`{"r":"${cluster.name + other}"}`, `undeclared reference to 'other'`},
		"a mix of types":              {`{"r":"${cluster.labels['n'] + 1}"}`, `found no matching overload for '_+_'`},
		"a list":                      {`{"r":"${[cluster.name]}"}`, `the expression yields list(string), and must yield a string, a number, true or false`},
		"a map":                       {`{"r":"${cluster.labels}"}`, `the expression yields map(string, string), and must`},
		"null":                        {`{"r":"${cluster.name == '' ? null : null}"}`, `the expression yields null`},
		"a hidden list":               {`{"r":"${dyn([cluster.name])}"}`, `spec.parameters.r: ${dyn([cluster.name])}: it yields list, and must yield`},
		"an optional value":           {`{"r":"${cluster.labels[?'zone']}"}`, `yields optional_type(string)`},
		"no number":                   {`{"r":"${double(cluster.labels['n']) / 0.0}"}`, `it yields no finite number`},
		"no closing brace":            {`{"r":"${cluster.name"}`, `has no closing brace`},
		"no closing quote":            {`{"r":"${cluster.labels['region}"}`, `has no closing brace within 1024 characters, or a quote`},
		"too long":                    {`{"r":"${cluster.name + '` + strings.Repeat("x", 1024) + `'}"}`, `has no closing brace within 1024 characters`},
		"too long a value":            {`{"r":"${[1,2,3,4,5,6,7,8,9,10].map(i, cluster.name + '` + strings.Repeat("y", 200) + `').join('-')}"}`, `2073 bytes together, and may have 1024`},
		"too dear":                    {`{"r":"${[1,2,3,4,5,6,7,8,9].all(a, [1,2,3,4,5,6,7,8,9].all(b, [1,2,3,4,5,6,7,8,9].all(c, [1,2,3,4,5,6,7,8,9].all(d, cluster.name != ''))))}"}`, `cost limit exceeded`},
		"the name of a field":         {`{"${cluster.name}":1}`, `the name of a field holds no expression`},
		"too many":                    {many(33, 1), `at most 32 expressions at 64 places`},
		"in too many places":          {many(1, 65), `at most 32 expressions at 64 places`},
		"a secret in the wrong place": {`{"r":"${cluster.name + 'hunter2}"}`, `has no closing brace`},
	} {
		t.Run(name, func(t *testing.T) {
			got := render(c.parameters, gold)
			if whole := strings.HasPrefix(c.want, "{"); got != c.want && (whole || !strings.Contains(got, c.want)) || strings.Contains(got, "hunter2") {
				t.Errorf("got  %s\nwant %s", got, c.want)
			}
		})
	}
}

func many(expressions, times int) string {
	var b strings.Builder
	for i := range expressions {
		for range times {
			fmt.Fprintf(&b, "${cluster.name + '%d'} ", i)
		}
	}
	return `{"r":"` + b.String() + `"}`
}

// TestWhatIsNoParameters: what cannot be read is for others to say.
func TestWhatIsNoParameters(t *testing.T) {
	for _, p := range []*runtime.RawExtension{nil, raw(""), raw("null"), raw("[1]"), raw(`"x"`), raw(`{"a`), raw("7")} {
		if form, errs := Read(p); form != nil || len(errs) > 0 {
			t.Errorf("%s: %+v %v", p, form, errs)
		}
	}
}

// TestUnfilled: on a cluster, what a hub would fill in is refused, and nothing else: shells have such words, too.
func TestUnfilled(t *testing.T) {
	for _, c := range []struct{ parameters, root, at string }{
		{`{"a":{"b":"x ${cluster.labels['region']}"}}`, "", "spec.parameters.a.b: Forbidden: it holds an expression about the cluster, and there is no hub here"},
		{`{"a":{"b":"x ${cluster.labels['region']}"}}`, "uid", ""},
		{`{"a":"${cluster:-none} ${cluster} ${HOME}"}`, "", ""},
		{`{"a":"${DOMAIN:-cluster.local}","b":"$${cluster.name}"}`, "", ""},
		{`{"a":"${cluster:-x} ${cluster.name}"}`, "", "spec.parameters.a"},
		{`{`, "", ""},
	} {
		op := &opsv1alpha1.Operation{Spec: opsv1alpha1.OperationSpec{Parameters: raw(c.parameters)}}
		if c.root != "" {
			op.Labels = map[string]string{opsv1alpha1.LabelRoot: c.root}
		}
		got := ""
		if errs := Unfilled(op); len(errs) > 0 {
			got = errs.ToAggregate().Error()
		}
		if (got == "") != (c.at == "") || !strings.HasPrefix(got, c.at) {
			t.Errorf("%s: %q, want %q", c.parameters, got, c.at)
		}
	}
}

// TestFillRefusesWhatDoesNotFit: blanks that were not made for these parameters are never filled in somewhere else.
func TestFillRefusesWhatDoesNotFit(t *testing.T) {
	row := json.RawMessage(`["x"]`)
	for name, c := range map[string]struct {
		parameters string
		blank      Blank
		row        json.RawMessage
	}{
		"no such field":  {`{"a":1}`, Blank{At: []string{"b"}, Values: []int{0}}, row},
		"no such item":   {`{"a":[1]}`, Blank{At: []string{"a", "1"}, Values: []int{0}}, row},
		"no list":        {`{"a":1}`, Blank{At: []string{"a", "0"}, Values: []int{0}}, row},
		"no such value":  {`{"a":1}`, Blank{At: []string{"a"}, Values: []int{1}}, row},
		"two values":     {`{"a":1}`, Blank{At: []string{"a"}, Values: []int{0, 0}}, row},
		"too few texts":  {`{"a":1}`, Blank{At: []string{"a"}, Text: []string{"x"}, Values: []int{0}}, row},
		"no row":         {`{"a":1}`, Blank{At: []string{"a"}, Values: []int{0}}, nil},
		"another row":    {`{"a":1}`, Blank{At: []string{"a"}, Values: []int{0}}, json.RawMessage(`{}`)},
		"no parameters":  {``, Blank{At: []string{"a"}, Values: []int{0}}, row},
		"not an index":   {`{"a":[1]}`, Blank{At: []string{"a", "x"}, Values: []int{0}}, row},
		"a negative one": {`{"a":[1]}`, Blank{At: []string{"a", "-1"}, Values: []int{0}}, row},
	} {
		if filled, err := Fill(raw(c.parameters), []Blank{c.blank}, c.row); err == nil {
			t.Errorf("%s: %s", name, filled.Raw)
		}
	}
}

// FuzzRead: whatever people write, it is refused or filled in; what is no expression stays as it is, byte for byte; and what was filled in never is again.
func FuzzRead(f *testing.F) {
	for _, s := range []string{
		"${cluster.name}", "a ${cluster.labels['region']} b", "$${cluster.name}", "${HOME}", "${a:-${cluster.name}}", "${'}' + cluster.name}", "${cluster.name", "$$${x}",
		`${r'\' + cluster.name}`, "${'''\n''' + cluster.name}",
	} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		parameters, err := encode(map[string]any{"p": s})
		var back map[string]string
		if err != nil || json.Unmarshal(parameters, &back) != nil {
			return // no JSON says it
		}
		s = back["p"] // as JSON has it
		form, errs := Read(raw(string(parameters)))
		switch {
		case len(errs) > 0:
		case form == nil:
			staysAsItIs(t, s)
		default:
			isFilledIn(t, form, parameters)
		}
	})
}

// staysAsItIs holds that a string without an expression is left as it is.
func staysAsItIs(t *testing.T, s string) {
	t.Helper()
	pieces, changed := split(s)
	if changed {
		t.Fatalf("%q is changed, and nothing is to be filled in", s)
	}
	if len(pieces) > 1 || len(pieces) == 1 && pieces[0].text != s || len(pieces) == 0 && s != "" {
		t.Fatalf("%q is no expression, and becomes %+v", s, pieces)
	}
}

// isFilledIn holds that an expression comes to the same each time, or that it is said which comes to nothing.
func isFilledIn(t *testing.T, form *Form, parameters []byte) {
	t.Helper()
	row, failure := form.Row(gold)
	if failure != nil {
		if form.Blanks[failure.Blank].At[0] != "p" || failure.Text == "" {
			t.Fatalf("%+v", failure)
		}
		return
	}
	filled, err := Fill(raw(string(parameters)), form.Blanks, row)
	if err != nil {
		t.Fatal(err)
	}
	again, err := Fill(raw(string(parameters)), form.Blanks, row)
	if err != nil || string(again.Raw) != string(filled.Raw) {
		t.Fatalf("%s and %s, %v", filled.Raw, again.Raw, err)
	}
}

// FuzzSplit: the pieces of a string say all that is in it, but for the dollars of escapes and the braces.
func FuzzSplit(f *testing.F) {
	f.Add("a ${cluster.name} b $${cluster} ${x}")
	f.Fuzz(func(t *testing.T, s string) {
		pieces, _ := split(s)
		length := 0
		for i, p := range pieces {
			length += len(p.text)
			if p.isExpression && !strings.Contains(p.text, variable) {
				t.Fatalf("%q does not refer to %s", p.text, variable)
			}
			if i > 0 && !p.isExpression && !pieces[i-1].isExpression {
				t.Fatalf("two texts beside each other in %+v", pieces)
			}
			if p.isExpression {
				length += len(opening)
			}
			if p.isExpression && !p.unclosed {
				length++
			}
		}
		if length > len(s) || length < len(s)-strings.Count(s, escaped)-strings.Count(s, "}") {
			t.Fatalf("%q has %d bytes, and its pieces %d: %+v", s, len(s), length, pieces)
		}
	})
}

// BenchmarkRow: what a fleet of ten thousand costs is ten thousand times this.
func BenchmarkRow(b *testing.B) {
	form, errs := Read(raw(`{"a":"${cluster.labels['region']}","b":"${cluster.labels['tier'] == 'gold' ? 3 : 1}","c":"x-${cluster.name}"}`))
	if len(errs) > 0 {
		b.Fatal(errs)
	}
	for b.Loop() {
		if _, failure := form.Row(gold); failure != nil {
			b.Fatal(failure)
		}
	}
}

// BenchmarkHostile: a text that is made to be read again and again.
func BenchmarkHostile(b *testing.B) {
	p := raw(`{"a":"` + strings.Repeat(`${\\'`, 25_000) + `"}`)
	for b.Loop() {
		_, _ = Read(p)
	}
}
