// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestDeed(t *testing.T) {
	rollout, err := Rollout{Canary: []string{"canary"}, MaxConcurrency: "10%", OnBreach: "rollback", Gate: true}.Spec(groups, true)
	if err != nil {
		t.Fatal(err)
	}
	found := shops(true).Instances
	selector := &opsv1alpha1.InstanceSelector{}
	for name, tt := range map[string]struct {
		Request
		Deed
		want string
	}{
		"a fleet": {
			Request: Request{
				Type: opsv1alpha1.TypeUpgrade, Template: "upgrade-helm", Rollout: rollout, Aim: Aim{Placement: "tiers", Selector: selector, Found: found},
				Parameters: map[string]any{"targetVersion": "1.2.0", "valuesPatch": map[string]any{"password": "hush"}},
			},
			Deed: Deed{Groups: groups, GroupsKnown: true, Redact: []string{"valuesPatch.password"}},
			want: `
Upgrade in namespace shops
  template    upgrade-helm
  parameters  targetVersion: 1.2.0
              valuesPatch:
                password: '***'
  clusters    3, by Placement tiers now: spoke1, spoke2, spoke3
  instances   3 known here: shop-a, shop-b, docs
  rollout     group canary first, 10% clusters at a time, is rolled back when one has failed, each group but the first waits for an approval
`,
		},
		"one": {
			Request: Request{Type: opsv1alpha1.TypeBackup, Aim: Aim{Target: "shop-b", Found: found[1:2]}},
			want: `
Backup in namespace shops
  template   the one that each cluster finds for it
  clusters   spoke2
  instances  shop-b
`,
		},
		"a Placement that may not be read": {
			Request: Request{Type: opsv1alpha1.TypeBackup, Aim: Aim{Placement: "tiers", Selector: selector}},
			want: `
Backup in namespace shops
  template   the one that each cluster finds for it
  clusters   those that Placement tiers selects, which you may not read or which it has not decided yet
  instances  those that the clusters know and the selector picks; none is known here
`,
		},
	} {
		t.Run(name, func(t *testing.T) {
			tt.Namespace = "shops"
			if tt.Deed.Operation, err = tt.Request.Operation(); err != nil {
				t.Fatal(err)
			}
			tt.Deed.Aim = tt.Request.Aim
			got, err := tt.Describe()
			if err != nil {
				t.Fatal(err)
			}
			if got != strings.TrimPrefix(tt.want, "\n") {
				t.Errorf("got\n%s", got)
			}
		})
	}
}

func TestManyAreCut(t *testing.T) {
	aim := Aim{Placement: "x", Selector: &opsv1alpha1.InstanceSelector{}}
	for range maxShown + 3 {
		aim.Found = append(aim.Found, appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Name: "i"}})
	}
	if got := (Deed{Operation: &opsv1alpha1.Operation{}, Aim: aim}).instances(); got != "9 known here: i, i, i, i, i, i and 3 more" {
		t.Error(got)
	}
}
