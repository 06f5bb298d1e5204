// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/go-jose/go-jose/v4"
	"github.com/gowebpki/jcs"
)

// signatureAlgorithms that are taken: none that a public key could be mistaken for a secret with.
var signatureAlgorithms = []jose.SignatureAlgorithm{jose.EdDSA, jose.ES256, jose.ES384, jose.RS256, jose.PS256}

// minRSABits of a key.
const minRSABits = 2048

// Verifier knows the keys by which jobs are signed.
type Verifier struct {
	keys []jose.JSONWebKey
}

// NewVerifier reads a JSON Web Key Set (RFC 7517). It must hold public keys only, each fit for one of EdDSA (Ed25519), ES256, ES384, RS256, PS256; errors name the key
// that is not.
func NewVerifier(keySet []byte) (*Verifier, error) {
	var set jose.JSONWebKeySet
	if err := json.Unmarshal(keySet, &set); err != nil {
		return nil, errors.New("signingKeys is not a JSON Web Key Set")
	}
	if len(set.Keys) == 0 {
		return nil, errors.New(`signingKeys has no keys: {"keys": [...]} is expected`)
	}
	for i, key := range set.Keys {
		if err := checkSigningKey(key); err != nil {
			return nil, fmt.Errorf("signingKeys: keys[%d] (kid %q) %w", i, key.KeyID, err)
		}
	}
	return &Verifier{keys: set.Keys}, nil
}

// Verify the detached signature of a job over its payload, which was decrypted if it came encrypted. It returns the payload in canonical form: what was signed, and
// what is to be read instead of the payload, since two payloads that parsers read differently can have one canonical form. Errors repeat nothing of the payload.
func (v *Verifier) Verify(job *Job, payload []byte) ([]byte, error) {
	if job.Signature == "" {
		return nil, errors.New("signature: is missing")
	}
	canonical, err := jcs.Transform(payload)
	if err != nil {
		return nil, errors.New("signature: the payload has no canonical form (RFC 8785): it is not JSON, names a member twice, or has a number that is out of range")
	}
	parsed, err := jose.ParseDetached(job.Signature, canonical, signatureAlgorithms)
	if err != nil {
		return nil, errors.New("signature: is not a detached JWS by EdDSA, ES256, ES384, RS256 or PS256")
	}
	header := parsed.Signatures[0].Protected
	candidates := v.candidates(header.KeyID, jose.SignatureAlgorithm(header.Algorithm))
	if len(candidates) == 0 {
		return nil, fmt.Errorf("signature: signingKeys has no key with kid %.64q for %s", header.KeyID, header.Algorithm)
	}
	for _, key := range candidates {
		if parsed.DetachedVerify(canonical, key.Key) == nil {
			return canonical, nil
		}
	}
	return nil, fmt.Errorf("signature: is not one over this payload by the key with kid %.64q", header.KeyID)
}

// candidates are the keys that may have signed: the one that is named, or any that fits when none is.
func (v *Verifier) candidates(kid string, algorithm jose.SignatureAlgorithm) []jose.JSONWebKey {
	var fit []jose.JSONWebKey
	for _, key := range v.keys {
		if (kid == "" || key.KeyID == kid) && slices.Contains(algorithmsOf(key), algorithm) {
			fit = append(fit, key)
		}
	}
	return fit
}

func checkSigningKey(key jose.JSONWebKey) error {
	if _, symmetric := key.Key.([]byte); symmetric {
		return errors.New("is a secret; only public keys are taken")
	}
	if !key.Valid() {
		return errors.New("is not a valid key")
	}
	if !key.IsPublic() {
		return errors.New("is a private key; put its public part there, and take the private one to be known")
	}
	if key.Use != "" && key.Use != "sig" {
		return fmt.Errorf("is for use %q, not for signatures", key.Use)
	}
	if public, ok := key.Key.(*rsa.PublicKey); ok && public.N.BitLen() < minRSABits {
		return fmt.Errorf("has %d bits; RSA needs %d", public.N.BitLen(), minRSABits)
	}
	if len(algorithmsOf(key)) == 0 {
		return errors.New("fits none of EdDSA, ES256, ES384, RS256, PS256")
	}
	return nil
}

// algorithmsOf a key: those that its kind fits, or the one of them that it is for.
func algorithmsOf(key jose.JSONWebKey) []jose.SignatureAlgorithm {
	var fit []jose.SignatureAlgorithm
	switch public := key.Key.(type) {
	case ed25519.PublicKey:
		fit = []jose.SignatureAlgorithm{jose.EdDSA}
	case *ecdsa.PublicKey:
		switch public.Curve {
		case elliptic.P256():
			fit = []jose.SignatureAlgorithm{jose.ES256}
		case elliptic.P384():
			fit = []jose.SignatureAlgorithm{jose.ES384}
		}
	case *rsa.PublicKey:
		fit = []jose.SignatureAlgorithm{jose.RS256, jose.PS256}
	}
	if key.Algorithm == "" {
		return fit
	}
	return slices.DeleteFunc(fit, func(a jose.SignatureAlgorithm) bool { return string(a) != key.Algorithm })
}
