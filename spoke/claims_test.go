// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestClaims(t *testing.T) {
	ns, shut := gatedNamespace(t), namespace(t, false)
	catalog := ns // nobody else's
	theirs := &clusterv1alpha1.ClusterClaim{ObjectMeta: metav1.ObjectMeta{Name: "theirs-" + ns}, Spec: clusterv1alpha1.ClusterClaimSpec{Value: "x"}}
	stale := &clusterv1alpha1.ClusterClaim{ObjectMeta: metav1.ObjectMeta{Name: "stale-" + ns + opsv1alpha1.ClaimApp,
		Labels: map[string]string{appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane}}, Spec: clusterv1alpha1.ClusterClaimSpec{Value: "7"}}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: claimsOwner}} // the suite installs deploy/spoke
	reload(t, role)
	create(t, theirs)
	create(t, stale)
	create(t, placeholder(ns, "a", catalog))
	b := placeholder(ns, "b", catalog)
	create(t, b)
	create(t, placeholder(shut, "c", catalog))
	claimIs(t, catalog+opsv1alpha1.ClaimApp, "2")
	claimIs(t, opsv1alpha1.EngineClaim(opsv1alpha1.EngineJob), claimInstalled)
	gone(t, stale)
	if err := k8s.Delete(t.Context(), b); err != nil {
		t.Fatal(err)
	}
	claimIs(t, catalog+opsv1alpha1.ClaimApp, "1")
	openNamespace(t, shut)
	claimIs(t, catalog+opsv1alpha1.ClaimApp, "2")
	reload(t, theirs)
	// An agent that is uninstalled takes along what it said, and nothing else.
	if own := ownersOf(t, catalog+opsv1alpha1.ClaimApp); len(own) != 1 || own[0].UID != role.UID || own[0].Kind != "ClusterRole" {
		t.Errorf("the claim goes with %+v, want it to go with ClusterRole %s", own, role.Name)
	}
	if own := ownersOf(t, theirs.Name); len(own) > 0 {
		t.Errorf("somebody else's claim goes with %+v", own)
	}
}

func ownersOf(t *testing.T, claim string) []metav1.OwnerReference {
	t.Helper()
	var c clusterv1alpha1.ClusterClaim
	if err := k8s.Get(t.Context(), client.ObjectKey{Name: claim}, &c); err != nil {
		t.Fatal(err)
	}
	return c.OwnerReferences
}

func claimIs(t *testing.T, name, value string) {
	t.Helper()
	eventually(t, func() string {
		var claim clusterv1alpha1.ClusterClaim
		if err := k8s.Get(t.Context(), client.ObjectKey{Name: name}, &claim); err != nil {
			return err.Error()
		}
		if claim.Spec.Value != value {
			return fmt.Sprintf("%s is %s, wanted %s", name, claim.Spec.Value, value)
		}
		return ""
	})
}

func TestClaimName(t *testing.T) {
	if got := opsv1alpha1.AppClaim("nextcloud"); got != "nextcloud.app.vworkspace.io" {
		t.Error(got)
	}
	seen := map[string]string{}
	for _, id := range []string{"nextcloud", "NextCloud", "next cloud", "next_cloud", "äöü", "...", "-", strings.Repeat("x", 253), strings.Repeat("x", 252) + "y"} {
		name := opsv1alpha1.AppClaim(id)
		if errs := validation.IsDNS1123Subdomain(name); len(errs) > 0 {
			t.Errorf("%q becomes %q: %v", id, name, errs)
		}
		if other, taken := seen[name]; taken {
			t.Errorf("%q and %q are both %q", id, other, name)
		}
		seen[name] = id
	}
}

func TestAppClaims(t *testing.T) {
	instances := []appsv1alpha1.ApplicationInstance{*placeholder("a", "1", "shop"), *placeholder("b", "1", "shop"), *placeholder("a", "2", "wiki")}
	if diff := cmp.Diff(map[string]string{"shop.app.vworkspace.io": "2", "wiki.app.vworkspace.io": "1"}, appClaims(instances)); diff != "" {
		t.Error(diff)
	}
}

// A ClusterRole that cannot be read for a moment takes no claim's owner away.
func TestClaimKeepsItsOwner(t *testing.T) {
	us := []metav1.OwnerReference{{Kind: "ClusterRole", Name: claimsOwner, UID: "1"}}
	for _, c := range []struct {
		had, known, want []metav1.OwnerReference
		value            string
		changed          bool
	}{
		{had: us, known: nil, want: us, value: "3", changed: true},
		{had: us, known: nil, want: us, value: "2"},
		{had: us, known: us, want: us, value: "2"},
		{had: nil, known: us, want: us, value: "2", changed: true},
		{had: nil, known: nil, want: nil, value: "2"},
	} {
		claim := &clusterv1alpha1.ClusterClaim{ObjectMeta: metav1.ObjectMeta{OwnerReferences: c.had}, Spec: clusterv1alpha1.ClusterClaimSpec{Value: "2"}}
		changed := settle(claim, c.value, c.known)
		if diff := cmp.Diff(c.want, claim.OwnerReferences); diff != "" || changed != c.changed || claim.Spec.Value != c.value {
			t.Errorf("%+v: changed %v, value %s, owners %s", c, changed, claim.Spec.Value, diff)
		}
	}
}
