// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"testing"

	"vworkspace.io/fleet/engines/enginetest"
)

func TestGolden(t *testing.T) { enginetest.Golden(t, New(), "testdata") }
