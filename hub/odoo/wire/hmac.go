// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"strconv"
	"time"
)

// Headers that authenticate a POST beyond the bearer token. The protocol asks for an HMAC and leaves its form open; this is ours.
const (
	// HeaderTimestamp is when the request was sent, by the control plane's clock, in Unix seconds.
	HeaderTimestamp = "X-Vworkspace-Timestamp"
	// HeaderHMAC is "v1=" and the HMAC in unpadded base64url.
	HeaderHMAC = "X-Vworkspace-Hmac"
)

// hmacPurpose separates the key from any other use of the token.
const hmacPurpose = "vworkspace.agent.v1 hmac"

// postKey is the key of HMACs that goes with a token.
func postKey(token string) ([]byte, error) {
	return hkdf.Key(sha256.New, []byte(token), nil, hmacPurpose, sha256.Size)
}

// seal returns the values of both headers for a request with a canonical body.
func seal(key []byte, method, requestURI string, at time.Time, body []byte) (timestamp, code string) {
	timestamp = strconv.FormatInt(at.Unix(), 10)
	mac := hmac.New(sha256.New, key)
	mac.Write([]byte(method + "\n" + requestURI + "\n" + timestamp + "\n"))
	mac.Write(body)
	return timestamp, "v1=" + base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}
