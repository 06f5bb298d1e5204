// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"fmt"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	clusterv1beta2 "open-cluster-management.io/api/cluster/v1beta2"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/placement"
)

func managed(name string, available metav1.ConditionStatus, agent bool) clusterv1.ManagedCluster {
	c := clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1.ManagedClusterSpec{HubAcceptsClient: true}}
	c.Status.Conditions = []metav1.Condition{{Type: clusterv1.ManagedClusterConditionAvailable, Status: available}}
	if agent {
		c.Status.ClusterClaims = []clusterv1.ManagedClusterClaim{{Name: "job.engine.vworkspace.io", Value: "installed"}}
	}
	return c
}

func TestClusters(t *testing.T) {
	a, b, away, bare := managed("a", metav1.ConditionTrue, true), managed("b", metav1.ConditionTrue, true), managed("away", metav1.ConditionUnknown, true), managed("bare", metav1.ConditionTrue, false)
	stranger := managed("new", metav1.ConditionUnknown, false)
	stranger.Spec.HubAcceptsClient = false
	many := []clusterv1.ManagedCluster{away}
	for range 30 {
		many = append(many, a)
	}
	judge := func(one bool, clusters ...clusterv1.ManagedCluster) func(*Findings) {
		return func(f *Findings) {
			renewed := map[string]time.Time{"a": now.Add(-time.Minute), "away": now.Add(-10 * time.Minute)}
			judgeClusters(f, clusters, renewed, now, one)
		}
	}
	check(t, []judged{
		{"well", judge(false, a, b), "OK 2 clusters are available, and have an agent"},
		{"none", judge(false), "WARN no cluster has joined this hub"},
		{"one of two away", judge(false, a, away), "FAIL 1 of 2 clusters are not available: away (last heard of 10m0s ago)"},
		{"one of many away", judge(false, many...), "WARN 1 of 31 clusters are not available: away (last heard of 10m0s ago)"},
		{"that one away", judge(true, away), "FAIL 1 of 1 clusters are not available: away (last heard of 10m0s ago)"},
		{"not accepted", judge(false, a, stranger), "WARN not accepted by the hub: new"},
		{"no agent", judge(false, a, bare), "WARN no agent has said what it has: bare"},
		{"late", func(f *Findings) {
			judgeClusters(f, []clusterv1.ManagedCluster{a}, map[string]time.Time{"a": now.Add(-4 * time.Minute)}, now, false)
		}, "WARN available, and late with their leases: a (last heard of 4m0s ago)"},
		{"ahead", func(f *Findings) {
			judgeClusters(f, []clusterv1.ManagedCluster{a}, map[string]time.Time{"a": now.Add(time.Minute)}, now, false)
		}, "WARN clocks that are ahead of this machine's: a (1m0s)"},
	})
}

// sent is a ManifestWork of a minute and more ago.
func sent(cluster string, change func(*workv1.ManifestWork)) workv1.ManifestWork {
	w := workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{
		Name: "run", Namespace: cluster, CreationTimestamp: ago(2 * time.Minute), Labels: map[string]string{opsv1alpha1.LabelOperation: "uid"},
	}}
	w.Status.Conditions = []metav1.Condition{{Type: workv1.WorkApplied, Status: metav1.ConditionTrue}}
	phase := "Running"
	w.Status.ResourceStatus.Manifests = []workv1.ManifestCondition{{StatusFeedbacks: workv1.StatusFeedbackResult{Values: []workv1.FeedbackValue{
		{Name: "phase", Value: workv1.FieldValue{Type: workv1.String, String: &phase}},
	}}}}
	if change != nil {
		change(&w)
	}
	return w
}

func TestFeedback(t *testing.T) {
	judge := func(change func(*workv1.ManifestWork)) func(*Findings) {
		return func(f *Findings) {
			judgeFeedback(f, []workv1.ManifestWork{sent("a", nil), sent("b", change)}, now)
		}
	}
	check(t, []judged{
		{"well", judge(nil), "OK 2 ManifestWorks of ours are where they should be"},
		{"not delivered", judge(func(w *workv1.ManifestWork) { w.Status = workv1.ManifestWorkStatus{} }), "FAIL the work agent has not taken up what was sent for more than 1m0s: b"},
		{"just sent", judge(func(w *workv1.ManifestWork) {
			w.Status, w.CreationTimestamp = workv1.ManifestWorkStatus{}, ago(time.Second)
		}),
			"OK 2 ManifestWorks of ours are where they should be"},
		{"refused", judge(func(w *workv1.ManifestWork) {
			w.Status.Conditions[0].Status = metav1.ConditionFalse
			w.Status.ResourceStatus.Manifests[0].Conditions = []metav1.Condition{{Type: workv1.ManifestApplied, Status: metav1.ConditionFalse, Message: "forbidden"}}
		}), "FAIL clusters refuse what was sent: b/run: forbidden"},
		{"no agent", judge(func(w *workv1.ManifestWork) { w.Status.ResourceStatus.Manifests[0].StatusFeedbacks.Values = nil }),
			"FAIL Operations have arrived, and no agent has taken them up for more than 1m0s: b"},
	})
}

func TestInformers(t *testing.T) {
	judge := func(n int) func(*Findings) {
		return func(f *Findings) {
			w := workv1.ManifestWork{ObjectMeta: metav1.ObjectMeta{Namespace: "a"}}
			for i := range n {
				for range 2 { // two of a kind share one
					w.Spec.ManifestConfigs = append(w.Spec.ManifestConfigs, workv1.ManifestConfigOption{
						ResourceIdentifier: workv1.ResourceIdentifier{Group: "g", Resource: "things", Namespace: fmt.Sprint(i)}, FeedbackScrapeType: workv1.FeedbackWatchType,
					})
				}
			}
			w.Spec.ManifestConfigs = append(w.Spec.ManifestConfigs, workv1.ManifestConfigOption{FeedbackScrapeType: workv1.FeedbackPollType})
			judgeInformers(f, []workv1.ManifestWork{w})
		}
	}
	check(t, []judged{
		{"few", judge(2), "OK at most 2 of 50 watches are taken on a cluster: 48 are left"},
		{"many", judge(48), "WARN hardly any watches are left: a (2 left)"},
		{"too many", judge(53), "WARN more than 50 watches are asked for, and some are polled instead: a (53)"},
	})
}

func TestPlacements(t *testing.T) {
	judge := func(bound bool, change func(*clusterv1beta1.Placement)) func(*Findings) {
		return func(f *Findings) {
			p := clusterv1beta1.Placement{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "all"}}
			p.Status.NumberOfSelectedClusters = 2
			p.Status.Conditions = []metav1.Condition{{Type: clusterv1beta1.PlacementConditionSatisfied, Status: metav1.ConditionTrue}}
			if change != nil {
				change(&p)
			}
			var bindings []clusterv1beta2.ManagedClusterSetBinding
			if bound {
				bindings = append(bindings, clusterv1beta2.ManagedClusterSetBinding{ObjectMeta: metav1.ObjectMeta{Namespace: "ns", Name: "default"}})
			}
			judgePlacements(f, []clusterv1beta1.Placement{p}, bindings)
		}
	}
	check(t, []judged{
		{"well", judge(true, nil), "OK 1 Placements are decided, and select somebody"},
		{"not bound", judge(false, nil), "WARN their namespace is bound to no ManagedClusterSet, so that they select nobody: ns/all"},
		{"not decided", judge(true, func(p *clusterv1beta1.Placement) { p.Status.Conditions = nil }), "WARN not decided: ns/all"},
		{"nobody", judge(true, func(p *clusterv1beta1.Placement) {
			p.Status.NumberOfSelectedClusters, p.Status.Conditions[0].Message = 0, "no cluster matches"
		}), "WARN they select no cluster: ns/all (no cluster matches)"},
	})
}

func TestReceivers(t *testing.T) {
	judge := func(conditions ...metav1.Condition) func(*Findings) {
		return func(f *Findings) { judgeReceiver(f, "ControlPlane odoo", conditions) }
	}
	connected := metav1.Condition{Type: opsv1alpha1.ConditionConnected, Status: metav1.ConditionTrue}
	check(t, []judged{
		{"well", judge(connected), ""},
		{"nobody connects", judge(), "WARN nobody has connected ControlPlane odoo"},
		{"suspended", judge(metav1.Condition{Type: opsv1alpha1.ConditionConnected, Status: metav1.ConditionFalse, Reason: opsv1alpha1.ReasonSuspended}), ""},
		{"away", judge(metav1.Condition{Type: opsv1alpha1.ConditionConnected, Status: metav1.ConditionFalse, Reason: "Unreachable", Message: "no route"}),
			"FAIL ControlPlane odoo is not connected: Unreachable: no route"},
		{"not let in", judge(connected, metav1.Condition{Type: opsv1alpha1.ConditionAuthenticated, Status: metav1.ConditionFalse, Reason: "Unauthorized", Message: "expired"}),
			"FAIL ControlPlane odoo: Unauthorized: expired"},
		{"full", judge(connected, metav1.Condition{Type: opsv1alpha1.ConditionBufferOverflow, Status: metav1.ConditionTrue, Reason: "OutboxFull", Message: "dropped"}),
			"WARN ControlPlane odoo: OutboxFull: dropped"},
	})
}

func TestLag(t *testing.T) {
	judge := func(lags ...time.Duration) func(*Findings) {
		return func(f *Findings) {
			var results []placement.ClusterResult
			for i, lag := range lags {
				results = append(results, placement.ClusterResult{Cluster: fmt.Sprintf("c%d", i), State: placement.Succeeded, FinishedAt: now, EndedAt: now.Add(lag)})
			}
			judgeLag(f, results, "")
		}
	}
	check(t, []judged{
		{"watched", judge(time.Second, 0, 2*time.Second), "OK half of the last 3 results took 1s or less, so that feedback is watched"},
		{"nothing to tell", judge(), "SKIP no fleet Operation has ended that would tell"},
		{"polled", judge(10*time.Second, 11*time.Second, 9*time.Second),
			"WARN half of the results took more than 10s: feedback is polled rather than watched (feedbackScrapeType Watch), or clocks are behind"},
		{"one is late", judge(0, time.Second, 2*time.Minute), "WARN results came late, or clocks are behind: c2 (2m0s)"},
		{"one is ahead", judge(0, time.Second, -30*time.Second), "WARN clusters end before the hub's clock says so, so that their clocks are ahead of it: c2 (30s)"},
	})
}
