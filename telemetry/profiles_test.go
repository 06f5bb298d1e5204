// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"strings"
	"testing"
)

func TestProfiles(t *testing.T) {
	for address, want := range map[string]string{
		"0": "", "127.0.0.1:6060": "", "localhost:6060": "", "[::1]:6060": "",
		"6060":             "say an address such as 127.0.0.1:6060",
		":6060":            `"" is not on loopback`,
		"0.0.0.0:6060":     `"0.0.0.0" is not on loopback`,
		"hub.example:6060": `"hub.example" is not on loopback`,
	} {
		p := Profiles("before")
		err := p.Set(address)
		if want == "" {
			if err != nil || p.String() != address {
				t.Errorf("%s: %q, %v", address, p, err)
			}
		} else if err == nil || !strings.Contains(err.Error(), want) || p != "before" {
			t.Errorf("%s: %q, %v, want %s", address, p, err, want)
		}
	}
}
