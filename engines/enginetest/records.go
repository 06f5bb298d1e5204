// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"testing"
)

// PackRecord stores a release record the way Helm does: base64 of gzip.
func PackRecord(t testing.TB, text []byte) []byte {
	t.Helper()
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	if _, err := w.Write(text); err != nil {
		t.Fatal(err)
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return []byte(base64.StdEncoding.EncodeToString(packed.Bytes()))
}
