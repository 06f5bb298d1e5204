// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestCompleteNames: what the scripts of all shells ask for is answered with names.
func TestCompleteNames(t *testing.T) {
	ns := namespace(t)
	created(t, ns, "nightly", fleetSpec(opsv1alpha1.TypeBackup), opsv1alpha1.OperationStatus{})
	for typed, want := range map[string]string{
		"get op ni":                     "nightly",
		"get op nightly --clusters n":   "",
		"get ni":                        "nightly",
		"get tem":                       "templates",
		"get clusters --of ":            "nightly",
		"get op --sort-by ":             "age duration name phase",
		"doctor --only we":              "webhooks",
		"get op -o wi":                  "wide",
		"get op --namespace " + ns[:5]:  ns,
		"completion ku":                 "kubectl",
		"apps --by ":                    "cluster",
		"templates no-such-template-at": "",
	} {
		args := append([]string{"__complete", "--kubeconfig", kubeconfig, "-n", ns}, strings.Split(typed, " ")...)
		got := vwWith(t, "", args...)
		lines := strings.Split(got.out, "\n")
		var offered []string
		for _, line := range lines {
			if name, _, _ := strings.Cut(line, "\t"); name != "" && !strings.HasPrefix(name, ":") {
				offered = append(offered, name)
			}
		}
		if joined := " " + strings.Join(offered, " ") + " "; got.status != ExitOK || want == "" && len(offered) > 0 || !strings.Contains(joined, want) {
			t.Errorf("vw %s<Tab> offers %v (%d, %s), want %s", typed, offered, got.status, got.errOut, want)
		}
	}
}

// TestCompletionScripts: they are there for all shells, and bash takes its own.
func TestCompletionScripts(t *testing.T) {
	for shell, words := range map[string]string{"bash": "__start_vw", "zsh": "#compdef vw", "fish": "complete -c vw", "kubectl": `exec kubectl-vw __complete "$@"`} {
		got := vw(t, "completion", shell)
		if got.status != ExitOK || !strings.Contains(got.out, words) {
			t.Errorf("%s: %d %s %.200s", shell, got.status, got.errOut, got.out)
		}
		if interpreter := map[string]string{"bash": "bash", "kubectl": "sh", "zsh": "zsh", "fish": "fish"}[shell]; interpreter != "" {
			path, err := exec.LookPath(interpreter)
			if err != nil {
				continue // not on this machine
			}
			script := filepath.Join(t.TempDir(), "script")
			if err := os.WriteFile(script, []byte(got.out), 0o600); err != nil {
				t.Fatal(err)
			}
			if out, err := exec.CommandContext(t.Context(), path, "-n", script).CombinedOutput(); err != nil {
				t.Errorf("%s does not understand it: %v %s", interpreter, err, out)
			}
		}
	}
}
