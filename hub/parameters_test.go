// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// known makes a cluster known by labels, and by what runs there.
func (f *fleet) known(cluster string, labels, claims map[string]string) {
	f.t.Helper()
	c := &clusterv1.ManagedCluster{}
	f.must(api.Get(f.ctx, types.NamespacedName{Name: cluster}, c))
	c.Labels = labels
	f.must(api.Update(f.ctx, c))
	c.Status.ClusterClaims = nil
	for name, value := range claims {
		c.Status.ClusterClaims = append(c.Status.ClusterClaims, clusterv1.ManagedClusterClaim{Name: name, Value: value})
	}
	f.must(api.Status().Update(f.ctx, c))
}

func withParameters(text string) func(*opsv1alpha1.Operation) {
	return func(op *opsv1alpha1.Operation) { op.Spec.Parameters = &runtime.RawExtension{Raw: []byte(text)} }
}

// sentParameters are those that each cluster was sent.
func (f *fleet) sentParameters(op *opsv1alpha1.Operation) map[string]string {
	f.t.Helper()
	sent := map[string]string{}
	for cluster, w := range f.works(op) {
		var o struct {
			Spec struct {
				Parameters json.RawMessage `json:"parameters"`
			} `json:"spec"`
		}
		f.must(json.Unmarshal(w.Spec.Workload.Manifests[0].Raw, &o))
		sent[cluster] = string(o.Spec.Parameters)
	}
	return sent
}

func TestEachClusterIsSentItsOwnParameters(t *testing.T) {
	f := newFleet(t, 3)
	f.known(f.clusters[0], map[string]string{"region": "eu", "tier": "gold"}, map[string]string{"shop.app.vworkspace.io": "2"})
	f.known(f.clusters[1], map[string]string{"region": "us"}, map[string]string{"shop.app.vworkspace.io": "12"})
	f.known(f.clusters[2], map[string]string{"region": "eu", "tier": "gold"}, map[string]string{"shop.app.vworkspace.io": "3"})
	free := f.listed("free", nil)
	stop := f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", naming(free.Name), withParameters(`{"n":"${cluster.labels[?'tier'].orValue('') == 'gold' ? 3 : 1}","many":"${int(cluster.claims['shop.app.vworkspace.io']) > 10}",
		"to":"s3://${cluster.labels['region']}/${cluster.name}","run":["sh","-c","echo ${HOME} $${cluster}"]}`))
	f.awaitWorks(op, 3)
	want := map[string]string{}
	for i, region := range []string{"eu", "us", "eu"} {
		n, many := 3, i == 1
		if many {
			n = 1
		}
		want[f.clusters[i]] = fmt.Sprintf(`{"many":%t,"n":%d,"run":["sh","-c","echo ${HOME} ${cluster}"],"to":"s3://%s/%s"}`, many, n, region, f.clusters[i])
	}
	if diff := cmp.Diff(want, f.sentParameters(op)); diff != "" {
		t.Error(diff)
	}

	// What is known of a cluster later changes nothing: the plan is followed, by another hub as well.
	later := f.operation("later", "all", naming(free.Name), withParameters(`{"to":"${cluster.labels['region']}"}`), func(op *opsv1alpha1.Operation) { op.Spec.Suspend = true })
	f.await(later, opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut)
	stop()
	f.known(f.clusters[0], nil, nil)
	got := f.get(later)
	got.Spec.Suspend = false
	f.must(api.Update(f.ctx, got))
	f.startHub()
	f.awaitWorks(later, 3)
	if diff := cmp.Diff(map[string]string{f.clusters[0]: `{"to":"eu"}`, f.clusters[1]: `{"to":"us"}`, f.clusters[2]: `{"to":"eu"}`}, f.sentParameters(later)); diff != "" {
		t.Error(diff)
	}
}

func TestExpressionsOfAFleetOfOne(t *testing.T) {
	f := newFleet(t, 2)
	f.known(f.clusters[1], map[string]string{"region": "eu"}, nil)
	f.startHub()
	f.instance("web", f.clusters[1])
	op := f.operation("backup", "", withParameters(`{"storageLocation":"${cluster.labels['region']}"}`), func(op *opsv1alpha1.Operation) {
		op.Spec.Placement, op.Spec.Selector = nil, nil
		op.Spec.TargetRef = &opsv1alpha1.TargetRef{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance", Name: "web"}
	})
	f.awaitWorks(op, 1)
	if diff := cmp.Diff(map[string]string{f.clusters[1]: `{"storageLocation":"eu"}`}, f.sentParameters(op)); diff != "" {
		t.Error(diff)
	}
}

// TestEscapesAlone need no cluster.
func TestEscapesAlone(t *testing.T) {
	f := newBareFleet(t, 1)
	free := f.listed("free", nil)
	f.startHub()
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", naming(free.Name), withParameters(`{"run":"$${cluster.name} ${HOME}"}`))
	f.awaitWorks(op, 1)
	if diff := cmp.Diff(map[string]string{f.clusters[0]: `{"run":"${cluster.name} ${HOME}"}`}, f.sentParameters(op)); diff != "" {
		t.Error(diff)
	}
}

// TestExpressionsFailThePlan: what any cluster could not do is told before any of them is asked.
func TestExpressionsFailThePlan(t *testing.T) {
	f := newFleet(t, 4)
	f.startHub()
	f.place("all", f.clusters...)
	for i, c := range f.clusters {
		labels := map[string]string{"region": "eu", "secret": "hunter2-hunter2"}
		if i == 0 {
			labels["count"] = "3"
		}
		f.known(c, labels, nil)
	}
	strict := f.listed("strict", func(s *opsv1alpha1.OperationTemplateSpec) {
		s.InputSchema = &runtime.RawExtension{Raw: []byte(`{"properties":{"count":{"type":"integer","maximum":2},"name":{"maxLength":3},"password":{"type":"string"},"ttl":{"pattern":"h$"}},"required":["ttl"],"additionalProperties":false}`)}
		s.Defaults = &runtime.RawExtension{Raw: []byte(`{"ttl":"24h"}`)}
		s.Redact = []string{"password"}
	})
	for name, c := range map[string]struct{ parameters, words string }{
		"unknown":  {`{"count":"${int(cluster.labels['count'])}"}`, "spec.parameters.count: Invalid value: ${int(cluster.labels['count'])} has no value for cluster " + f.clusters[1] + ", and for 2 others: no such key: count"},
		"type":     {`{"count":"${cluster.labels['region']}"}`, "spec.parameters.count: Invalid value: must be of type integer, not string (as it is filled in for cluster " + f.clusters[0] + ", and for 3 others)"},
		"bound":    {`{"count":"${cluster.labels[?'count'].hasValue() ? 3 : 1}"}`, "spec.parameters.count: Invalid value: must be at most 2 (as it is filled in for cluster " + f.clusters[0] + ")"},
		"long":     {`{"name":"${cluster.name}"}`, "spec.parameters.name: Invalid value: "},
		"syntax":   {`{"name":"${cluster.labels[}"}`, "spec.parameters.name: Invalid value: the expression does not compile: syntax error at character"},
		"list":     {`{"name":"${[cluster.name]}"}`, "spec.parameters.name: Invalid value: the expression yields list(string)"},
		"misspelt": {`{"naem":"${cluster.name}"}`, "spec.parameters.naem: Forbidden: unknown parameter"},
		"redacted": {`{"password":"${string(int(cluster.labels['secret']))}"}`, "spec.parameters.password: Invalid value: the expression has no value for cluster " + f.clusters[0] + ", and for 3 others"},
	} {
		op := f.operation(name, "all", naming(strict.Name), withParameters(c.parameters), func(op *opsv1alpha1.Operation) { op.Spec.DryRun = name == "unknown" })
		got := f.await(op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed)
		if !strings.Contains(got.Status.Message, c.words) || strings.Contains(got.Status.Message, "hunter2") || got.Status.Plan != nil || len(f.works(op)) > 0 {
			t.Errorf("%s: %d works, and it says %q, not %q", name, len(f.works(op)), got.Status.Message, c.words)
		}
	}
}

// TestExpressionsOfAClusterThatIsGone wait for the Placement to take note, no longer than the start deadline.
func TestExpressionsOfAClusterThatIsGone(t *testing.T) {
	f := newFleet(t, 1)
	free := f.listed("free", nil)
	f.startHub()
	f.place("all", f.clusters[0], "f-gone")
	p := withParameters(`{"to":"${cluster.name}"}`)
	waits := f.operation("waits", "all", naming(free.Name), p)
	got := f.await(waits, opsv1alpha1.PhasePending, opsv1alpha1.ReasonClusterNotFound)
	if !strings.Contains(got.Status.Message, "there is no ManagedCluster f-gone") {
		t.Error(got.Status.Message)
	}
	f.await(f.operation("fails", "all", naming(free.Name), p, deadline(time.Second)), opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonClusterNotFound)
	f.decide(f.placementNamed("all"), f.clusters[0])
	f.awaitWorks(waits, 1)
}

// TestManagedClustersOfALargeFleet are listed by pages, and only those that are asked for are kept.
func TestManagedClustersOfALargeFleet(t *testing.T) {
	f := newBareFleet(t, 0)
	r := &OperationReconciler{Live: api, Options: Options{}.complete()}
	var names []string
	for i := range fewClusters + 5 {
		name := fmt.Sprintf("%s-large-%02d", f.ns, i)
		names = append(names, name)
		f.must(api.Create(f.ctx, &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: name, Labels: map[string]string{"n": fmt.Sprint(i)}}}))
	}
	for _, wanted := range [][]string{names[:3], names[:fewClusters+2], append(names[:fewClusters:fewClusters], "nobody")} {
		found, err := r.managedClusters(f.ctx, wanted)
		f.must(err)
		for i, name := range wanted {
			if c := found[name]; name != "nobody" && (c == nil || c.Labels["n"] != fmt.Sprint(i)) || name == "nobody" && c != nil {
				t.Errorf("%s: %+v", name, c)
			}
		}
		if len(found) > len(wanted) {
			t.Errorf("%d of %d", len(found), len(wanted))
		}
	}
}
