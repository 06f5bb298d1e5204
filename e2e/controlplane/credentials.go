// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"crypto/rand"
	"encoding/json"
	"net/http"
	"strings"
	"time"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// token of an identity.
type token struct {
	clusterID string
	// until when it is valid; for ever when zero.
	until   time.Time
	revoked bool
}

// registration is a one-time token.
type registration struct {
	clusterID string
	used      bool
}

func (t *token) valid(now time.Time) bool {
	return !t.revoked && (t.until.IsZero() || now.Before(t.until))
}

// Token makes a token for an identity, and the identity where it is not there yet.
func (f *Fake) Token(clusterID string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.newToken(clusterID)
}

// RegistrationToken makes one that can be exchanged once: for the identity that the client wishes for, or clusterID when it has no wish.
func (f *Fake) RegistrationToken(clusterID string) string {
	f.mu.Lock()
	defer f.mu.Unlock()
	secret := "register-" + rand.Text()
	f.registrations[secret] = &registration{clusterID: clusterID}
	return secret
}

// Revoke a token: it is answered with 401 from now on.
func (f *Fake) Revoke(secret string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if t := f.tokens[secret]; t != nil {
		t.revoked = true
	}
}

// EndGrace ends the time in which tokens that were exchanged are still valid.
func (f *Fake) EndGrace() {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, t := range f.tokens {
		if !t.until.IsZero() {
			t.revoked = true
		}
	}
}

// newToken of an identity. The caller holds mu.
func (f *Fake) newToken(clusterID string) string {
	if f.identities[clusterID] == nil {
		f.identities[clusterID] = &identity{clusterID: clusterID}
	}
	secret := "token-" + rand.Text()
	f.tokens[secret] = &token{clusterID: clusterID}
	return secret
}

// register exchanges a registration token.
func (f *Fake) register(q *Request, body []byte) reply {
	var r wire.Registration
	err := json.Unmarshal(body, &r)
	f.mu.Lock()
	defer f.mu.Unlock()
	if err != nil || r.RegistrationToken == "" {
		f.violate(q, "registers without a registrationToken")
		return *refuse(http.StatusBadRequest, "bad_request")
	}
	if r.RegistrationToken != q.token {
		f.violate(q, "registers with another bearer token than its registrationToken")
		return *refuse(http.StatusUnauthorized, "unauthorized")
	}
	known := f.registrations[r.RegistrationToken]
	if known == nil || known.used {
		return *refuse(http.StatusUnauthorized, "registration_token_used")
	}
	known.used = true
	clusterID := known.clusterID
	if r.ClusterID != "" {
		clusterID = r.ClusterID
	}
	secret := f.newToken(clusterID)
	if len(r.PublicKey) > 0 {
		f.identities[clusterID].publicKey = r.PublicKey
	}
	f.change()
	return answerJSON(http.StatusOK, wire.Credentials{ClusterID: clusterID, Token: secret})
}

// rotate exchanges the token of a request; it stays valid for a while.
func (f *Fake) rotate(q *Request, body []byte) reply {
	f.mu.Lock()
	defer f.mu.Unlock()
	if text := strings.TrimSpace(string(body)); text != "{}" {
		f.violate(q, "rotates with the body %q instead of {}", text)
	}
	secret := f.newToken(q.who.clusterID)
	if old := f.tokens[q.token]; old.until.IsZero() {
		old.until = f.now().Add(f.options.Grace)
	}
	f.change()
	return answerJSON(http.StatusOK, wire.Credentials{Token: secret})
}
