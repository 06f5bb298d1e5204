// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"testing"
	"time"

	"k8s.io/client-go/util/cert"
)

var (
	serverNames = []string{"vworkspace-hub-admission.vworkspace-hub.svc", "127.0.0.1"}
	start       = time.Date(2026, 11, 29, 2, 0, 0, 0, time.UTC)
)

func must(t *testing.T, c certificates, names []string, now time.Time) (certificates, bool) {
	t.Helper()
	next, changed, err := c.next(names, now)
	if err != nil {
		t.Fatal(err)
	}
	if changed == next.equal(c) {
		t.Fatalf("said changed: %v, which is not so", changed)
	}
	return next, changed
}

// verify fails unless whoever trusts the authorities takes the certificate for each of the names.
func verify(t *testing.T, authorities []byte, c certificates, now time.Time) {
	t.Helper()
	pair, err := tls.X509KeyPair(c.cert, c.key)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authorities)
	for _, name := range serverNames {
		if _, err := pair.Leaf.Verify(x509.VerifyOptions{DNSName: name, Roots: roots, CurrentTime: now}); err != nil {
			t.Errorf("at %s: %v", now, err)
		}
	}
}

// TestRotation goes through six years, a look every five days. Whoever trusts what was published, and whoever still trusts what was published a look before,
// takes the certificate that is shown then, and the one that was shown before.
func TestRotation(t *testing.T) {
	now := start
	c, changed := must(t, certificates{}, serverNames, now)
	if !changed {
		t.Fatal("there was nothing, and nothing was made")
	}
	before := c
	served, signed := 0, 0
	for ; now.Before(start.AddDate(6, 0, 0)); now = now.Add(5 * 24 * time.Hour) {
		next, changed := must(t, c, serverNames, now)
		if changed {
			if !bytes.Equal(next.cert, c.cert) {
				served++
			}
			if !bytes.Equal(next.authorities, c.authorities) {
				signed++
				if !bytes.Equal(next.cert, c.cert) {
					t.Errorf("at %s a new authority signed before anybody knew it", now)
				}
			}
		}
		before, c = c, next
		verify(t, c.authorities, c, now)
		verify(t, before.authorities, c, now) // an API server that has not been told yet
		verify(t, c.authorities, before, now) // a replica that has not read the Secret yet
	}
	if authorities, err := cert.ParseCertsPEM(c.authorities); err != nil || len(authorities) > 2 {
		t.Errorf("%d authorities are trusted in the end (%v): those that ended are to be dropped", len(authorities), err)
	}
	if served < 6*365/60-2 || served > 6*365/60+6 || signed < 3 || signed > 5 {
		t.Errorf("%d certificates and %d authorities in six years", served, signed)
	}
}

// TestSettle: another replica that looks a second later does not let the new authority sign either; after a while it does.
func TestSettle(t *testing.T) {
	c, _ := must(t, certificates{}, serverNames, start)
	due := start.Add(authorityLife - 2*servingLife + time.Second)
	for now := start; now.Before(due); now = now.Add(24 * time.Hour) {
		c, _ = must(t, c, serverNames, now)
	}
	announced, changed := must(t, c, serverNames, due)
	if !changed || bytes.Equal(announced.authorities, c.authorities) || !bytes.Equal(announced.cert, c.cert) {
		t.Fatal("want a new authority, and the certificate that there was")
	}
	if _, changed := must(t, announced, serverNames, due.Add(time.Second)); changed {
		t.Error("it changed again at once")
	}
	signed, changed := must(t, announced, serverNames, due.Add(settle+time.Second))
	if !changed || bytes.Equal(signed.cert, c.cert) || !bytes.Equal(signed.authorities, announced.authorities) {
		t.Error("want a certificate of the new authority")
	}
	authorities, err := cert.ParseCertsPEM(signed.authorities)
	if err != nil {
		t.Fatal(err)
	}
	verify(t, certPEM(authorities[0].Raw), signed, due.Add(settle+time.Second))
}

// TestRepair: whatever is in the Secret, what comes out can be used; and what could be used is left alone.
func TestRepair(t *testing.T) {
	good, _ := must(t, certificates{}, serverNames, start)
	other, _ := must(t, certificates{}, serverNames, start)
	for name, c := range map[string]struct {
		damage         func(*certificates)
		names          []string
		after          time.Duration
		changed, fresh bool
	}{
		"nothing is wrong":              {func(*certificates) {}, serverNames, time.Hour, false, false},
		"fewer names are needed":        {func(*certificates) {}, serverNames[:1], time.Hour, false, false},
		"another name is needed":        {func(*certificates) {}, append([]string{"other.svc"}, serverNames...), time.Hour, true, false},
		"two thirds are over":           {func(*certificates) {}, serverNames, servingLife*2/3 + time.Hour, true, false},
		"nobody looked for too long":    {func(*certificates) {}, serverNames, servingLife + time.Hour, true, false},
		"nobody looked for years":       {func(*certificates) {}, serverNames, authorityLife + time.Hour, true, true},
		"the certificate is rubbish":    {func(c *certificates) { c.cert = []byte("rubbish") }, serverNames, 0, true, false},
		"the key is another's":          {func(c *certificates) { c.key = other.key }, serverNames, 0, true, false},
		"the certificate is another's":  {func(c *certificates) { c.cert, c.key = other.cert, other.key }, serverNames, 0, true, false},
		"the authority is gone":         {func(c *certificates) { c.authorities = nil }, serverNames, 0, true, true},
		"the authority's key is gone":   {func(c *certificates) { c.authorityKey = nil }, serverNames, 0, true, true},
		"the authority's key is wrong":  {func(c *certificates) { c.authorityKey = other.authorityKey }, serverNames, 0, true, true},
		"a long name is shortened only": {func(*certificates) {}, append([]string{longName()}, serverNames...), 0, true, false},
	} {
		t.Run(name, func(t *testing.T) {
			have := good
			c.damage(&have)
			next, changed := must(t, have, c.names, start.Add(c.after))
			if changed != c.changed {
				t.Errorf("changed: %v, want %v", changed, c.changed)
			}
			if fresh := !bytes.Equal(next.authorities, good.authorities); fresh != c.fresh {
				t.Errorf("a new authority: %v, want %v", fresh, c.fresh)
			}
			verify(t, next.authorities, next, start.Add(c.after))
		})
	}
}

func longName() string {
	label := "a-service-whose-name-is-as-long-as-names-of-services-may-be-xyz"
	return label + "." + label + ".svc"
}
