// SPDX-License-Identifier: Apache-2.0

package odoo

import (
	"bytes"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/jobs"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// credentials are what the Secret of a ControlPlane holds.
type credentials struct {
	secret            string // its name
	registrationToken string
	token             string
	clusterID         string
	expiresAt         time.Time // zero: never
	tls               *tls.Config
	verifier          *wire.Verifier  // nil without keys
	decrypter         *wire.Decrypter // nil without a key
	rest              string          // tells whether anything but the tokens has changed
}

// parseCredentials reads a Secret. Errors are problems; they name the key and the fix, and repeat no value.
func parseCredentials(secret *corev1.Secret) (*credentials, error) {
	text := func(key string) string { return strings.TrimSpace(string(secret.Data[key])) }
	c := &credentials{
		secret:            secret.Name,
		registrationToken: text(opsv1alpha1.SecretRegistrationToken),
		token:             text(opsv1alpha1.SecretToken),
		clusterID:         text(opsv1alpha1.SecretClusterID),
		rest:              digestOf(secret.Data, opsv1alpha1.SecretRegistrationToken, opsv1alpha1.SecretToken, opsv1alpha1.SecretExpiresAt),
	}
	wrong := func(key string, err error) error {
		return problemf(opsv1alpha1.ReasonInvalidConfiguration, "Secret %s: data[%q]: %s", secret.Name, key, err)
	}
	if c.registrationToken != "" {
		if err := wire.CheckToken(c.registrationToken); err != nil {
			return nil, wrong(opsv1alpha1.SecretRegistrationToken, err)
		}
	}
	if at := text(opsv1alpha1.SecretExpiresAt); at != "" {
		t, err := time.Parse(time.RFC3339, at)
		if err != nil {
			return nil, wrong(opsv1alpha1.SecretExpiresAt, errors.New("it must be a time in RFC 3339, such as 2030-01-31T12:00:00Z, or be left out"))
		}
		c.expiresAt = t
	}
	var key string
	var err error
	if c.tls, key, err = tlsConfig(secret.Data); err != nil {
		return nil, wrong(key, err)
	}
	if keys := secret.Data[opsv1alpha1.SecretSigningKeys]; len(keys) > 0 {
		if c.verifier, err = wire.NewVerifier(keys); err != nil {
			return nil, wrong(opsv1alpha1.SecretSigningKeys, err)
		}
	}
	if private := secret.Data[opsv1alpha1.SecretDecryptionKey]; len(private) > 0 {
		if c.decrypter, err = wire.NewDecrypter(private); err != nil {
			return nil, wrong(opsv1alpha1.SecretDecryptionKey, err)
		}
	}
	return c, nil
}

// tlsConfig by the certificates in a Secret; nil when there are none. With an error comes the key that is wrong.
func tlsConfig(data map[string][]byte) (config *tls.Config, key string, err error) {
	ca, certificate, private := data[opsv1alpha1.SecretCA], data[opsv1alpha1.SecretClientCertificate], data[opsv1alpha1.SecretClientKey]
	if len(ca)+len(certificate)+len(private) == 0 {
		return nil, "", nil
	}
	config = &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		config.RootCAs = x509.NewCertPool()
		if !config.RootCAs.AppendCertsFromPEM(ca) {
			return nil, opsv1alpha1.SecretCA, errors.New("it holds no certificate in PEM: put there those that the control plane's comes from, or leave it out")
		}
	}
	switch {
	case len(certificate) == 0 && len(private) == 0:
		return config, "", nil
	case len(certificate) == 0:
		return nil, opsv1alpha1.SecretClientCertificate, fmt.Errorf("it is missing, and %s is there: put the certificate there, or take the key away", opsv1alpha1.SecretClientKey)
	case len(private) == 0:
		return nil, opsv1alpha1.SecretClientKey, fmt.Errorf("it is missing, and %s is there: put the key there, or take the certificate away", opsv1alpha1.SecretClientCertificate)
	}
	pair, err := tls.X509KeyPair(certificate, private)
	if err != nil {
		return nil, opsv1alpha1.SecretClientCertificate, fmt.Errorf("it is not a certificate in PEM that %s is the key of", opsv1alpha1.SecretClientKey)
	}
	config.Certificates = []tls.Certificate{pair}
	return config, "", nil
}

// digestOf all data but some keys.
func digestOf(data map[string][]byte, but ...string) string {
	hash := sha256.New()
	for _, key := range slices.Sorted(maps.Keys(data)) {
		if !slices.Contains(but, key) {
			fmt.Fprintf(hash, "%d %s %d ", len(key), key, len(data[key]))
			hash.Write(data[key])
		}
	}
	return hex.EncodeToString(hash.Sum(nil))
}

// open returns what verifies and decrypts the payload of a job by these credentials.
func (c *credentials) open(spec *opsv1alpha1.ControlPlaneSpec) func(*wire.Job) (json.RawMessage, error) {
	refuse := func(format string, args ...any) (json.RawMessage, error) {
		return nil, &jobs.Refusal{Outcome: wire.OutcomeFailed, Message: fmt.Sprintf(format, args...)}
	}
	requireSignatures, requireEncryption := spec.RequireSignatures, spec.RequireEncryption
	return func(job *wire.Job) (json.RawMessage, error) {
		payload := []byte(job.Payload)
		switch {
		case job.EncryptedPayload != "" && len(bytes.TrimSpace(payload)) > 0:
			return refuse("encryptedPayload: payload is there too, and only one of them may be")
		case job.EncryptedPayload != "" && c.decrypter == nil:
			return refuse("encryptedPayload: the hub has no key to decrypt it with: put one into Secret %s as %s, or register the hub anew", c.secret, opsv1alpha1.SecretDecryptionKey)
		case job.EncryptedPayload != "":
			var err error
			if payload, err = c.decrypter.Decrypt(job.EncryptedPayload); err != nil {
				return refuse("%s", err.Error())
			}
		case requireEncryption:
			return refuse("payload: it must be encrypted, because the ControlPlane has spec.requireEncryption: send encryptedPayload instead")
		}
		switch {
		case job.Signature == "" && requireSignatures:
			return refuse("signature: it is missing, and the ControlPlane has spec.requireSignatures")
		case job.Signature == "":
			return payload, nil
		case c.verifier == nil:
			return refuse("signature: the hub has no key to verify it with: put the key set of the control plane into Secret %s as %s", c.secret, opsv1alpha1.SecretSigningKeys)
		}
		verified, err := c.verifier.Verify(job, payload)
		if err != nil {
			return refuse("%s", err.Error())
		}
		return verified, nil
	}
}
