// SPDX-License-Identifier: Apache-2.0

package approvals

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"

	"github.com/go-jose/go-jose/v4"
)

// minSecret bytes make a secret of HS256, which is as long as its hash (RFC 7518, section 3.2).
const minSecret = 32

// Keys are those by which claims are verified, by their kid. Several hold at once, so that one can be replaced while the other still counts.
type Keys map[string]key

// key is good for one algorithm, which follows from what it is and never from what a claim says.
type key struct {
	algorithm jose.SignatureAlgorithm
	material  any
	// unfit says why it cannot be used, without a word of what is in it; then there is no material.
	unfit string
}

// ParseKeys takes keys from the data of a Secret: the name of an entry is the kid, and its value either a PEM block PUBLIC KEY (EdDSA), or at least 32
// secret bytes (HS256). An entry that is neither hurts only the claims that name it.
func ParseKeys(data map[string][]byte) Keys {
	keys := Keys{}
	for kid, value := range data {
		keys[kid] = parseKey(value)
	}
	return keys
}

func parseKey(value []byte) key {
	switch {
	case bytes.Contains(value, []byte("-----BEGIN")):
		return parsePEM(value)
	case looksPublic(value):
		return key{unfit: "holds a public key in another form than PEM: put it there as -----BEGIN PUBLIC KEY-----"}
	case len(value) < minSecret:
		return key{unfit: "is shorter than 32 bytes, and is no PEM: put a longer secret there, or a PEM block PUBLIC KEY"}
	}
	return key{algorithm: jose.HS256, material: bytes.Clone(value)}
}

func parsePEM(value []byte) key {
	block, rest := pem.Decode(value)
	if block == nil || len(bytes.TrimSpace(rest)) > 0 {
		return key{unfit: "must hold one PEM block, PUBLIC KEY, and nothing else"}
	}
	if block.Type != "PUBLIC KEY" {
		return key{unfit: "holds a PEM block that is not PUBLIC KEY: put the public key there (openssl pkey -pubout), and keep the private one where claims are signed"}
	}
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		return key{unfit: "holds a PEM block that cannot be read as a public key"}
	}
	ed, isEd := public.(ed25519.PublicKey)
	if !isEd {
		return key{unfit: "holds a public key that is not Ed25519: make one with openssl genpkey -algorithm ed25519"}
	}
	return key{algorithm: jose.EdDSA, material: ed}
}

// looksPublic tells what everybody may know from what nobody may: as a secret of HS256 it would let anybody sign. Of 32 bare bytes nobody can tell; the
// documentation says so.
func looksPublic(value []byte) bool {
	text := bytes.TrimSpace(value)
	if bytes.HasPrefix(text, []byte("{")) || bytes.HasPrefix(text, []byte("ssh-")) { // a JWK, or OpenSSH's own form
		return true
	}
	if _, err := x509.ParsePKIXPublicKey(value); err == nil {
		return true
	}
	for _, encoding := range []*base64.Encoding{base64.StdEncoding, base64.RawStdEncoding, base64.URLEncoding, base64.RawURLEncoding} {
		if der, err := encoding.DecodeString(string(text)); err == nil {
			if _, err := x509.ParsePKIXPublicKey(der); err == nil {
				return true
			}
		}
	}
	return false
}
