// SPDX-License-Identifier: Apache-2.0

package approvals

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
)

func TestParseKeys(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ec, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der := func(key any) []byte {
		out, err := x509.MarshalPKIXPublicKey(key)
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	secretDER, err := x509.MarshalPKCS8PrivateKey(private)
	if err != nil {
		t.Fatal(err)
	}
	block := func(kind string, der []byte) string {
		return string(pem.EncodeToMemory(&pem.Block{Type: kind, Bytes: der}))
	}
	good := block("PUBLIC KEY", der(public))
	for name, c := range map[string]struct {
		value     string
		algorithm jose.SignatureAlgorithm
		unfit     string
	}{
		"public key":                {good, jose.EdDSA, ""},
		"public key, new lines":     {"\n" + good + "\n\n", jose.EdDSA, ""},
		"secret":                    {strings.Repeat("s", 32), jose.HS256, ""},
		"secret that is no text":    {string([]byte{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 255}), jose.HS256, ""},
		"short secret":              {strings.Repeat("s", 31), "", "is shorter than 32 bytes"},
		"nothing":                   {"", "", "is shorter than 32 bytes"},
		"private key":               {block("PRIVATE KEY", secretDER), "", "keep the private one where claims are signed"},
		"both keys":                 {good + block("PRIVATE KEY", secretDER), "", "must hold one PEM block"},
		"elliptic curve":            {block("PUBLIC KEY", der(&ec.PublicKey)), "", "not Ed25519"},
		"PEM of nonsense":           {block("PUBLIC KEY", []byte("nonsense")), "", "cannot be read as a public key"},
		"PEM that is broken":        {strings.TrimSuffix(strings.TrimSpace(good), "-----"), "", "must hold one PEM block"},
		"PEM behind a word":         {"key: " + good, "", "must hold one PEM block"},
		"PEM without its new lines": {strings.ReplaceAll(good, "\n", " "), "", "must hold one PEM block"},
		"public key as DER":         {string(der(public)), "", "another form than PEM"},
		"public key as base64":      {base64.StdEncoding.EncodeToString(der(public)) + "\n", "", "another form than PEM"},
		"public key as JWK":         {`{"kty":"OKP","crv":"Ed25519","x":"11qYAYKxCrfVS_7TyWQHOg7hcvPapiMlrwIaaPcHURo"}`, "", "another form than PEM"},
		"public key of OpenSSH":     {"ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJ user@example", "", "another form than PEM"},
	} {
		t.Run(name, func(t *testing.T) {
			got := ParseKeys(map[string][]byte{"k": []byte(c.value)})["k"]
			if got.algorithm != c.algorithm || !strings.Contains(got.unfit, c.unfit) || (c.unfit == "") != (got.unfit == "") {
				t.Errorf("%s %q", got.algorithm, got.unfit)
			}
			if (got.material == nil) != (c.algorithm == "") {
				t.Errorf("a key that cannot be used is kept, or one that can is not: %T", got.material)
			}
		})
	}
}
