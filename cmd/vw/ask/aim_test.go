// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
)

// shops are two instances of a shop, and a wiki of the shop's name in the catalog; the first and the last on spoke1.
func shops(hub bool) Ground {
	g := Ground{Hub: hub, Namespace: "shops", Known: true}
	for _, one := range []struct{ name, app, cluster string }{{"shop-a", "shop", "spoke1"}, {"shop-b", "shop", "spoke2"}, {"docs", "wiki", "spoke1"}} {
		instance := appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Name: one.name, Namespace: "shops", Labels: map[string]string{"app": one.app}}}
		instance.Spec.AppRef.CatalogID = one.app
		if hub {
			instance.Status.Cluster = one.cluster
		}
		g.Instances = append(g.Instances, instance)
	}
	return g
}

func TestAim(t *testing.T) {
	labels := &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}
	unknown := Ground{Hub: true, Namespace: "shops"}
	for name, tt := range map[string]struct {
		Where
		Ground
		want string
	}{
		"an instance of the hub":              {Where{Apps: []string{"shop-a"}}, shops(true), "target shop-a found 1"},
		"the only one of an application":      {Where{Apps: []string{"wiki"}}, shops(true), "target docs found 1: wiki is 1 instance, by catalog id"},
		"an instance on the cluster it is on": {Where{Apps: []string{"shop-b"}, Clusters: []string{"spoke2"}}, shops(true), "target shop-b found 1"},
		"an application on a cluster":         {Where{Apps: []string{"shop"}, Clusters: []string{"spoke2"}}, shops(true), "target shop-b found 1: shop is 1 instance, by catalog id"},
		"an application on clusters":          {Where{Apps: []string{"shop"}, Clusters: []string{"spoke1", "spoke2"}}, shops(true), "names shop-a,shop-b clusters spoke1,spoke2 found 2: shop is 2 instances, by catalog id"},
		"an application where a Placement is": {Where{Apps: []string{"shop"}, Placement: "eu"}, shops(true), "names shop-a,shop-b placement eu found 2: shop is 2 instances, by catalog id"},
		"one instance where a Placement is":   {Where{Apps: []string{"docs"}, Placement: "eu"}, shops(true), "names docs placement eu found 1"},
		"all of a Placement":                  {Where{Placement: "eu"}, shops(true), "names  placement eu found 3"},
		"all of a cluster":                    {Where{Clusters: []string{"spoke1"}}, shops(true), "names  clusters spoke1 found 3"},
		"by labels":                           {Where{Placement: "eu", Selector: labels}, shops(true), "names  placement eu found 2"},
		"an instance that the hub knows":      {Where{Instances: []string{"docs"}}, shops(true), "target docs found 1"},
		"an instance that only clusters know": {Where{Instances: []string{"x"}, Placement: "eu"}, shops(true), "names x placement eu found 0"},
		"on a cluster alone":                  {Where{Apps: []string{"shop"}}, shops(false), "names shop-a,shop-b found 2: shop is 2 instances, by catalog id"},
		"one on a cluster alone":              {Where{Apps: []string{"docs"}}, shops(false), "target docs found 1"},
		"all on a cluster alone":              {Where{All: true}, shops(false), "names  found 3"},
		"said twice":                          {Where{Apps: []string{"shop-a", "shop-a"}}, shops(false), "target shop-a found 2"},
		"instances that may not be listed":    {Where{Apps: []string{"x"}, Placement: "eu"}, unknown, "names x placement eu found 0: x is taken for the name of an instance: you may not list the instances of namespace shops"},
	} {
		t.Run(name, func(t *testing.T) {
			a, err := tt.Aim(tt.Ground)
			if err != nil {
				t.Fatal(err)
			}
			if got := shown(a); got != tt.want {
				t.Errorf("%s\nwant %s", got, tt.want)
			}
		})
	}
}

func shown(a Aim) string {
	text := "target " + a.Target
	if a.Selector != nil {
		text = "names " + strings.Join(a.Selector.Names, ",")
	}
	if a.Placement != "" {
		text += " placement " + a.Placement
	}
	if len(a.Clusters) > 0 {
		text += " clusters " + strings.Join(a.Clusters, ",")
	}
	text += fmt.Sprintf(" found %d", len(a.Found))
	if len(a.Notes) > 0 {
		text += ": " + strings.Join(a.Notes, "; ")
	}
	return text
}

func TestWrongAim(t *testing.T) {
	labels := &metav1.LabelSelector{}
	many := shops(true)
	for i := range maxNames + 1 {
		instance := *many.Instances[0].DeepCopy()
		instance.Name = fmt.Sprint("more-", i)
		many.Instances = append(many.Instances, instance)
	}
	for name, tt := range map[string]struct {
		Where
		Ground
		option, says string
	}{
		"nothing on a hub":         {Where{}, shops(true), "placement", "say where"},
		"all on a hub":             {Where{All: true}, shops(true), "placement", "say where"},
		"nothing on a cluster":     {Where{}, shops(false), "app", "--all"},
		"a Placement on a cluster": {Where{Placement: "eu"}, shops(false), "placement", "no hub"},
		"a cluster on a cluster":   {Where{Clusters: []string{"spoke1"}}, shops(false), "cluster", "no hub"},
		"Placement and cluster":    {Where{Placement: "eu", Clusters: []string{"spoke1"}}, shops(true), "cluster", "leave one"},
		"all and some":             {Where{All: true, Selector: labels}, shops(false), "all", "leave it out"},
		"many without clusters":    {Where{Apps: []string{"shop"}}, shops(true), "placement", "2 instances: say on which clusters: --placement NAME, or --cluster NAME, such as --cluster spoke1 --cluster spoke2"},
		"labels without clusters":  {Where{Selector: labels}, shops(true), "placement", "say on which clusters"},
		"unknown without clusters": {Where{Instances: []string{"x"}}, shops(true), "placement", "say on which clusters"},
		"no such application":      {Where{Apps: []string{"shpo"}}, shops(true), "app", "did you mean shop?; instances that only their clusters know"},
		"no such application here": {Where{Apps: []string{"zzz"}}, shops(false), "app", "name or the catalog id zzz"},
		"not on that cluster":      {Where{Apps: []string{"docs"}, Clusters: []string{"spoke2"}}, shops(true), "app", "no instance of docs is on spoke2"},
		"more than fit":            {Where{Apps: []string{"shop"}, Placement: "eu"}, many, "app", "--selector"},
	} {
		t.Run(name, func(t *testing.T) {
			_, err := tt.Aim(tt.Ground)
			wrong(t, err, tt.option, tt.says)
		})
	}
}

func TestDidYouMean(t *testing.T) {
	known := []string{"nightly-1", "upgrade-x", "shop", "b"}
	for name, want := range map[string]string{
		"nightly": "; did you mean nightly-1?", "nighly-1": "; did you mean nightly-1?", "Shop": "; did you mean shop?", "upgrade-y": "; did you mean upgrade-x?",
		"restore": "", "": "", "zz": "",
	} {
		if got := DidYouMean(name, slices.Clone(known)); got != want {
			t.Errorf("%s: %q, want %q", name, got, want)
		}
	}
}
