// SPDX-License-Identifier: Apache-2.0

package cli

import "testing"

func TestUnknownCommand(t *testing.T) {
	if got := vw(t, "no-such"); got.status != 1 {
		t.Errorf("%+v", got)
	}
}
