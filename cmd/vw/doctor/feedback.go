// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// takenUp is how long a delivery may take until an agent says that it has it: it takes a fraction of a second where feedback is watched, and ten where it
	// is polled.
	takenUp = time.Minute
	// informersHeld is how many (resource, namespace) a work agent watches for feedback: pkg/work/spoke of ocm v1.2.1.
	informersHeld = 50
	// informersShort is how few may be left before it is said.
	informersShort = 5
)

// checkFeedback of what is on its way.
func checkFeedback(ctx context.Context, s *Site, f *Findings) error {
	works := &workv1.ManifestWorkList{}
	err := s.Client.List(ctx, works, client.InNamespace(s.Cluster), client.MatchingLabels{appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane})
	if err != nil {
		return err
	}
	judgeFeedback(f, works.Items, s.Now)
	return nil
}

// deliveries by what is wrong with them.
type deliveries struct {
	undelivered, unanswered []string // clusters
	refused, broken         []string // ManifestWorks, and why
}

func judgeFeedback(f *Findings, works []workv1.ManifestWork, now time.Time) {
	var d deliveries
	for i := range works {
		if w := &works[i]; w.DeletionTimestamp.IsZero() && now.Sub(w.CreationTimestamp.Time) >= takenUp {
			d.add(w)
		}
	}
	const silent = "docs/how-to/runbooks.md#vworkspaceclusterssilent"
	if len(d.undelivered) > 0 {
		f.fail(silent+": the klusterlet on the cluster, kubectl -n open-cluster-management-agent get pods", "the work agent has not taken up what was sent for more than %s: %s", takenUp, several(d.undelivered))
	}
	if len(d.refused) > 0 {
		f.fail(silent+": often a CRD, or an executor's right, is missing on the cluster", "clusters refuse what was sent: %s", several(d.refused))
	}
	if len(d.unanswered) > 0 {
		f.fail(silent+": kubectl -n vworkspace-agent get pods, on the cluster", "Operations have arrived, and no agent has taken them up for more than %s: %s", takenUp, several(d.unanswered))
	}
	if len(d.broken) > 0 {
		f.warn("update the klusterlet; docs/how-to/runbooks.md#vworkspacefeedbacklate", "feedback does not come back whole: %s", several(d.broken))
	}
	if !f.bad() {
		f.ok("%d ManifestWorks of ours are where they should be", len(works))
	}
}

func (d *deliveries) add(w *workv1.ManifestWork) {
	applied := meta.FindStatusCondition(w.Status.Conditions, workv1.WorkApplied)
	_, operation := w.Labels[opsv1alpha1.LabelOperation]
	switch {
	case applied == nil:
		d.undelivered = appendNew(d.undelivered, w.Namespace)
	case applied.Status == metav1.ConditionFalse:
		d.refused = append(d.refused, fmt.Sprintf("%s/%s: %s", w.Namespace, w.Name, whyNot(w, applied)))
	case operation && said(w, "phase") == "":
		d.unanswered = appendNew(d.unanswered, w.Namespace)
	}
	for _, m := range w.Status.ResourceStatus.Manifests {
		if c := meta.FindStatusCondition(m.Conditions, "StatusFeedbackSynced"); operation && c != nil && c.Status == metav1.ConditionFalse {
			d.broken = append(d.broken, fmt.Sprintf("%s/%s: %s", w.Namespace, w.Name, c.Message))
		}
	}
}

func appendNew(names []string, name string) []string {
	if slices.Contains(names, name) {
		return names
	}
	return append(names, name)
}

// whyNot a work was applied, by its first manifest that was not.
func whyNot(w *workv1.ManifestWork, applied *metav1.Condition) string {
	for _, m := range w.Status.ResourceStatus.Manifests {
		if c := meta.FindStatusCondition(m.Conditions, workv1.ManifestApplied); c != nil && c.Status == metav1.ConditionFalse {
			return c.Message
		}
	}
	return applied.Message
}

// said is a feedback value of the first manifest.
func said(w *workv1.ManifestWork, name string) string {
	if len(w.Status.ResourceStatus.Manifests) == 0 {
		return ""
	}
	for _, v := range w.Status.ResourceStatus.Manifests[0].StatusFeedbacks.Values {
		if v.Name == name && v.Value.String != nil {
			return *v.Value.String
		}
	}
	return ""
}

// checkInformers of the work agents, over all ManifestWorks, also those that are not ours: they share what there is.
func checkInformers(ctx context.Context, s *Site, f *Findings) error {
	works := &workv1.ManifestWorkList{}
	if err := s.Client.List(ctx, works, client.InNamespace(s.Cluster)); err != nil {
		return err
	}
	judgeInformers(f, works.Items)
	return nil
}

func judgeInformers(f *Findings, works []workv1.ManifestWork) {
	watched := map[string]map[string]bool{} // by cluster: what
	for i := range works {
		for _, config := range works[i].Spec.ManifestConfigs {
			if config.FeedbackScrapeType != workv1.FeedbackWatchType {
				continue
			}
			if watched[works[i].Namespace] == nil {
				watched[works[i].Namespace] = map[string]bool{}
			}
			id := config.ResourceIdentifier
			watched[works[i].Namespace][id.Resource+"."+id.Group+" in "+id.Namespace] = true
		}
	}
	var over, short []string
	most := 0
	for cluster, what := range watched {
		most = max(most, len(what))
		switch left := informersHeld - len(what); {
		case left < 0:
			over = append(over, fmt.Sprintf("%s (%d)", cluster, len(what)))
		case left < informersShort:
			short = append(short, fmt.Sprintf("%s (%d left)", cluster, left))
		}
	}
	fix := "have other ManifestWorks on these clusters report with feedbackScrapeType Poll, or put what they watch into fewer namespaces; ours need one"
	if len(over) > 0 {
		f.warn(fix, "more than %d watches are asked for, and some are polled instead: %s", informersHeld, several(sorted(over)))
	}
	if len(short) > 0 {
		f.warn(fix, "hardly any watches are left: %s", several(sorted(short)))
	}
	if !f.bad() {
		f.ok("at most %d of %d watches are taken on a cluster: %d are left%s", most, informersHeld, informersHeld-most, example(watched))
	}
}

// example of what is watched, for those who wonder.
func example(watched map[string]map[string]bool) string {
	for _, what := range watched {
		for one := range what {
			if strings.HasPrefix(one, "operations.") {
				return " (ours: " + one + ")"
			}
		}
	}
	return ""
}
