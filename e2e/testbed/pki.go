// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"

	"k8s.io/client-go/util/cert"
	"k8s.io/client-go/util/keyutil"
)

// certificateLife is longer than any fleet lives.
const certificateLife = 30 * 24 * time.Hour

// pki is one control plane's certificate authority. Each plane has its own, so that no identity of one cluster is
// known to another, as in a real fleet.
type pki struct {
	dir  string
	cert *x509.Certificate
	key  crypto.Signer
}

// keyPair is a certificate and its key, PEM.
type keyPair struct{ cert, key []byte }

// frontProxy is who kube-apiserver is to the API servers that it passes requests on to.
const frontProxy = "front-proxy-client"

// newPKI creates the authority and what kube-apiserver and kube-controller-manager need on disk: ca.crt, ca.key,
// apiserver.crt, apiserver.key, front-proxy.crt, front-proxy.key, sa.key and sa.pub.
func newPKI(name, dir string) (*pki, error) {
	p, err := newAuthority(name, dir)
	if err != nil {
		return nil, err
	}
	serving, err := p.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "kube-apiserver"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.ParseIP(loopback), net.ParseIP(firstServiceIP)},
		DNSNames:    []string{"localhost", "kubernetes", "kubernetes.default", "kubernetes.default.svc"},
	})
	if err != nil {
		return nil, err
	}
	proxy, err := p.client(frontProxy)
	if err != nil {
		return nil, err
	}
	account, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	return p, p.write(serving, proxy, account)
}

// newAuthority creates an authority alone. What it writes goes into dir.
func newAuthority(name, dir string) (*pki, error) {
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("create the certificates of %s: %w", name, err)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	ca, err := cert.NewSelfSignedCACert(cert.Config{CommonName: name + "-ca"}, key)
	if err != nil {
		return nil, fmt.Errorf("create the certificate authority of %s: %w", name, err)
	}
	return &pki{dir: dir, cert: ca, key: key}, nil
}

// client issues a client certificate.
func (p *pki) client(user string, groups ...string) (keyPair, error) {
	return p.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: user, Organization: groups},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth},
	})
}

// issue signs a certificate for a new key.
func (p *pki) issue(template *x509.Certificate) (keyPair, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return keyPair{}, err
	}
	if template.SerialNumber, err = rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120)); err != nil {
		return keyPair{}, err
	}
	template.NotBefore = p.cert.NotBefore
	template.NotAfter = time.Now().Add(certificateLife)
	template.KeyUsage = x509.KeyUsageDigitalSignature
	der, err := x509.CreateCertificate(rand.Reader, template, p.cert, key.Public(), p.key)
	if err != nil {
		return keyPair{}, fmt.Errorf("issue the certificate of %s: %w", template.Subject.CommonName, err)
	}
	signed, err := x509.ParseCertificate(der)
	if err != nil {
		return keyPair{}, err
	}
	keyPEM, err := keyutil.MarshalPrivateKeyToPEM(key)
	if err != nil {
		return keyPair{}, err
	}
	return keyPair{cert: certPEM(signed), key: keyPEM}, nil
}

// caPEM is the authority's certificate, which clients verify the API server with.
func (p *pki) caPEM() []byte { return certPEM(p.cert) }

// path is where a file of the authority is.
func (p *pki) path(name string) string { return filepath.Join(p.dir, name) }

func (p *pki) write(serving, proxy keyPair, account *ecdsa.PrivateKey) error {
	caKey, err := keyutil.MarshalPrivateKeyToPEM(p.key)
	if err != nil {
		return err
	}
	accountKey, err := keyutil.MarshalPrivateKeyToPEM(account)
	if err != nil {
		return err
	}
	accountPublic, err := publicPEM(account.Public())
	if err != nil {
		return err
	}
	return p.writeFiles(map[string][]byte{
		"ca.crt": p.caPEM(), "ca.key": caKey,
		"apiserver.crt": serving.cert, "apiserver.key": serving.key,
		"front-proxy.crt": proxy.cert, "front-proxy.key": proxy.key,
		"sa.key": accountKey, "sa.pub": accountPublic,
	})
}

// writeFiles beside the authority's own, for its owner's eyes only.
func (p *pki) writeFiles(files map[string][]byte) error {
	for name, data := range files {
		if err := os.WriteFile(p.path(name), data, 0o600); err != nil {
			return fmt.Errorf("write %s: %w", name, err)
		}
	}
	return nil
}

func certPEM(c *x509.Certificate) []byte {
	return pem.EncodeToMemory(&pem.Block{Type: cert.CertificateBlockType, Bytes: c.Raw})
}

func publicPEM(key crypto.PublicKey) ([]byte, error) {
	der, err := x509.MarshalPKIXPublicKey(key)
	if err != nil {
		return nil, err
	}
	return pem.EncodeToMemory(&pem.Block{Type: keyutil.PublicKeyBlockType, Bytes: der}), nil
}
