// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"strings"
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// TestAdvice: whatever an Operation waits for has an advice, and every advice is whole.
func TestAdvice(t *testing.T) {
	for _, reason := range patient {
		if advices[reason] == "" {
			t.Errorf("nobody is told what to do about %s", reason)
		}
	}
	for reason := range advices {
		got := advise(reason, spot{namespace: "shops", on: " on eu-7", fleet: "nightly", logs: "vw logs op nightly"})
		if got == "" || strings.ContainsAny(got, "{}%") || strings.HasSuffix(got, ".") {
			t.Errorf("%s: %q", reason, got)
		}
	}
}

func TestReasonIn(t *testing.T) {
	for message, want := range map[string]string{
		"1 of 2 failed: shops/a: NamespaceNotGated: namespace shops is not open":                      opsv1alpha1.ReasonNamespaceNotGated,
		"0 of 2 done, 1 failed: shops/a: Timeout: x, 1 blocked: shops/b: MissingSecret: no Secret db": opsv1alpha1.ReasonTimeout,
		"1 of 1 failed: shops/a: SomethingElse: x":                                                    opsv1alpha1.ReasonSomeFailed,
	} {
		if got := reasonIn(opsv1alpha1.ReasonSomeFailed, message); got != want {
			t.Errorf("%q names %s, want %s", message, got, want)
		}
	}
}
