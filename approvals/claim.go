// SPDX-License-Identifier: Apache-2.0

package approvals

import (
	"errors"
	"fmt"
	"regexp"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/go-jose/go-jose/v4"
	"github.com/go-jose/go-jose/v4/jwt"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// Audience is who claims are for.
	Audience = "vworkspace-fleet"
	// MaxClaim bytes are looked at, as the CRD has it.
	MaxClaim = 8192
	// MaxLifetime of a claim that is bound to a digest alone. For so long it is remembered that it was used.
	MaxLifetime = 7 * 24 * time.Hour
	// skew is by how much the clock of who signs may be ahead. Nothing lives longer for it.
	skew = time.Minute
	// maxApprover and maxID bytes are told of a claim.
	maxApprover, maxID = 1024, 256
)

// algorithms that are allowed. Which of them a claim must have is its key's to say.
var algorithms = []jose.SignatureAlgorithm{jose.EdDSA, jose.HS256}

// kidForm is that of a key in a Secret's data.
var kidForm = regexp.MustCompile(`^[-._a-zA-Z0-9]{1,253}$`)

// Claim is what a verified claim says.
type Claim struct {
	// Approver is its subject.
	Approver string
	// KeyID is the kid of the key that it was signed with.
	KeyID string
	// ID is its jti; may be empty unless it counts once.
	ID string
	// Expires is when it is worth nothing any more.
	Expires time.Time
	// Once: it is bound to what is asked for and not to one Operation, so that it must be kept in mind that it was used.
	Once bool
}

// payload of a claim.
type payload struct {
	jwt.Claims
	// UID of the Operation that is approved.
	UID string `json:"uid,omitempty"`
	// Digest of what is approved; see Digest.
	Digest string `json:"digest,omitempty"`
}

// Verify a claim that was given for an Operation. The error names the field, what is wrong and the fix, and holds nothing of the claim or of a key.
func Verify(claim string, keys Keys, op *opsv1alpha1.Operation, now time.Time) (*Claim, error) {
	if len(claim) > MaxClaim {
		return nil, wrong("is longer than %d bytes: leave out what docs/how-to/approve.md does not ask for", MaxClaim)
	}
	token, err := parse(claim)
	if err != nil {
		return nil, err
	}
	kid := token.Headers[0].KeyID
	material, err := keys.find(kid, token.Headers[0].Algorithm)
	if err != nil {
		return nil, err
	}
	var said payload
	if err := token.Claims(material, &said); errors.Is(err, jose.ErrCryptoFailure) {
		return nil, wrong("its signature is not that of key %s: it was changed, or signed with another key", kid)
	} else if err != nil {
		return nil, wrong("it is signed, but its payload cannot be read: sign a JSON object as docs/how-to/approve.md shows it")
	}
	for _, check := range []func() error{
		said.forUs, said.subject, func() error { return said.timely(now) }, func() error { return said.bound(op) }, said.once,
	} {
		if err := check(); err != nil {
			return nil, err
		}
	}
	return &Claim{Approver: said.Subject, KeyID: kid, ID: said.ID, Expires: said.Expiry.Time(), Once: said.UID == ""}, nil
}

// wrong is an error about the claim.
func wrong(format string, args ...any) error {
	return fmt.Errorf("spec.approvals.claim: "+format, args...)
}

// premature is an error about a claim that time, or whoever keeps the keys, may make good.
type premature struct{ error }

// MayBecomeGood tells whether a claim that Verify finds wrong may be right later, as it is: when its time has come, or its key is there.
func MayBecomeGood(err error) bool {
	var p premature
	return errors.As(err, &p)
}

func parse(claim string) (*jwt.JSONWebToken, error) {
	token, err := jwt.ParseSigned(claim, algorithms)
	var other *jose.ErrUnexpectedSignatureAlgorithm
	switch {
	case errors.As(err, &other):
		return nil, wrong("its algorithm is not allowed: sign it with EdDSA (Ed25519) or HS256")
	case err != nil || len(token.Headers) != 1:
		return nil, wrong("it is not a signed token: give a JWT in its compact form, HEADER.PAYLOAD.SIGNATURE")
	}
	return token, nil
}

// find the key that a claim names. It must be one for the algorithm that the claim says, so that no key is ever used as what it is not.
func (k Keys) find(kid, algorithm string) (any, error) {
	if !kidForm.MatchString(kid) {
		return nil, wrong("its header has no kid: name there the entry of the Secret that holds the key")
	}
	found, known := k[kid]
	switch {
	case !known:
		return nil, premature{wrong("its kid %s is unknown: sign it with a key of the Secret, or add that key there", kid)}
	case found.unfit != "":
		return nil, premature{wrong("its key cannot be used: entry %s of the Secret %s", kid, found.unfit)}
	case string(found.algorithm) != algorithm:
		return nil, wrong("key %s is for %s, and its header says another algorithm: sign it with %s", kid, found.algorithm, found.algorithm)
	}
	return found.material, nil
}

func (p payload) forUs() error {
	if !p.Audience.Contains(Audience) {
		return wrong("it is for another audience: sign one with aud %s", Audience)
	}
	return nil
}

func (p payload) subject() error {
	switch {
	case p.Subject == "":
		return wrong("it does not say who approves: sign one with the approver as sub")
	case len(p.Subject) > maxApprover || !plain(p.Subject):
		return wrong("its sub is longer than %d bytes, begins or ends with a blank, or holds control characters: sign one with a plain name", maxApprover)
	}
	return nil
}

// plain tells whether a name reads as what it is.
func plain(s string) bool {
	return utf8.ValidString(s) && strings.TrimSpace(s) == s && !strings.ContainsFunc(s, func(r rune) bool { return !unicode.IsPrint(r) })
}

func (p payload) timely(now time.Time) error {
	switch {
	case p.Expiry == nil:
		return wrong("it does not say until when it holds: sign one with exp")
	case !now.Before(p.Expiry.Time()):
		return wrong("it expired at %s: have a new one signed", stamp(p.Expiry))
	case p.NotBefore != nil && now.Add(skew).Before(p.NotBefore.Time()):
		return premature{wrong("it is not valid before %s: wait, or have another one signed", stamp(p.NotBefore))}
	case p.IssuedAt != nil && now.Add(skew).Before(p.IssuedAt.Time()):
		return premature{wrong("it was issued at %s, which is to come: set the clock of who signs", stamp(p.IssuedAt))}
	}
	return nil
}

func stamp(d *jwt.NumericDate) string { return d.Time().UTC().Format(time.RFC3339) }

// bound to this Operation, by what it is or by what it asks for. One that says both must be right in both.
func (p payload) bound(op *opsv1alpha1.Operation) error {
	if p.UID == "" && p.Digest == "" {
		return wrong("it does not say what is approved: sign one with the uid of the Operation, or with its digest")
	}
	if p.UID != "" && p.UID != string(op.UID) {
		return wrong("it is for another Operation: sign one with uid %s", op.UID)
	}
	if p.Digest == "" {
		return nil
	}
	digest, err := Digest(op)
	if err != nil {
		return fmt.Errorf("spec.parameters: %w", err)
	}
	if p.Digest != digest {
		return wrong("it approves something else than what is asked for here: look at the Operation, and sign one with digest %s", digest)
	}
	return nil
}

// once: what is bound to a digest alone is good for one Operation, and must not be good for long.
func (p payload) once() error {
	switch {
	case p.UID != "":
		if len(p.ID) > maxID || !plain(p.ID) {
			return wrong("its jti is longer than %d bytes, or holds blanks at its ends or control characters: sign one with another", maxID)
		}
	case p.ID == "" || len(p.ID) > maxID || !plain(p.ID):
		return wrong("it has no uid, so that it needs a jti of at most %d plain bytes: sign one with an id that no other claim has", maxID)
	case p.IssuedAt == nil:
		return wrong("it has no uid, so that it needs iat: sign one that says when it was issued")
	case p.Expiry.Time().Sub(p.IssuedAt.Time()) > MaxLifetime:
		return wrong("it has no uid and holds for longer than %s after iat: sign one with an earlier exp, or with the uid of the Operation", MaxLifetime)
	}
	return nil
}
