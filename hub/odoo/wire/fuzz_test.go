// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"bytes"
	"crypto/ed25519"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/gowebpki/jcs"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// FuzzVerify holds that nothing but what was signed is ever taken, whatever is made of signature and payload.
func FuzzVerify(f *testing.F) {
	// The same key in every process of a fuzzer, so that they take the same.
	key := ed25519.NewKeyFromSeed(bytes.Repeat([]byte{7}, ed25519.SeedSize))
	verifier, err := wire.NewVerifier(keySet(f, jose.JSONWebKey{KeyID: "ed", Key: key.Public()}))
	if err != nil {
		f.Fatal(err)
	}
	over, err := jcs.Transform([]byte(payload))
	if err != nil {
		f.Fatal(err)
	}
	for _, signature := range []string{sign(f, jose.EdDSA, key, "ed", string(over)), sign(f, jose.EdDSA, key, "", string(over)), "..", ""} {
		f.Add(signature, payload)
		f.Add(signature, `{"kind":"Operation","spec":{"n":1e0,"type":"\u0042ackup"}}`)
		f.Add(signature, `{"kind":"Operation","kind":"Operation"}`)
	}
	f.Fuzz(func(t *testing.T, signature, payload string) {
		got, err := verifier.Verify(&wire.Job{Signature: signature}, []byte(payload))
		if err == nil && !bytes.Equal(got, over) {
			t.Errorf("took %q over %q", signature, payload)
		}
		if err != nil && got != nil {
			t.Errorf("refused %q, and returned a payload", signature)
		}
	})
}
