// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"fmt"
	"strings"
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/all"
)

// TestQuiesceSettings: each annotation that is wrong is named, with what would be right.
func TestQuiesceSettings(t *testing.T) {
	job := map[string]string{
		opsv1alpha1.CapabilityQuiesce: "job", opsv1alpha1.AnnotationQuiesceParameters: `{"image":"a"}`,
		opsv1alpha1.AnnotationUnquiesceParameters: `{"image":"a"}`,
	}
	for name, c := range map[string]struct {
		from       map[string]string
		key, value string
		says       string
	}{
		"command":                {byCommands(), "", "", ""},
		"request":                {byRequests(), "", "", ""},
		"engine":                 {job, "", "", ""},
		"selector with sets":     {byCommands(), opsv1alpha1.AnnotationQuiescePods, "app in (web, api),!canary", ""},
		"port by name":           {byRequests(), opsv1alpha1.AnnotationQuiesceURL, "web:http", ""},
		"path with dots":         {byRequests(), opsv1alpha1.AnnotationQuiesceURL, "web:80/.well-known/v1.2/on/", ""},
		"longest timeout":        {byCommands(), opsv1alpha1.AnnotationQuiesceTimeout, "10m", ""},
		"no selector":            {byCommands(), opsv1alpha1.AnnotationQuiescePods, " ", "quiesce-pods is missing: set a label selector"},
		"bad selector":           {byCommands(), opsv1alpha1.AnnotationQuiescePods, "app in web", "quiesce-pods is not a label selector"},
		"no command":             {byCommands(), opsv1alpha1.AnnotationUnquiesceCommand, "", "unquiesce-command must be a JSON array"},
		"a shell's":              {byCommands(), opsv1alpha1.AnnotationQuiesceCommand, "maintenance on", "quiesce-command must be a JSON array"},
		"empty":                  {byCommands(), opsv1alpha1.AnnotationQuiesceCommand, "[]", "quiesce-command must be a JSON array"},
		"numbers":                {byCommands(), opsv1alpha1.AnnotationQuiesceCommand, "[1]", "quiesce-command must be a JSON array"},
		"too short":              {byCommands(), opsv1alpha1.AnnotationQuiesceTimeout, "10ms", "quiesce-timeout must be a duration from 1s to 10m0s"},
		"too long":               {job, opsv1alpha1.AnnotationQuiesceTimeout, "11m", "quiesce-timeout must be a duration from 1s to 10m0s"},
		"no unit":                {byRequests(), opsv1alpha1.AnnotationQuiesceTimeout, "90", "quiesce-timeout must be a duration from 1s to 10m0s"},
		"huge":                   {byCommands(), opsv1alpha1.AnnotationQuiesceCommand, `["` + strings.Repeat("a", maxSetting) + `"]`, "quiesce-command has 4100 bytes"},
		"one URL":                {byRequests(), opsv1alpha1.AnnotationUnquiesceURL, "", "unquiesce-url must be SERVICE:PORT/PATH"},
		"scheme":                 {byRequests(), opsv1alpha1.AnnotationQuiesceURL, "http://web:80/", "quiesce-url must be SERVICE:PORT/PATH"},
		"host":                   {byRequests(), opsv1alpha1.AnnotationQuiesceURL, "web.other.svc:80/", "quiesce-url must be SERVICE:PORT/PATH"},
		"no port":                {byRequests(), opsv1alpha1.AnnotationQuiesceURL, "web/on", "quiesce-url must be SERVICE:PORT/PATH"},
		"leads out":              {byRequests(), opsv1alpha1.AnnotationQuiesceURL, "web:80/../../pods", "quiesce-url must be SERVICE:PORT/PATH"},
		"leads out at the end":   {byRequests(), opsv1alpha1.AnnotationQuiesceURL, "web:80/a/..", "quiesce-url must be SERVICE:PORT/PATH"},
		"leads out by an escape": {byRequests(), opsv1alpha1.AnnotationQuiesceURL, "web:80/%2e%2e/a", "quiesce-url must be SERVICE:PORT/PATH"},
		"query":                  {byRequests(), opsv1alpha1.AnnotationQuiesceURL, "web:80/a?b", "quiesce-url must be SERVICE:PORT/PATH"},
		"both":                   {byRequests(), opsv1alpha1.AnnotationQuiescePods, "app=web", "quiesce-pods does not go with a request: remove it"},
		"command and parameters": {byCommands(), opsv1alpha1.AnnotationQuiesceParameters, "{}", "quiesce-parameters does not go with a command"},
		"engine and command":     {job, opsv1alpha1.AnnotationQuiesceCommand, `["on"]`, "quiesce-command does not go with engine job"},
		"engine without command": {job, opsv1alpha1.CapabilityQuiesce, "velero", `quiesce is "velero": set it to exec or to an engine that does a RunCommand: helmHookJob, job, workflow`},
		"no parameters":          {job, opsv1alpha1.AnnotationUnquiesceParameters, "", "unquiesce-parameters must be a JSON object"},
		"null":                   {job, opsv1alpha1.AnnotationQuiesceParameters, "null", "quiesce-parameters must be a JSON object"},
		"quiesce of a quiesce":   {job, opsv1alpha1.AnnotationQuiesceParameters, `{"quiesce":true}`, "quiesce-parameters has the parameter quiesce"},
	} {
		t.Run(name, func(t *testing.T) {
			settings := map[string]string{}
			for key, value := range c.from {
				settings[key] = value
			}
			if c.key != "" {
				settings[c.key] = c.value
			}
			way, wrong := quiesce{registry: all.Default()}.way(settings)
			switch {
			case c.says == "" && (wrong != nil || way == nil):
				t.Errorf("refused: %v", wrong)
			case c.says != "" && (wrong == nil || !strings.Contains(wrong.Error(), "annotation ops.vworkspace.io/"+c.says)):
				t.Errorf("got %v, want %q", wrong, c.says)
			}
		})
	}
}

func TestTail(t *testing.T) {
	said := &tail{}
	for i := range 2000 {
		if _, err := fmt.Fprintf(said, "line %d password=hunter2\n", i); err != nil {
			t.Fatal(err)
		}
	}
	if len(said.kept) > maxHeard {
		t.Errorf("%d bytes are kept", len(said.kept))
	}
	got := said.String()
	if !strings.HasPrefix(got, "...") || !strings.HasSuffix(got, "line 1999 password=***") || len(got) > maxSaid+3 || strings.Contains(got, "hunter") {
		t.Errorf("said %q", got)
	}
	// The name before a secret may be what was cut off.
	cut := &tail{}
	_, _ = cut.Write([]byte("password=" + strings.Repeat("x", maxHeard) + "\nthe end \xff"))
	if got := cut.String(); got != "the end ?" {
		t.Errorf("said %q", got)
	}
}

func TestAPIServersAnswer(t *testing.T) {
	for answer, want := range map[string]string{
		``: "", `ok`: "", `{"status":"Failure"}`: "", `{"kind":"Status","apiVersion":"v1","status":"Success"}`: "",
		`{"kind":"Status","apiVersion":"v1","status":"Failure","message":"no endpoints available"}`: "the API server says: no endpoints available",
	} {
		if got := apiServers([]byte(answer)); got != want {
			t.Errorf("%s: got %q, want %q", answer, got, want)
		}
	}
}
