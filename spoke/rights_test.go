// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/util/validation"
)

// TestRoleFor: what it is about has a Role of its own, however long its name is.
func TestRoleFor(t *testing.T) {
	seen := map[string]string{}
	long := strings.Repeat("a.b-", 63)
	for _, what := range []string{"web", "api", "web-2", long + "x", long + "y", long[:230], long[:231]} {
		name := roleFor("vworkspace-quiesce-exec", what)
		if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
			t.Errorf("%q becomes %q: %v", what, name, errs)
		}
		if other, taken := seen[name]; taken {
			t.Errorf("%q and %q are both %q", what, other, name)
		}
		seen[name] = what
	}
}
