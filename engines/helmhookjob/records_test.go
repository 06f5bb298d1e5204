// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"helm.sh/helm/v3/pkg/release"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"vworkspace.io/fleet/engines/enginetest"
	"vworkspace.io/fleet/engines/helmrecord"
)

// records makes the Secrets of the releases in a case's releases.yaml, which has the fields of Helm's own type of a release.
func records(t testing.TB, folder string) []client.Object {
	t.Helper()
	raw, err := os.ReadFile(filepath.Join(folder, "releases.yaml"))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	var objects []client.Object
	for _, document := range bytes.Split(raw, []byte("\n---\n")) {
		rls := &release.Release{}
		if err := yaml.UnmarshalStrict(document, rls); err != nil {
			t.Fatalf("%s: %v", folder, err)
		}
		text, err := json.Marshal(rls)
		if err != nil {
			t.Fatal(err)
		}
		objects = append(objects, secretOf(rls.Namespace, fmt.Sprintf("sh.helm.release.v1.%s.v%d", rls.Name, rls.Version),
			fmt.Sprintf("record-%d", rls.Version), enginetest.PackRecord(t, text)))
	}
	return objects
}

func secretOf(namespace, name, uid string, data []byte) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name, UID: types.UID(uid)},
		Type:       helmrecord.SecretType,
		Data:       map[string][]byte{helmrecord.SecretKey: data},
	}
}
