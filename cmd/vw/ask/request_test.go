// SPDX-License-Identifier: Apache-2.0

package ask

import (
	"flag"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/yaml"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

var update = flag.Bool("update", false, "write what is made into testdata")

// groups of a Placement with a canary.
var groups = []placement.Group{{Name: "canary", Clusters: []string{"spoke1"}}, {Name: "eu", Decision: 1, Clusters: []string{"spoke2", "spoke3"}}}

func TestOperations(t *testing.T) {
	fleet := Aim{Placement: "everywhere", Selector: &opsv1alpha1.InstanceSelector{Names: []string{"shop-a", "shop-b"}}}
	for name, tt := range map[string]struct {
		Request
		rollout Rollout
		window  string
	}{
		"backup-of-one": {Request: Request{Type: opsv1alpha1.TypeBackup, Aim: Aim{Target: "shop-a"}}},
		"upgrade-with-canary": {
			Request: Request{
				Type: opsv1alpha1.TypeUpgrade, Name: "to-1-2-0", Template: "upgrade-helm", Aim: fleet, Timeout: 15 * time.Minute, InstancesAtOnce: 1,
				Parameters: map[string]any{"targetVersion": "1.2.0", "valuesPatch": map[string]any{"replicas": int64(2)}},
			},
			rollout: Rollout{Canary: []string{"canary"}, MaxConcurrency: "10%", MaxFailures: "1", Soak: 15 * time.Minute, OnBreach: "rollback", Unreachable: "skip"},
		},
		"run-in-a-window": {
			Request: Request{
				Type: opsv1alpha1.TypeRunCommand, Engine: opsv1alpha1.EngineJob, Suspend: true, Approval: true, ConcurrencyKey: "carts", Follow: true,
				Aim: Aim{Placement: "everywhere", Selector: &opsv1alpha1.InstanceSelector{
					LabelSelector: &metav1.LabelSelector{MatchLabels: map[string]string{"app": "shop"}}, Namespaces: []string{"shops"},
				}},
			},
			rollout: Rollout{PerGroup: true, Gate: true},
			window:  "0 22 * * 1-5 for 6h in Europe/Zurich",
		},
		"dry-run-on-clusters":    {Request: Request{Type: opsv1alpha1.TypeRunbook, Aim: fleet, DryRun: opsv1alpha1.DryRunClusters}},
		"dry-run-of-one":         {Request: Request{Type: opsv1alpha1.TypeRestore, Aim: Aim{Target: "shop-a"}, DryRun: opsv1alpha1.DryRunHub}},
		"dry-run-on-its-cluster": {Request: Request{Type: opsv1alpha1.TypeRestore, Aim: Aim{Target: "shop-a"}, DryRun: opsv1alpha1.DryRunClusters}},
	} {
		t.Run(name, func(t *testing.T) {
			r := tt.Request
			r.Namespace = "shops"
			var err error
			if r.Rollout, err = tt.rollout.Spec(groups, true); err != nil {
				t.Fatal(err)
			}
			if r.Window, err = Window(tt.window); err != nil {
				t.Fatal(err)
			}
			op, err := r.Operation()
			if err != nil {
				t.Fatal(err)
			}
			golden(t, name+".yaml", op)
		})
	}
}

func TestPlacementOf(t *testing.T) {
	p := PlacementOf("shops", "backup-x7k2p", []string{"spoke2", "spoke1", "spoke2"})
	OwnedBy(p, &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Name: "backup-x7k2p", UID: "1234"}})
	golden(t, "placement-of-clusters.yaml", p)
}

// golden compares an object with a manifest in testdata.
func golden(t *testing.T, name string, object runtime.Object) {
	t.Helper()
	manifest, err := Manifest(object)
	if err != nil {
		t.Fatal(err)
	}
	got, err := yaml.Marshal(manifest.Object)
	if err != nil {
		t.Fatal(err)
	}
	path := filepath.Join("testdata", name)
	if *update {
		if err := os.WriteFile(path, got, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(got)); diff != "" {
		t.Errorf("%s (-want +got):\n%s", path, diff)
	}
}

func TestNoClusters(t *testing.T) {
	one := Aim{Target: "shop-a"}
	for option, r := range map[string]Request{
		"canary": {Aim: one, Rollout: &opsv1alpha1.RolloutSpec{}}, "suspend": {Aim: one, Suspend: true},
		"follow": {Aim: one, Follow: true}, "max-instances": {Aim: one, InstancesAtOnce: 1},
	} {
		_, err := r.Operation()
		wrong(t, err, option, "")
	}
}

func TestWindows(t *testing.T) {
	for text, want := range map[string]string{
		"nightly":                       "SCHEDULE for DURATION",
		"0 22 * * * for long":           "is not a time",
		"0 22 * * for 6h":               "",
		"0 22 * * * for 6h in Atlantis": "",
		"61 22 * * * for 6h in UTC":     "",
		"0 22 * * * for -1h in UTC":     "",
	} {
		_, err := Window(text)
		wrong(t, err, "window", want)
	}
}
