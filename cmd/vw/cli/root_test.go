// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"strings"
	"testing"
)

func TestDisplayName(t *testing.T) {
	for program, want := range map[string]string{"vw": "vw", "/usr/bin/vw": "vw", "kubectl-vw": "kubectl vw", "/x/kubectl-vw": "kubectl vw"} {
		if got := displayName(program); got != want {
			t.Errorf("%s is shown as %q, want %q", program, got, want)
		}
	}
}

func TestUnknownCommand(t *testing.T) {
	got := vw(t, "bakcup")
	if got.status != ExitError || !strings.Contains(got.errOut, `unknown command "bakcup"`) {
		t.Errorf("%+v", got)
	}
}
