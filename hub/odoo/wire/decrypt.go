// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/go-jose/go-jose/v4"
)

// Decrypter has the private key that payloads are encrypted to.
type Decrypter struct {
	key jose.JSONWebKey
}

// NewDecrypter reads a private JSON Web Key: EC (P-256, P-384, P-521) for ECDH-ES+A256KW, or RSA for RSA-OAEP-256. Errors repeat nothing of it.
func NewDecrypter(privateKey []byte) (*Decrypter, error) {
	var key jose.JSONWebKey
	if err := json.Unmarshal(privateKey, &key); err != nil || !key.Valid() {
		return nil, errors.New("decryptionKey is not a JSON Web Key")
	}
	if key.Use != "" && key.Use != "enc" {
		return nil, fmt.Errorf("decryptionKey is for use %q, not for encryption", key.Use)
	}
	var fits jose.KeyAlgorithm
	switch private := key.Key.(type) {
	case *ecdsa.PrivateKey:
		fits = jose.ECDH_ES_A256KW
	case *rsa.PrivateKey:
		fits = jose.RSA_OAEP_256
		if bits := private.N.BitLen(); bits < minRSABits {
			return nil, fmt.Errorf("decryptionKey has %d bits; RSA needs %d", bits, minRSABits)
		}
	default:
		return nil, errors.New("decryptionKey is not the private key of an EC or RSA pair")
	}
	if key.Algorithm != "" && key.Algorithm != string(fits) {
		return nil, fmt.Errorf("decryptionKey is for %.32q; its kind is used with %s", key.Algorithm, fits)
	}
	key.Algorithm, key.Use = string(fits), "enc"
	return &Decrypter{key: key}, nil
}

// NewDecryptionKey makes a private JSON Web Key for NewDecrypter: P-256, its kid being its thumbprint (RFC 7638).
func NewDecryptionKey() ([]byte, error) {
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, fmt.Errorf("make a decryption key: %w", err)
	}
	key := jose.JSONWebKey{Key: private, Algorithm: string(jose.ECDH_ES_A256KW), Use: "enc"}
	thumbprint, err := key.Thumbprint(crypto.SHA256)
	if err != nil {
		return nil, fmt.Errorf("make a decryption key: %w", err)
	}
	key.KeyID = base64.RawURLEncoding.EncodeToString(thumbprint)
	return key.MarshalJSON()
}

// PublicKey is the JSON Web Key to encrypt to.
func (d *Decrypter) PublicKey() (json.RawMessage, error) { return d.key.Public().MarshalJSON() }

// Decrypt an encryptedPayload: a JWE in compact serialization, by the key's algorithm and A256GCM. Errors repeat nothing of what it holds.
func (d *Decrypter) Decrypt(text string) ([]byte, error) {
	parsed, err := jose.ParseEncryptedCompact(text, []jose.KeyAlgorithm{jose.KeyAlgorithm(d.key.Algorithm)}, []jose.ContentEncryption{jose.A256GCM})
	if err != nil {
		return nil, fmt.Errorf("encryptedPayload: is not a compact JWE by %s and A256GCM", d.key.Algorithm)
	}
	if kid := parsed.Header.KeyID; kid != "" && d.key.KeyID != "" && kid != d.key.KeyID {
		return nil, fmt.Errorf("encryptedPayload: is encrypted to the key with kid %.64q, ours has kid %.64q", kid, d.key.KeyID)
	}
	payload, err := parsed.Decrypt(d.key.Key)
	if err != nil {
		return nil, errors.New("encryptedPayload: was changed on the way, or is encrypted to another key")
	}
	return payload, nil
}
