// SPDX-License-Identifier: Apache-2.0

package approvals_test

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/approvals/approvalstest"
)

// now is when claims are verified.
var now = time.Date(2026, 11, 29, 12, 0, 0, 0, time.UTC)

const secret = "not for anybody's eyes, and 32 bytes long"

func backup() *opsv1alpha1.Operation {
	return &opsv1alpha1.Operation{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: "backup", UID: "6f0c7c2e-0001"},
		Spec: opsv1alpha1.OperationSpec{
			Placement:  &opsv1alpha1.PlacementSpec{PlacementRef: opsv1alpha1.PlacementRef{Name: "all"}},
			Selector:   &opsv1alpha1.InstanceSelector{Names: []string{"web"}},
			Type:       opsv1alpha1.TypeBackup,
			Parameters: &runtime.RawExtension{Raw: []byte(`{"b":"<&>","a":1.50}`)},
		},
	}
}

func digestOf(t testing.TB, op *opsv1alpha1.Operation) string {
	t.Helper()
	digest, err := approvals.Digest(op)
	if err != nil {
		t.Fatal(err)
	}
	return digest
}

// forUID and forDigest are claims that are good.
func forUID() map[string]any {
	return map[string]any{"aud": "vworkspace-fleet", "sub": "alice", "exp": now.Add(time.Hour).Unix(), "uid": "6f0c7c2e-0001"}
}

func forDigest(t testing.TB) map[string]any {
	return map[string]any{"aud": "vworkspace-fleet", "sub": "alice", "iat": now.Unix(), "exp": now.Add(time.Hour).Unix(), "jti": "claim-1", "digest": digestOf(t, backup())}
}

// with is claims with some changed, and those taken away that are nil.
func with(claims map[string]any, changes map[string]any) map[string]any {
	out := maps.Clone(claims)
	maps.Copy(out, changes)
	maps.DeleteFunc(out, func(_ string, v any) bool { return v == nil })
	return out
}

func TestVerify(t *testing.T) {
	ed, hs := approvalstest.MustEd25519(t, "ed-1"), approvalstest.HS256("hs-1", []byte(secret))
	keys := approvals.ParseKeys(map[string][]byte{"ed-1": ed.Entry, "hs-1": hs.Entry})
	other := backup()
	other.UID = "another"
	changed := backup()
	changed.Spec.Parameters.Raw = []byte(`{"a":2}`)
	for name, c := range map[string]struct {
		claims map[string]any
		op     *opsv1alpha1.Operation
		want   string // of the error; empty for none
	}{
		"for a uid":                       {claims: forUID()},
		"for a digest":                    {claims: forDigest(t)},
		"for both":                        {claims: with(forUID(), map[string]any{"digest": digestOf(t, backup())})},
		"several audiences":               {claims: with(forUID(), map[string]any{"aud": []string{"somebody", "vworkspace-fleet"}})},
		"issued by a clock that is ahead": {claims: with(forUID(), map[string]any{"iat": now.Add(time.Minute).Unix(), "nbf": now.Add(time.Minute).Unix()})},
		"expired":                         {claims: with(forUID(), map[string]any{"exp": now.Unix()}), want: "it expired at 2026-11-29T12:00:00Z: have a new one signed"},
		"expired long ago":                {claims: with(forUID(), map[string]any{"exp": -1e18}), want: "expired"},
		"for ever":                        {claims: with(forUID(), map[string]any{"exp": nil}), want: "sign one with exp"},
		"not yet valid":                   {claims: with(forUID(), map[string]any{"nbf": now.Add(time.Hour).Unix()}), want: "not valid before 2026-11-29T13:00:00Z"},
		"from the future":                 {claims: with(forUID(), map[string]any{"iat": now.Add(time.Hour).Unix()}), want: "which is to come"},
		"for another audience":            {claims: with(forUID(), map[string]any{"aud": "somebody"}), want: "sign one with aud vworkspace-fleet"},
		"for no audience":                 {claims: with(forUID(), map[string]any{"aud": nil}), want: "another audience"},
		"by nobody":                       {claims: with(forUID(), map[string]any{"sub": nil}), want: "does not say who approves"},
		"by somebody with a blank":        {claims: with(forUID(), map[string]any{"sub": "alice "}), want: "its sub"},
		"by somebody on two lines":        {claims: with(forUID(), map[string]any{"sub": "alice\nbob"}), want: "its sub"},
		"by somebody who turns the text":  {claims: with(forUID(), map[string]any{"sub": "alice\u202e"}), want: "its sub"},
		"by somebody long":                {claims: with(forUID(), map[string]any{"sub": strings.Repeat("a", 1025)}), want: "its sub"},
		"for nothing":                     {claims: with(forUID(), map[string]any{"uid": nil}), want: "does not say what is approved"},
		"wrong uid":                       {claims: forUID(), op: other, want: "it is for another Operation: sign one with uid another"},
		"digest, and the uid changes":     {claims: forDigest(t), op: other},
		"wrong digest":                    {claims: forDigest(t), op: changed, want: "approves something else than what is asked for here: look at the Operation, and sign one with digest " + digestOf(t, changed)},
		"right uid and wrong digest":      {claims: with(forUID(), map[string]any{"digest": digestOf(t, changed)}), want: "approves something else"},
		"right digest and wrong uid":      {claims: with(forDigest(t), map[string]any{"uid": "another"}), want: "another Operation"},
		"digest without id":               {claims: with(forDigest(t), map[string]any{"jti": nil}), want: "it needs a jti"},
		"digest with a long id":           {claims: with(forDigest(t), map[string]any{"jti": strings.Repeat("j", 257)}), want: "it needs a jti"},
		"uid with a long id":              {claims: with(forUID(), map[string]any{"jti": strings.Repeat("j", 257)}), want: "its jti"},
		"digest without date":             {claims: with(forDigest(t), map[string]any{"iat": nil}), want: "it needs iat"},
		"digest for too long":             {claims: with(forDigest(t), map[string]any{"exp": now.Add(7*24*time.Hour + time.Second).Unix()}), want: "longer than 168h0m0s"},
		"digest for a week":               {claims: with(forDigest(t), map[string]any{"exp": now.Add(7 * 24 * time.Hour).Unix()})},
		"digest for ever":                 {claims: with(forDigest(t), map[string]any{"exp": 1e18}), want: "spec.approvals.claim"},
		"digest from long ago, for ever":  {claims: with(forDigest(t), map[string]any{"iat": -1e18}), want: "longer than"},
		"dates that are none":             {claims: with(forUID(), map[string]any{"exp": "tomorrow"}), want: "its payload cannot be read"},
		"a uid that is a number":          {claims: with(forUID(), map[string]any{"uid": 7}), want: "its payload cannot be read"},
		"names in other letters":          {claims: with(forUID(), map[string]any{"uid": nil, "UID": "6f0c7c2e-0001"}), want: "does not say what is approved"},
	} {
		t.Run(name, func(t *testing.T) {
			op := c.op
			if op == nil {
				op = backup()
			}
			for _, signer := range []approvalstest.Signer{ed, hs} {
				token := signer.MustSign(t, c.claims)
				got, err := approvals.Verify(token, keys, op, now)
				check(t, err, c.want)
				if err == nil && (got.Approver != "alice" || got.KeyID != signer.KeyID || got.Once != (c.claims["uid"] == nil)) {
					t.Errorf("%+v", got)
				}
				discreet(t, err, token, string(signer.Entry))
			}
		})
	}
}

// check that an error says what it should, and names the field.
func check(t *testing.T, err error, want string) {
	t.Helper()
	switch {
	case want == "" && err != nil:
		t.Errorf("refused: %v", err)
	case want != "" && err == nil:
		t.Errorf("let through; it should say %q", want)
	case want != "" && (!strings.HasPrefix(err.Error(), "spec.approvals.claim: ") || !strings.Contains(err.Error(), want)):
		t.Errorf("says %q, not %q", err, want)
	}
}

// discreet: neither a claim nor a key is in an error, nor a part of one that could be used.
func discreet(t *testing.T, err error, token, key string) {
	t.Helper()
	if err == nil {
		return
	}
	for _, part := range append(strings.Split(token, "."), key) {
		if len(part) > 8 && strings.Contains(err.Error(), part) {
			t.Errorf("the error holds %q: %v", part, err)
		}
	}
}

// What was signed cannot be changed, and what was not signed by a key of the Secret is not an approval.
func TestVerifyTampered(t *testing.T) {
	ed, hs := approvalstest.MustEd25519(t, "ed-1"), approvalstest.HS256("hs-1", []byte(secret))
	keys := approvals.ParseKeys(map[string][]byte{"ed-1": ed.Entry, "hs-1": hs.Entry})
	for _, signer := range []approvalstest.Signer{ed, hs} {
		token := signer.MustSign(t, forUID())
		parts := strings.Split(token, ".")
		payload := with(forUID(), map[string]any{"sub": "mallory"})
		stranger := approvalstest.MustEd25519(t, signer.KeyID)
		if signer.KeyID == "hs-1" {
			stranger = approvalstest.HS256("hs-1", []byte(strings.Repeat("another ", 8)))
		}
		for name, c := range map[string]struct{ token, want string }{
			"payload replaced":    {parts[0] + "." + encoded(t, payload) + "." + parts[2], "its signature is not that of key " + signer.KeyID},
			"signature cut":       {parts[0] + "." + parts[1] + "." + parts[2][:len(parts[2])-4], "its signature"},
			"signature gone":      {parts[0] + "." + parts[1] + ".", "its signature"},
			"no dots":             {parts[0] + parts[1], "not a signed token"},
			"four parts":          {token + "." + parts[2], "not a signed token"},
			"blanks":              {" " + token, "not a signed token"},
			"another key":         {stranger.MustSign(t, forUID()), "its signature"},
			"kid of the other":    {rehead(t, token, func(h map[string]any) { h["kid"] = map[string]string{"ed-1": "hs-1", "hs-1": "ed-1"}[signer.KeyID] }), "its header says another algorithm"},
			"kid of nobody":       {rehead(t, token, func(h map[string]any) { h["kid"] = "nobody" }), "its kid nobody is unknown"},
			"no kid":              {rehead(t, token, func(h map[string]any) { delete(h, "kid") }), "its header has no kid"},
			"kid out of the data": {rehead(t, token, func(h map[string]any) { h["kid"] = "../" + secret }), "its header has no kid"},
			"something critical":  {rehead(t, token, func(h map[string]any) { h["crit"] = []string{"exp"}; h["exp"] = 1 }), "spec.approvals.claim"},
			"payload as it is":    {rehead(t, token, func(h map[string]any) { h["crit"] = []string{"b64"}; h["b64"] = false }), "its signature"},
			"a key of its own": {rehead(t, token, func(h map[string]any) {
				h["jwk"] = map[string]any{"kty": "oct", "k": base64.RawURLEncoding.EncodeToString([]byte(secret))}
			}), "spec.approvals.claim"},
			"too long": {strings.Repeat("a", approvals.MaxClaim+1), "longer than 8192 bytes"},
			"empty":    {"", "not a signed token"},
		} {
			t.Run(signer.KeyID+"/"+name, func(t *testing.T) {
				_, err := approvals.Verify(c.token, keys, backup(), now)
				check(t, err, c.want)
				discreet(t, err, c.token, string(signer.Entry))
				if err != nil && strings.Contains(err.Error(), secret) {
					t.Error("the error repeats what it was given:", err)
				}
			})
		}
	}
}

// An algorithm is the key's and not the claim's. So nobody signs with what everybody knows, or with nothing.
func TestVerifyAlgorithms(t *testing.T) {
	ed, hs := approvalstest.MustEd25519(t, "ed-1"), approvalstest.HS256("hs-1", []byte(secret))
	keys := approvals.ParseKeys(map[string][]byte{"ed-1": ed.Entry, "hs-1": hs.Entry})
	block, _ := pem.Decode(ed.Entry)
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(jose.JSONWebKey{Key: public})
	if err != nil {
		t.Fatal(err)
	}
	for name, forged := range map[string][]byte{"PEM": ed.Entry, "DER": block.Bytes, "JWK": raw, "trimmed PEM": []byte(strings.TrimSpace(string(ed.Entry)))} {
		t.Run("HS256 with the public key as "+name, func(t *testing.T) {
			_, err := approvals.Verify(approvalstest.HS256("ed-1", forged).MustSign(t, forUID()), keys, backup(), now)
			check(t, err, "key ed-1 is for EdDSA, and its header says another algorithm: sign it with EdDSA")
		})
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		t.Fatal(err)
	}
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	for algorithm, key := range map[jose.SignatureAlgorithm]any{
		jose.RS256: rsaKey, jose.PS256: rsaKey, jose.ES256: ecKey, jose.HS384: []byte(strings.Repeat(secret, 2)), jose.HS512: []byte(strings.Repeat(secret, 2)),
	} {
		t.Run(string(algorithm), func(t *testing.T) {
			signer, err := jose.NewSigner(jose.SigningKey{Algorithm: algorithm, Key: key}, (&jose.SignerOptions{}).WithHeader("kid", "hs-1"))
			if err != nil {
				t.Fatal(err)
			}
			token, err := jwt.Signed(signer).Claims(forUID()).Serialize()
			if err != nil {
				t.Fatal(err)
			}
			_, err = approvals.Verify(token, keys, backup(), now)
			check(t, err, "its algorithm is not allowed: sign it with EdDSA (Ed25519) or HS256")
		})
	}
	for _, none := range []string{"none", "None", "NONE", "nOnE", "", "hs256", "EDDSA"} {
		t.Run("none as "+none, func(t *testing.T) {
			token := encoded(t, map[string]any{"alg": none, "kid": "hs-1"}) + "." + encoded(t, forUID()) + "."
			_, err := approvals.Verify(token, keys, backup(), now)
			check(t, err, "spec.approvals.claim")
		})
	}
}

// A key is replaced without a moment in which nothing can be approved: both count while both are in the Secret, and what was signed with the old one is
// worth nothing as soon as it is gone.
func TestRotation(t *testing.T) {
	before, after := approvalstest.MustEd25519(t, "2026-10"), approvalstest.MustEd25519(t, "2026-11")
	old, young := before.MustSign(t, forUID()), after.MustSign(t, forUID())
	for name, c := range map[string]struct {
		data       map[string][]byte
		old, young string
	}{
		"before":                {map[string][]byte{"2026-10": before.Entry}, "", "its kid 2026-11 is unknown: sign it with a key of the Secret, or add that key there"},
		"meanwhile":             {map[string][]byte{"2026-10": before.Entry, "2026-11": after.Entry}, "", ""},
		"after":                 {map[string][]byte{"2026-11": after.Entry}, "its kid 2026-10 is unknown", ""},
		"one of them is spoilt": {map[string][]byte{"2026-10": []byte("short"), "2026-11": after.Entry}, "entry 2026-10 of the Secret is shorter than 32 bytes", ""},
		"none":                  {nil, "is unknown", "is unknown"},
	} {
		t.Run(name, func(t *testing.T) {
			keys := approvals.ParseKeys(c.data)
			_, err := approvals.Verify(old, keys, backup(), now)
			check(t, err, c.old)
			_, err = approvals.Verify(young, keys, backup(), now)
			check(t, err, c.young)
		})
	}
}

func encoded(t *testing.T, v any) string {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return base64.RawURLEncoding.EncodeToString(raw)
}

// rehead changes the header of a token and leaves its signature.
func rehead(t *testing.T, token string, change func(map[string]any)) string {
	t.Helper()
	head, rest, _ := strings.Cut(token, ".")
	raw, err := base64.RawURLEncoding.DecodeString(head)
	if err != nil {
		t.Fatal(err)
	}
	var header map[string]any
	if err := json.Unmarshal(raw, &header); err != nil {
		t.Fatal(err)
	}
	change(header)
	return encoded(t, header) + "." + rest
}
