// SPDX-License-Identifier: Apache-2.0

// Package approvalstest signs claims, for tests. What ships only ever verifies them.
package approvalstest

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
)

// Signer signs claims with one key.
type Signer struct {
	// KeyID is the kid, which is the entry of the Secret.
	KeyID string
	// Entry is the value of that entry.
	Entry []byte

	algorithm jose.SignatureAlgorithm
	key       any
}

// Ed25519 makes a key pair.
func Ed25519(kid string) (Signer, error) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return Signer{}, err
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		return Signer{}, err
	}
	entry := pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})
	return Signer{KeyID: kid, Entry: entry, algorithm: jose.EdDSA, key: private}, nil
}

// HS256 signs with a secret.
func HS256(kid string, secret []byte) Signer {
	return Signer{KeyID: kid, Entry: secret, algorithm: jose.HS256, key: secret}
}

// Sign makes a token of claims.
func (s Signer) Sign(claims map[string]any) (string, error) {
	options := (&jose.SignerOptions{}).WithType("JWT").WithHeader("kid", s.KeyID)
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: s.algorithm, Key: s.key}, options)
	if err != nil {
		return "", err
	}
	return jwt.Signed(signer).Claims(claims).Serialize()
}

// MustEd25519 is Ed25519 for tests.
func MustEd25519(t testing.TB, kid string) Signer {
	t.Helper()
	s, err := Ed25519(kid)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// MustSign is Sign for tests.
func (s Signer) MustSign(t testing.TB, claims map[string]any) string {
	t.Helper()
	token, err := s.Sign(claims)
	if err != nil {
		t.Fatal(err)
	}
	return token
}
