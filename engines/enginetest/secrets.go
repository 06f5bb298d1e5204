// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// minSecret is how long a value has to be to count as a secret: shorter ones are in every text.
const minSecret = 6

// secretsOf the objects: what it returns fails a test that lets one of their values be told.
func secretsOf(objects []client.Object) func(t testing.TB, who string, told ...any) {
	var values []string
	for _, obj := range objects {
		secret, ok := obj.(*corev1.Secret)
		if !ok {
			continue
		}
		for _, v := range secret.Data {
			values = append(values, string(v))
		}
		for _, v := range secret.StringData {
			values = append(values, v)
		}
	}
	return func(t testing.TB, who string, told ...any) {
		t.Helper()
		text, err := yaml.Marshal(told)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range values {
			if len(v) >= minSecret && strings.Contains(string(text), v) {
				t.Errorf("%s tells a value of a Secret", who)
			}
		}
	}
}
