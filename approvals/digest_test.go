// SPDX-License-Identifier: Apache-2.0

package approvals

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"reflect"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func operation() *opsv1alpha1.Operation {
	return &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "upgrade"},
		Spec: opsv1alpha1.OperationSpec{
			Placement:  &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}},
			Selector:   &opsv1alpha1.InstanceSelector{Names: []string{"web"}},
			Type:       opsv1alpha1.TypeUpgrade,
			Parameters: &runtime.RawExtension{Raw: []byte(`{ "targetVersion": "1.10", "values": {"b": [1, 2.50, null], "a": "<é\u2028\"\\>"} }`)},
			Timeout:    &metav1.Duration{Duration: time.Hour},
		},
	}
}

// TestCanonicalForm holds the form that docs/how-to/approve.md promises to those who write it in other languages.
func TestCanonicalForm(t *testing.T) {
	const want = `{"name":"upgrade","namespace":"shops","spec":{` +
		`"parameters":{"targetVersion":"1.10","values":{"a":"<é` + "\u2028" + `\"\\>","b":[1,2.50,null]}},` +
		`"placement":{"placementRef":{"name":"all"}},"selector":{"names":["web"]},"timeout":"1h0m0s","type":"Upgrade"}}`
	form, err := canonicalForm(operation())
	if err != nil || string(form) != want {
		t.Errorf("%v\n%s\n%s", err, form, want)
	}
	sum := sha256.Sum256([]byte(want))
	if digest, err := Digest(operation()); err != nil || digest != hex.EncodeToString(sum[:]) {
		t.Error(digest, err)
	}
}

func TestCanonicalStrings(t *testing.T) {
	for _, s := range []string{"", "plain", "\x00\x1f\b\t\n\f\r\"\\/", "\u007f\u2028\u2029", "<>&", "日本", "😀"} {
		out := appendString(nil, s)
		var back string
		if err := json.Unmarshal(out, &back); err != nil || back != s {
			t.Errorf("%q becomes %s: %q %v", s, out, back, err)
		}
	}
	if got := string(appendString(nil, "\x01\b/\u007f")); got != `"\u0001\b/`+"\u007f"+`"` {
		t.Error(got)
	}
}

// TestDigestCoversTheSpec: everything that is asked for changes the digest, also what is added to the API one day, and what may change after the
// approval does not.
func TestDigestCoversTheSpec(t *testing.T) {
	digest := func(op *opsv1alpha1.Operation) string {
		t.Helper()
		d, err := Digest(op)
		if err != nil {
			t.Fatal(err)
		}
		return d
	}
	plain := digest(operation())
	free := map[string]bool{"Approvals": true, "Cancel": true, "Suspend": true, "Rollout": true, "Retry": true}
	spec := reflect.TypeFor[opsv1alpha1.OperationSpec]()
	for i := range spec.NumField() {
		op := operation()
		field := reflect.ValueOf(&op.Spec).Elem().Field(i)
		other := reflect.New(field.Type()).Elem()
		switch {
		case field.Kind() == reflect.Pointer && field.IsNil():
			other.Set(reflect.New(field.Type().Elem())) // there, and empty
		case field.Kind() == reflect.Bool:
			other.SetBool(true)
		case field.Kind() == reflect.String && field.Len() == 0:
			other.SetString("something")
		}
		field.Set(other)
		if name := spec.Field(i).Name; (digest(op) == plain) != free[name] {
			t.Errorf("spec.%s: in the digest: %t", name, digest(op) != plain)
		}
	}
	named, placed := operation(), operation()
	named.Name, placed.Namespace = "other", "other"
	if digest(named) == plain || digest(placed) == plain {
		t.Error("the digest is the same for an Operation of another name or namespace")
	}
	same := operation()
	same.UID, same.Generation, same.Labels = "uid", 7, map[string]string{"a": "b"}
	same.Spec.Parameters.Raw = []byte(`{"values":{"a":"\u003cé\u2028\u0022\\>","b":[1,2.50,null]},"targetVersion":"1.10"}`)
	if digest(same) != plain {
		t.Error("the digest is another one for the same request")
	}
	spoilt := operation()
	spoilt.Spec.Parameters.Raw = []byte(`{`)
	if _, err := Digest(spoilt); err == nil {
		t.Error("parameters that are not JSON have a digest")
	}
}
