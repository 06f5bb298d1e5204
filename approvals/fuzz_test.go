// SPDX-License-Identifier: Apache-2.0

package approvals_test

import (
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"strings"
	"testing"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	"vworkspace.io/fleet/approvals"
	"vworkspace.io/fleet/approvals/approvalstest"
)

// FuzzVerify: whatever is given as a claim, nothing breaks, nothing of it comes back in an error, and only what was signed is an approval. The keys
// are the same in every process, or the seeds were worth nothing.
func FuzzVerify(f *testing.F) {
	private := ed25519.NewKeyFromSeed([]byte(strings.Repeat("s", ed25519.SeedSize)))
	der, err := x509.MarshalPKIXPublicKey(private.Public())
	if err != nil {
		f.Fatal(err)
	}
	keys := approvals.ParseKeys(map[string][]byte{
		"ed-1": pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}), "hs-1": []byte(secret), "spoilt": []byte("short"),
	})
	signed := map[string]bool{}
	for _, claims := range []map[string]any{forUID(), forDigest(f), with(forUID(), map[string]any{"exp": 1})} {
		hs := approvalstest.HS256("hs-1", []byte(secret)).MustSign(f, claims)
		signer, err := jose.NewSigner(jose.SigningKey{Algorithm: jose.EdDSA, Key: private}, (&jose.SignerOptions{}).WithHeader("kid", "ed-1"))
		if err != nil {
			f.Fatal(err)
		}
		ed, err := jwt.Signed(signer).Claims(claims).Serialize()
		if err != nil {
			f.Fatal(err)
		}
		for _, token := range []string{hs, ed} {
			signed[decodedPayload(token)] = true
			f.Add(token)
		}
	}
	for _, odd := range []string{"", "..", "a.b.c", "eyJhbGciOiJub25lIn0.e30.", "eyJhbGciOiJIUzI1NiIsImtpZCI6InNwb2lsdCJ9.e30.AAAA", "{}", `{"payload":"e30","signatures":[{}]}`} {
		f.Add(odd)
	}
	f.Fuzz(func(t *testing.T, token string) {
		claim, err := approvals.Verify(token, keys, backup(), now)
		if err != nil {
			if !strings.HasPrefix(err.Error(), "spec.approvals.claim: ") || len(err.Error()) > 512 {
				t.Errorf("an error that helps nobody: %q", err)
			}
			return
		}
		if !signed[decodedPayload(token)] || claim.Approver != "alice" || !claim.Expires.After(now) {
			t.Errorf("let through: %q: %+v", token, claim)
		}
	})
}

func decodedPayload(token string) string {
	parts := strings.Split(token, ".")
	if len(parts) != 3 {
		return ""
	}
	raw, err := base64.RawURLEncoding.DecodeString(parts[1])
	if err != nil {
		return ""
	}
	return string(raw)
}
