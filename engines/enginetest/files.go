// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/serializer"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"
)

// ReadObjects decodes the documents of a YAML file, strictly. A file that does not exist has none.
func ReadObjects(t testing.TB, file string) []client.Object {
	t.Helper()
	raw, err := os.ReadFile(file)
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	if err != nil {
		t.Fatal(err)
	}
	objects, err := decodeObjects(newScheme(), raw)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return objects
}

func decodeObjects(s *runtime.Scheme, raw []byte) ([]client.Object, error) {
	decoder := serializer.NewCodecFactory(s, serializer.EnableStrict).UniversalDeserializer()
	documents := utilyaml.NewDocumentDecoder(io.NopCloser(bytes.NewReader(raw)))
	var objects []client.Object
	buffer := make([]byte, len(raw)+1)
	for {
		n, err := documents.Read(buffer)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(bytes.TrimSpace(stripComments(buffer[:n]))) == 0 {
			continue
		}
		decoded, _, err := decoder.Decode(buffer[:n], nil, nil)
		if err != nil {
			return nil, err
		}
		obj, ok := decoded.(client.Object)
		if !ok {
			return nil, fmt.Errorf("%T is not an object", decoded)
		}
		objects = append(objects, obj)
	}
}

// stripComments leaves what is not a comment, to tell an empty document.
func stripComments(document []byte) []byte {
	var rest [][]byte
	for _, line := range bytes.Split(document, []byte("\n")) {
		if !bytes.HasPrefix(bytes.TrimSpace(line), []byte("#")) && !bytes.Equal(bytes.TrimSpace(line), []byte("---")) {
			rest = append(rest, line)
		}
	}
	return bytes.Join(rest, []byte("\n"))
}

// readOne decodes the one object of a file, or the zero value when the file does not exist.
func readOne[T client.Object](t testing.TB, file string) T {
	t.Helper()
	var zero T
	objects := ReadObjects(t, file)
	if len(objects) == 0 {
		return zero
	}
	obj, ok := objects[0].(T)
	if !ok || len(objects) > 1 {
		t.Fatalf("%s: want one %T", file, zero)
	}
	return obj
}

// compare holds what was said against a golden file, or writes the file.
func compare(t testing.TB, file string, said any) {
	t.Helper()
	got, err := yaml.Marshal(said)
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatalf("%v: run the test with -update, then read what it wrote", err)
	}
	if diff := difference(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", filepath.Base(file), diff)
	}
}
