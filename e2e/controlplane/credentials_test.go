// SPDX-License-Identifier: Apache-2.0

package controlplane_test

import (
	"testing"
	"time"

	"vworkspace.io/fleet/e2e/controlplane"
	"vworkspace.io/fleet/hub/odoo/wire"
)

func TestARegistrationTokenIsUsedOnce(t *testing.T) {
	f := controlplane.Start(controlplane.Options{})
	defer f.Close()
	key, err := wire.NewDecryptionKey()
	if err != nil {
		t.Fatal(err)
	}
	d, err := wire.NewDecrypter(key)
	if err != nil {
		t.Fatal(err)
	}
	public, err := d.PublicKey()
	if err != nil {
		t.Fatal(err)
	}
	r := wire.Registration{RegistrationToken: f.RegistrationToken("fleet-2"), DisplayName: "hub", PublicKey: public}
	got, err := wire.Register(t.Context(), wire.Options{Endpoint: f.URL()}, r)
	if err != nil || got.ClusterID != "fleet-2" || got.Token == "" {
		t.Fatalf("got %q, %v", got.ClusterID, err)
	}
	if f.PublicKey("fleet-2") == nil {
		t.Error("the public key was not kept")
	}
	if _, err := wire.Register(t.Context(), wire.Options{Endpoint: f.URL()}, r); !wire.Unauthorized(err) {
		t.Errorf("registered again: %v", err)
	}
	r = wire.Registration{RegistrationToken: f.RegistrationToken("fleet-3"), ClusterID: "mine"}
	if got, err := wire.Register(t.Context(), wire.Options{Endpoint: f.URL()}, r); err != nil || got.ClusterID != "mine" {
		t.Errorf("got %q, %v", got.ClusterID, err)
	}
	if got := f.Violations(); len(got) > 0 {
		t.Errorf("reported %q", got)
	}
}

func TestAnExchangedTokenIsValidForAWhile(t *testing.T) {
	f := controlplane.Start(controlplane.Options{Grace: time.Hour})
	defer f.Close()
	old, err := wire.NewClient(wire.Options{Endpoint: f.URL(), ClusterID: "fleet-1", Token: f.Token("fleet-1")})
	if err != nil {
		t.Fatal(err)
	}
	got, err := old.Rotate(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	fresh, err := old.WithToken(got.Token)
	if err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string]*wire.Client{"old": old, "new": fresh} {
		if _, err := c.Jobs(t.Context(), 0); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
	// The answer may have been lost: the old one can be exchanged again, and what it was exchanged for first is valid still.
	if _, err := old.Rotate(t.Context()); err != nil {
		t.Error(err)
	}
	f.EndGrace()
	if _, err := old.Jobs(t.Context(), 0); !wire.Unauthorized(err) {
		t.Errorf("the old one after its time: %v", err)
	}
	if _, err := fresh.Jobs(t.Context(), 0); err != nil {
		t.Errorf("the new one: %v", err)
	}
}
