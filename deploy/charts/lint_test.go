// SPDX-License-Identifier: Apache-2.0

package charts

import (
	"testing"

	"helm.sh/helm/v3/pkg/lint"
	"helm.sh/helm/v3/pkg/lint/support"
)

// TestLint: `helm lint` has nothing to say.
func TestLint(t *testing.T) {
	cases(t, func(t *testing.T, chart string, values map[string]any) {
		for _, m := range lint.AllWithKubeVersion(chart, values, "fleet-system", nil).Messages {
			if m.Severity > support.InfoSev {
				t.Error(m)
			}
		}
	})
}
