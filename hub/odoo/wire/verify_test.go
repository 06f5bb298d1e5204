// SPDX-License-Identifier: Apache-2.0

package wire_test

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"encoding/base64"
	"encoding/json"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/gowebpki/jcs"

	"vworkspace.io/fleet/hub/odoo/wire"
)

const payload = `{"spec": {"type":"Backup", "n": 1.0}, "kind":"Operation"}`

// keys of the control plane, one for each algorithm that is taken.
type keys struct {
	ed       ed25519.PrivateKey
	p256     *ecdsa.PrivateKey
	p384     *ecdsa.PrivateKey
	rsa      *rsa.PrivateKey
	verifier *wire.Verifier
}

func newKeys(t *testing.T) *keys {
	t.Helper()
	k := &keys{p256: ecKey(t, elliptic.P256()), p384: ecKey(t, elliptic.P384())}
	var err error
	if _, k.ed, err = ed25519.GenerateKey(rand.Reader); err != nil {
		t.Fatal(err)
	}
	if k.rsa, err = rsa.GenerateKey(rand.Reader, 2048); err != nil {
		t.Fatal(err)
	}
	k.verifier, err = wire.NewVerifier(keySet(t,
		jose.JSONWebKey{KeyID: "ed", Key: k.ed.Public()}, jose.JSONWebKey{KeyID: "p256", Key: k.p256.Public(), Use: "sig"},
		jose.JSONWebKey{KeyID: "p384", Key: k.p384.Public()}, jose.JSONWebKey{KeyID: "rsa", Key: k.rsa.Public()},
	))
	if err != nil {
		t.Fatal(err)
	}
	return k
}

func ecKey(t *testing.T, curve elliptic.Curve) *ecdsa.PrivateKey {
	t.Helper()
	key, err := ecdsa.GenerateKey(curve, rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	return key
}

func keySet(t testing.TB, keys ...jose.JSONWebKey) []byte {
	t.Helper()
	raw, err := json.Marshal(jose.JSONWebKeySet{Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	return raw
}

// sign makes a detached signature over what is given, as it is.
func sign(t testing.TB, algorithm jose.SignatureAlgorithm, key any, kid, text string) string {
	t.Helper()
	options := &jose.SignerOptions{}
	if kid != "" {
		options.WithHeader("kid", kid)
	}
	signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, options)
	if err != nil {
		t.Fatal(err)
	}
	signed, err := signer.Sign([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	detached, err := signed.DetachedCompactSerialize()
	if err != nil {
		t.Fatal(err)
	}
	return detached
}

func canonical(t *testing.T, text string) string {
	t.Helper()
	out, err := jcs.Transform([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(out)
}

func TestSignaturesThatAreTaken(t *testing.T) {
	k := newKeys(t)
	over := canonical(t, payload)
	tests := map[string]string{
		"EdDSA":         sign(t, jose.EdDSA, k.ed, "ed", over),
		"ES256":         sign(t, jose.ES256, k.p256, "p256", over),
		"ES384":         sign(t, jose.ES384, k.p384, "p384", over),
		"RS256":         sign(t, jose.RS256, k.rsa, "rsa", over),
		"PS256":         sign(t, jose.PS256, k.rsa, "rsa", over),
		"without a kid": sign(t, jose.ES384, k.p384, "", over),
	}
	for name, signature := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := k.verifier.Verify(&wire.Job{Signature: signature}, []byte(payload))
			if err != nil {
				t.Fatal(err)
			}
			if string(got) != `{"kind":"Operation","spec":{"n":1,"type":"Backup"}}` {
				t.Errorf("signed was %s", got)
			}
			reordered := `{"kind":"Operation","spec":{"type":"\u0042ackup","n":1}}`
			if _, err := k.verifier.Verify(&wire.Job{Signature: signature}, []byte(reordered)); err != nil {
				t.Errorf("the same in other words: %v", err)
			}
		})
	}
}

func TestSignaturesThatAreNot(t *testing.T) {
	k := newKeys(t)
	over := canonical(t, payload)
	good := sign(t, jose.ES256, k.p256, "p256", over)
	parts := strings.Split(good, "..")
	header := func(text string) string { return base64.RawURLEncoding.EncodeToString([]byte(text)) }
	spki := keySet(t, jose.JSONWebKey{Key: k.rsa.Public()})
	stranger := ecKey(t, elliptic.P256())
	attached := parts[0] + "." + base64.RawURLEncoding.EncodeToString([]byte(over)) + "." + parts[1]
	own := ecKey(t, elliptic.P256())
	withOwnKey := func() string {
		options := &jose.SignerOptions{EmbedJWK: true}
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.ES256, Key: own}, options)
		if err != nil {
			t.Fatal(err)
		}
		signed, err := signer.Sign([]byte(over))
		if err != nil {
			t.Fatal(err)
		}
		detached, err := signed.DetachedCompactSerialize()
		if err != nil {
			t.Fatal(err)
		}
		return detached
	}
	const notJWS, noKey, wrong, noForm = "is not a detached JWS by", "signingKeys has no key with kid", "is not one over this payload", "has no canonical form"
	tests := map[string]struct{ signature, payload, want string }{
		"none":                           {"", payload, "is missing"},
		"text":                           {"secret", payload, notJWS},
		"alg none":                       {header(`{"alg":"none"}`) + "..", payload, notJWS},
		"alg none with a signature":      {header(`{"alg":"none","kid":"p256"}`) + ".." + parts[1], payload, notJWS},
		"no alg":                         {header(`{"kid":"p256"}`) + ".." + parts[1], payload, notJWS},
		"HS256 with a public key":        {sign(t, jose.HS256, spki, "rsa", over), payload, notJWS},
		"ES512":                          {sign(t, jose.ES512, ecKey(t, elliptic.P521()), "p256", over), payload, notJWS},
		"RS512":                          {sign(t, jose.RS512, k.rsa, "rsa", over), payload, notJWS},
		"the payload inside":             {attached, payload, notJWS},
		"a part too many":                {good + ".x", payload, notJWS},
		"an unknown critical header":     {header(`{"alg":"ES256","kid":"p256","crit":["exp"],"exp":1}`) + ".." + parts[1], payload, wrong},
		"another key's kid":              {sign(t, jose.ES256, stranger, "p256", over), payload, wrong},
		"an unknown kid":                 {sign(t, jose.ES256, k.p256, "p257", over), payload, noKey},
		"a stranger without a kid":       {sign(t, jose.ES256, stranger, "", over), payload, wrong},
		"a stranger's key in the header": {withOwnKey(), payload, wrong},
		"the alg of another kind of key": {sign(t, jose.ES256, stranger, "rsa", over), payload, noKey},
		"the alg of another curve":       {sign(t, jose.ES256, stranger, "p384", over), payload, noKey},
		"another payload":                {good, `{"kind":"Operation","spec":{"n":2,"type":"Backup"}}`, wrong},
		"a changed signature":            {parts[0] + ".." + header("x") + parts[1][2:], payload, wrong},
		"half a signature":               {parts[0] + ".." + parts[1][:40], payload, wrong},
		"a changed header":               {header(`{"alg":"ES256","kid":"p256" }`) + ".." + parts[1], payload, wrong},
		"not over the canonical form":    {sign(t, jose.ES256, k.p256, "p256", payload), payload, wrong},
		"a payload that is not JSON":     {good, `secret`, noForm},
		"a payload that says it twice":   {good, `{"kind":"Operation","kind":"Operation"}`, noForm},
		"no payload":                     {good, ``, noForm},
		"a text after the payload":       {good, payload + `{}`, noForm},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			got, err := k.verifier.Verify(&wire.Job{Signature: test.signature}, []byte(test.payload))
			if err == nil || got != nil {
				t.Fatalf("was taken: %s", got)
			}
			if !strings.HasPrefix(err.Error(), "signature: ") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "secret") {
				t.Errorf("got %q, want %q", err, test.want)
			}
		})
	}
}

func TestWhatIsReadIsWhatWasSigned(t *testing.T) {
	k := newKeys(t)
	// Both numbers have one canonical form, and are two.
	signed, sent := `{"n":9007199254740992}`, `{"n":9007199254740993}`
	got, err := k.verifier.Verify(&wire.Job{Signature: sign(t, jose.EdDSA, k.ed, "ed", signed)}, []byte(sent))
	if err != nil || string(got) != signed {
		t.Errorf("got %s, %v, want %s", got, err, signed)
	}
}

func TestTwoKeysOfOneKid(t *testing.T) {
	a, b := ecKey(t, elliptic.P256()), ecKey(t, elliptic.P256())
	v, err := wire.NewVerifier(keySet(t, jose.JSONWebKey{KeyID: "k", Key: a.Public()}, jose.JSONWebKey{KeyID: "k", Key: b.Public(), Algorithm: "ES256"}))
	if err != nil {
		t.Fatal(err)
	}
	for _, key := range []*ecdsa.PrivateKey{a, b} {
		if _, err := v.Verify(&wire.Job{Signature: sign(t, jose.ES256, key, "k", `{}`)}, []byte(`{}`)); err != nil {
			t.Error(err)
		}
	}
}

func TestAKeyIsForItsAlgorithm(t *testing.T) {
	k := newKeys(t)
	v, err := wire.NewVerifier(keySet(t, jose.JSONWebKey{KeyID: "rsa", Key: k.rsa.Public(), Algorithm: "PS256"}))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(&wire.Job{Signature: sign(t, jose.PS256, k.rsa, "rsa", `{}`)}, []byte(`{}`)); err != nil {
		t.Error(err)
	}
	if _, err := v.Verify(&wire.Job{Signature: sign(t, jose.RS256, k.rsa, "rsa", `{}`)}, []byte(`{}`)); err == nil {
		t.Error("took RS256 by a key for PS256")
	}
}

func TestKeySetsThatAreRefused(t *testing.T) {
	k := newKeys(t)
	weak := weakRSA(t)
	tests := map[string]struct{ set, want string }{
		"text":                {`secret`, "is not a JSON Web Key Set"},
		"a key alone":         {`{"kty":"oct","k":"c2VjcmV0"}`, "has no keys"},
		"no keys":             {`{"keys":[]}`, "has no keys"},
		"a secret":            {`{"keys":[{"kty":"oct","kid":"s","k":"c2VjcmV0"}]}`, `keys[0] (kid "s") is a secret; only public keys are taken`},
		"a private key":       {string(keySet(t, jose.JSONWebKey{KeyID: "p", Key: k.p256})), `keys[0] (kid "p") is a private key`},
		"a private Ed25519":   {string(keySet(t, jose.JSONWebKey{KeyID: "p", Key: k.ed})), `is a private key`},
		"a curve too many":    {string(keySet(t, jose.JSONWebKey{Key: ecKey(t, elliptic.P521()).Public()})), "fits none of"},
		"for another alg":     {string(keySet(t, jose.JSONWebKey{Key: k.p256.Public(), Algorithm: "ES384"})), "fits none of"},
		"for HS256":           {string(keySet(t, jose.JSONWebKey{Key: k.rsa.Public(), Algorithm: "HS256"})), "fits none of"},
		"for encryption":      {string(keySet(t, jose.JSONWebKey{Key: k.p256.Public(), Use: "enc"})), `is for use "enc"`},
		"RSA with 1,024 bits": {string(keySet(t, jose.JSONWebKey{Key: weak.Public()})), "has 1024 bits; RSA needs 2048"},
		"the second is wrong": {`{"keys":[` + strings.TrimSuffix(strings.TrimPrefix(string(keySet(t, jose.JSONWebKey{Key: k.ed.Public()})), `{"keys":[`), `]}`) +
			`,{"kty":"oct","k":"c2VjcmV0"}]}`, "keys[1]"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			_, err := wire.NewVerifier([]byte(test.set))
			if err == nil || !strings.HasPrefix(err.Error(), "signingKeys") || !strings.Contains(err.Error(), test.want) || strings.Contains(err.Error(), "c2VjcmV0") {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func weakRSA(t *testing.T) *rsa.PrivateKey {
	t.Helper()
	key, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	return key
}
