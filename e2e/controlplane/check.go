// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/gowebpki/jcs"

	"vworkspace.io/fleet/hub/odoo/wire"
)

// Headers of the HMAC, as docs/reference/odoo-protocol.md has them. The client has its own, so that one of the two cannot be wrong unnoticed.
const (
	timestampHeader = "X-Vworkspace-Timestamp"
	hmacHeader      = "X-Vworkspace-Hmac"
	hmacInfo        = "vworkspace.agent.v1 hmac"
	maxSkew         = 5 * time.Minute
)

// check what every request must have, and return what refuses it; nil when it may take effect.
func (f *Fake) check(q *Request, r *http.Request, body []byte) *reply {
	f.mu.Lock()
	defer f.mu.Unlock()
	if q.Operation == Unknown {
		f.violate(q, "is none of the protocol's requests")
		return refuse(http.StatusNotFound, "not_found")
	}
	f.checkMediaTypes(q, r, body)
	bearer, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer ")
	if !ok || bearer == "" {
		f.violate(q, "has no bearer token")
		return refuse(http.StatusUnauthorized, "unauthorized")
	}
	q.token = bearer
	if q.Operation == Register {
		return nil
	}
	known := f.tokens[bearer]
	if known != nil {
		q.who = f.identities[known.clusterID]
	}
	f.checkPacing(q)
	if known == nil || !known.valid(f.now()) {
		return refuse(http.StatusUnauthorized, "unauthorized")
	}
	if q.Method == http.MethodPost {
		return f.checkHMAC(q, r, body)
	}
	return nil
}

func (f *Fake) checkMediaTypes(q *Request, r *http.Request, body []byte) {
	if got := r.Header.Get("Accept"); got != wire.MediaType {
		f.violate(q, "has Accept %q instead of %q", got, wire.MediaType)
	}
	if got := r.Header.Get("Content-Type"); len(body) > 0 && got != wire.MediaType {
		f.violate(q, "has a body with Content-Type %q instead of %q", got, wire.MediaType)
	}
}

// checkHMAC of a POST, over the canonical form of its body.
func (f *Fake) checkHMAC(q *Request, r *http.Request, body []byte) *reply {
	timestamp, got := r.Header.Get(timestampHeader), r.Header.Get(hmacHeader)
	seconds, err := strconv.ParseInt(timestamp, 10, 64)
	if got == "" || err != nil {
		f.violate(q, "is a POST without %s and %s", timestampHeader, hmacHeader)
		return refuse(http.StatusUnauthorized, "hmac_missing")
	}
	canonical := body
	if len(body) > 0 {
		if canonical, err = jcs.Transform(body); err != nil {
			f.violate(q, "has a body that is not JSON, or has no canonical form: %v", err)
			return refuse(http.StatusBadRequest, "bad_request")
		}
	}
	key, err := hkdf.Key(sha256.New, []byte(q.token), nil, hmacInfo, 32)
	if err != nil {
		panic(err) // 32 bytes are never too many.
	}
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(strings.Join([]string{r.Method, r.RequestURI, timestamp, string(canonical)}, "\n")))
	if want := "v1=" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil)); !hmac.Equal([]byte(want), []byte(got)) {
		f.violate(q, "is a POST whose HMAC is wrong")
		return refuse(http.StatusUnauthorized, "hmac_wrong")
	}
	if off := f.now().Sub(time.Unix(seconds, 0)).Abs(); off > maxSkew {
		return refuse(http.StatusUnauthorized, wire.CodeClockSkew)
	}
	return nil
}

func refuse(status int, code string) *reply {
	out := problem(status, code, "the control plane refuses this")
	return &out
}
