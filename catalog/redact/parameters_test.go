// SPDX-License-Identifier: Apache-2.0

package redact

import "testing"

func TestParameters(t *testing.T) {
	const parameters = `{"annotations":{"example.com/key.part":"dotted"},"env":[{"name":"A","value":"x"},{"name":"B","value":7}],"n":12345678901234567890,"password":"top <1>"}`
	for path, want := range map[string]string{
		"password":                         `{"annotations":{"example.com/key.part":"dotted"},"env":[{"name":"A","value":"x"},{"name":"B","value":7}],"n":12345678901234567890,"password":"***"}`,
		"env.value":                        `{"annotations":{"example.com/key.part":"dotted"},"env":[{"name":"A","value":"***"},{"name":"B","value":"***"}],"n":12345678901234567890,"password":"top <1>"}`,
		"env":                              `{"annotations":{"example.com/key.part":"dotted"},"env":"***","n":12345678901234567890,"password":"top <1>"}`,
		"annotations.example.com/key.part": `{"annotations":{"example.com/key.part":"***"},"env":[{"name":"A","value":"x"},{"name":"B","value":7}],"n":12345678901234567890,"password":"top <1>"}`,
		"nonesuch":                         parameters,
	} {
		got, err := Parameters([]string{path}, []byte(parameters))
		if err != nil || string(got) != want {
			t.Errorf("%s: %s, want %s, %v", path, got, want, err)
		}
	}
	if _, err := Parameters(nil, []byte(`{`)); err == nil {
		t.Error("no JSON is parameters")
	}
}

func TestCovers(t *testing.T) {
	for _, c := range []struct {
		path string
		at   []string
		want bool
	}{
		{"password", []string{"password"}, true},
		{"password", []string{"password", "more"}, true},
		{"password.more", []string{"password"}, false},
		{"env.value", []string{"env", "0", "value"}, true},
		{"env.value", []string{"env", "0", "name"}, false},
		{"env", []string{"env", "17", "name"}, true},
		{"annotations.example.com/key.part", []string{"annotations", "example.com/key.part"}, true},
		{"pass", []string{"password"}, false},
		{"nested.deep.", []string{"nested", "deep"}, false},
	} {
		if got := Covers([]string{"other", c.path}, c.at); got != c.want {
			t.Errorf("%s covers %v: %t", c.path, c.at, got)
		}
	}
}
