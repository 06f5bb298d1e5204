// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"slices"
	"time"

	"k8s.io/client-go/util/cert"
)

const (
	// servingLife is how long a certificate serves; it is replaced when a third of that is left.
	servingLife = 90 * 24 * time.Hour
	// authorityLife is how long an authority lives; it is replaced when it would not outlive a new certificate by as much again.
	authorityLife = 2 * 365 * 24 * time.Hour
	// skew is how far the clock of an API server may be behind.
	skew = time.Hour
	// settle is how long an authority is only published before it signs: until then every API server and every replica knows it.
	settle = 10 * time.Minute
)

// certificates are what the replicas of a process share, all in PEM.
type certificates struct {
	// authorities that are trusted. The first one signs.
	authorities []byte
	// authorityKey is the first one's.
	authorityKey []byte
	cert, key    []byte
}

// next is what the certificates should be at a time, for the names of a server, and whether that is anything else. A new authority is published beside the old
// ones and signs later, so that there is never a moment in which somebody is shown a certificate that they do not trust yet.
func (c certificates) next(names []string, now time.Time) (certificates, bool, error) {
	out, changed := c, false
	signer, err := c.signer(now)
	fresh := err != nil
	if fresh || signer.NotAfter.Sub(now) < 2*servingLife {
		if out, err = c.withAuthority(now, fresh); err != nil {
			return c, false, err
		}
		if signer, err = out.signer(now); err != nil {
			return c, false, err
		}
		changed = true
	}
	trusted := now.Sub(signer.NotBefore.Add(skew)) >= settle
	switch have := out.serving(names, now); {
	case have == nil: // nothing that is of use, so there is nothing to be gentle with
	case have.NotAfter.Sub(now) >= servingLife/3 && (!trusted || have.CheckSignatureFrom(signer) == nil):
		return out, changed, nil
	}
	out.cert, out.key, err = out.issue(names, signer, now)
	return out, true, err
}

// signer is the authority that signs; an error says that there is none that can.
func (c certificates) signer(now time.Time) (*x509.Certificate, error) {
	authorities, err := cert.ParseCertsPEM(c.authorities)
	if err != nil {
		return nil, fmt.Errorf("read the authorities: %w", err)
	}
	if _, err := tls.X509KeyPair(certPEM(authorities[0].Raw), c.authorityKey); err != nil {
		return nil, fmt.Errorf("read the authority's key: %w", err)
	}
	if now.After(authorities[0].NotAfter) {
		return nil, fmt.Errorf("the authority ended at %s", authorities[0].NotAfter)
	}
	return authorities[0], nil
}

// serving is the certificate for the names, if it can be used now; nil if not.
func (c certificates) serving(names []string, now time.Time) *x509.Certificate {
	pair, err := tls.X509KeyPair(c.cert, c.key)
	if err != nil {
		return nil
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(c.authorities)
	for _, name := range names {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			return nil
		}
	}
	return pair.Leaf
}

// withAuthority puts a new authority before those that are still of use; fresh drops them.
func (c certificates) withAuthority(now time.Time, fresh bool) (certificates, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return c, fmt.Errorf("make a key: %w", err)
	}
	template, err := newTemplate("vworkspace admission", now, authorityLife)
	if err != nil {
		return c, err
	}
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign | x509.KeyUsageDigitalSignature
	raw, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return c, fmt.Errorf("make an authority: %w", err)
	}
	out := c
	if out.authorityKey, err = keyPEM(key); err != nil {
		return c, err
	}
	out.authorities = certPEM(raw)
	old, err := cert.ParseCertsPEM(c.authorities)
	if err != nil || fresh {
		return out, nil //nolint:nilerr // what cannot be read is replaced
	}
	for _, authority := range old {
		if now.Before(authority.NotAfter) {
			out.authorities = slices.Concat(out.authorities, certPEM(authority.Raw))
		}
	}
	return out, nil
}

// issue a certificate for the names.
func (c certificates) issue(names []string, signer *x509.Certificate, now time.Time) (certificate, key []byte, err error) {
	authority, err := tls.X509KeyPair(certPEM(signer.Raw), c.authorityKey)
	if err != nil {
		return nil, nil, fmt.Errorf("read the authority's key: %w", err)
	}
	private, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, fmt.Errorf("make a key: %w", err)
	}
	template, err := newTemplate(names[0], now, servingLife)
	if err != nil {
		return nil, nil, err
	}
	template.KeyUsage, template.ExtKeyUsage = x509.KeyUsageDigitalSignature, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	raw, err := x509.CreateCertificate(rand.Reader, template, signer, private.Public(), authority.PrivateKey)
	if err != nil {
		return nil, nil, fmt.Errorf("make a certificate: %w", err)
	}
	key, err = keyPEM(private)
	return certPEM(raw), key, err
}

func newTemplate(name string, now time.Time, life time.Duration) (*x509.Certificate, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 127))
	if err != nil {
		return nil, fmt.Errorf("choose a serial number: %w", err)
	}
	return &x509.Certificate{
		SerialNumber: serial.Add(serial, big.NewInt(1)), Subject: pkix.Name{CommonName: shortened(name)},
		NotBefore: now.Add(-skew), NotAfter: now.Add(life),
	}, nil
}

// shortened to what a common name may hold. Nobody goes by it.
func shortened(name string) string { return name[:min(len(name), 64)] }

func certPEM(raw []byte) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: cert.CertificateBlockType, Bytes: raw})
}

func keyPEM(key *ecdsa.PrivateKey) ([]byte, error) {
	raw, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("encode a key: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: raw}), nil
}

// Keys of the Secret. Those of the certificate are the ones that everybody uses.
const (
	keyAuthorities  = "ca.crt"
	keyAuthorityKey = "ca.key"
	keyCert         = "tls.crt"
	keyKey          = "tls.key"
)

// certificatesIn the data of a Secret.
func certificatesIn(data map[string][]byte) certificates {
	return certificates{authorities: data[keyAuthorities], authorityKey: data[keyAuthorityKey], cert: data[keyCert], key: data[keyKey]}
}

func (c certificates) data() map[string][]byte {
	return map[string][]byte{keyAuthorities: c.authorities, keyAuthorityKey: c.authorityKey, keyCert: c.cert, keyKey: c.key}
}

func (c certificates) equal(d certificates) bool {
	return bytes.Equal(c.authorities, d.authorities) && bytes.Equal(c.authorityKey, d.authorityKey) && bytes.Equal(c.cert, d.cert) && bytes.Equal(c.key, d.key)
}
