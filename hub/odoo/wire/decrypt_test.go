// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"

	"vworkspace.io/fleet/hub/odoo/wire"
)

func encrypt(t *testing.T, algorithm jose.KeyAlgorithm, content jose.ContentEncryption, key any, kid string) string {
	t.Helper()
	encrypter, err := jose.NewEncrypter(content, jose.Recipient{Algorithm: algorithm, Key: key, KeyID: kid}, nil)
	if err != nil {
		t.Fatal(err)
	}
	object, err := encrypter.Encrypt([]byte("secret payload"))
	if err != nil {
		t.Fatal(err)
	}
	text, err := object.CompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func jwk(t *testing.T, key jose.JSONWebKey) []byte {
	t.Helper()
	raw, err := key.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

func TestAMadeKeyDecryptsWhatItsPublicPartEncrypts(t *testing.T) {
	private, err := wire.NewDecryptionKey()
	if err != nil {
		t.Fatal(err)
	}
	d, err := wire.NewDecrypter(private)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := d.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	var public jose.JSONWebKey
	if err := json.Unmarshal(raw, &public); err != nil {
		t.Fatal(err)
	}
	if !public.IsPublic() || strings.Contains(string(raw), `"d"`) {
		t.Fatal("the public key is a private one")
	}
	if public.KeyID == "" || public.Use != "enc" || public.Algorithm != "ECDH-ES+A256KW" {
		t.Errorf("the public key is %s", raw)
	}
	got, err := d.Decrypt(encrypt(t, jose.ECDH_ES_A256KW, jose.A256GCM, public.Key, public.KeyID))
	if err != nil || string(got) != "secret payload" {
		t.Errorf("got %q, %v", got, err)
	}
	again, err := wire.NewDecryptionKey()
	if err != nil || string(again) == string(private) {
		t.Errorf("made the same key again, %v", err)
	}
}

func TestDecryptWithRSA(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	d, err := wire.NewDecrypter(jwk(t, jose.JSONWebKey{Key: key, Algorithm: "RSA-OAEP-256", Use: "enc"}))
	if err != nil {
		t.Fatal(err)
	}
	got, err := d.Decrypt(encrypt(t, jose.RSA_OAEP_256, jose.A256GCM, key.Public(), "any"))
	if err != nil || string(got) != "secret payload" {
		t.Errorf("got %q, %v", got, err)
	}
	if _, err := d.Decrypt(encrypt(t, jose.RSA_OAEP, jose.A256GCM, key.Public(), "")); err == nil {
		t.Error("took RSA-OAEP with SHA-1")
	}
}

func TestEncryptedPayloadsThatAreRefused(t *testing.T) {
	key, other := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	d, err := wire.NewDecrypter(jwk(t, jose.JSONWebKey{Key: key, KeyID: "ours"}))
	if err != nil {
		t.Fatal(err)
	}
	good := encrypt(t, jose.ECDH_ES_A256KW, jose.A256GCM, key.Public(), "ours")
	if _, err := d.Decrypt(good); err != nil {
		t.Fatal(err)
	}
	parts := strings.Split(good, ".")
	changed := func(i int) string {
		p := append([]string(nil), parts...)
		first := byte('A')
		if p[i][0] == first {
			first = 'B'
		}
		p[i] = string(first) + p[i][1:]
		return strings.Join(p, ".")
	}
	const notJWE, wrong = "is not a compact JWE by ECDH-ES+A256KW and A256GCM", "was changed on the way, or is encrypted to another key"
	tests := map[string]struct{ text, want string }{
		"nothing":                  {"", notJWE},
		"text":                     {"secret", notJWE},
		"a part is missing":        {strings.Join(parts[:4], "."), notJWE},
		"the header is changed":    {changed(0), notJWE},
		"the key is changed":       {changed(1), wrong},
		"the nonce is changed":     {changed(2), wrong},
		"the text is changed":      {changed(3), wrong},
		"the tag is changed":       {changed(4), wrong},
		"to another key":           {encrypt(t, jose.ECDH_ES_A256KW, jose.A256GCM, other.Public(), ""), wrong},
		"to another kid":           {encrypt(t, jose.ECDH_ES_A256KW, jose.A256GCM, key.Public(), "old"), `to the key with kid "old", ours has kid "ours"`},
		"the key agreed is direct": {encrypt(t, jose.ECDH_ES, jose.A256GCM, key.Public(), "ours"), notJWE},
		"a shorter wrap":           {encrypt(t, jose.ECDH_ES_A128KW, jose.A256GCM, key.Public(), "ours"), notJWE},
		"A128GCM":                  {encrypt(t, jose.ECDH_ES_A256KW, jose.A128GCM, key.Public(), "ours"), notJWE},
		"A256CBC-HS512":            {encrypt(t, jose.ECDH_ES_A256KW, jose.A256CBC_HS512, key.Public(), "ours"), notJWE},
		"by a shared key":          {encrypt(t, jose.DIRECT, jose.A256GCM, make([]byte, 32), "ours"), notJWE},
		"by a password":            {encrypt(t, jose.PBES2_HS256_A128KW, jose.A256GCM, "password", "ours"), notJWE},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := d.Decrypt(test.text)
			if err == nil || got != nil {
				t.Fatalf("was taken: %q", got)
			}
			if !strings.HasPrefix(err.Error(), "encryptedPayload: ") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %q, want %q", err, test.want)
			}
		})
	}
}

func TestDecryptionKeysThatAreRefused(t *testing.T) {
	key := ecKey(t, elliptic.P256())
	weak := weakRSA(t)
	text := func(k jose.JSONWebKey) string { return string(jwk(t, k)) }
	tests := map[string]struct{ key, want string }{
		"text":              {"secret", "is not a JSON Web Key"},
		"a public key":      {text(jose.JSONWebKey{Key: key.Public()}), "is not the private key of an EC or RSA pair"},
		"a shared key":      {`{"kty":"oct","k":"c2VjcmV0"}`, "is not a JSON Web Key"},
		"for signatures":    {text(jose.JSONWebKey{Key: key, Use: "sig"}), `is for use "sig"`},
		"for another alg":   {text(jose.JSONWebKey{Key: key, Algorithm: "RSA-OAEP-256"}), `is for "RSA-OAEP-256"; its kind is used with ECDH-ES+A256KW`},
		"1,024 bits of RSA": {text(jose.JSONWebKey{Key: weak}), "has 1024 bits; RSA needs 2048"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := wire.NewDecrypter([]byte(test.key))
			if err == nil || !strings.HasPrefix(err.Error(), "decryptionKey ") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
	for _, curve := range []elliptic.Curve{elliptic.P256(), elliptic.P384(), elliptic.P521()} {
		private := ecKey(t, curve)
		d, err := wire.NewDecrypter(jwk(t, jose.JSONWebKey{Key: private}))
		if err != nil {
			t.Fatal(err)
		}
		if _, err := d.Decrypt(encrypt(t, jose.ECDH_ES_A256KW, jose.A256GCM, private.Public(), "")); err != nil {
			t.Errorf("%s: %v", curve.Params().Name, err)
		}
	}
}
