// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/catalog/redact"
	"vworkspace.io/fleet/placement"
)

// maxClaims is how many claims of its own a cluster reports unless its klusterlet is told otherwise: where there are as many, some may be missing.
const maxClaims = 20

// foretell ends a dry run that asks no cluster. What it foresees for each of them is stored before the status says so: a hub that is killed in between foresees
// anew, and puts that into the place of what is there.
func (r *OperationReconciler) foretell(ctx context.Context, p *pass, choice catalog.Choice, plan placement.Plan) error {
	stored, err := r.freeze(ctx, p.op, plan)
	if err != nil {
		return err
	}
	previews, err := r.foresee(ctx, p, choice, plan)
	if err != nil {
		return err
	}
	if err := r.storePreviews(ctx, p.op, previews); err != nil {
		return err
	}
	counts := opsv1alpha1.Counts{Total: int32(len(previews))}
	for i := range previews {
		switch previews[i].Would {
		case placement.WouldWait:
			counts.Blocked++
		case placement.WouldLeaveOut:
			counts.Skipped++
		default:
			counts.Pending++
		}
	}
	p.op.Status.Plan = stored
	p.op.Status.Summary = &opsv1alpha1.Summary{Clusters: &counts}
	p.transition().Accept("")
	p.transition().Succeed(opsv1alpha1.ReasonDryRun, sayPreview(plan, previews, counts, previewName(p.op)+"-0 ..."))
	return nil
}

// foresee what would become of each cluster of a plan, in its order.
func (r *OperationReconciler) foresee(ctx context.Context, p *pass, choice catalog.Choice, plan placement.Plan) ([]placement.Preview, error) {
	clusters, err := r.managedClusters(ctx, plan.Clusters())
	if err != nil {
		return nil, err
	}
	delivered, err := r.delivered(ctx, plan.Spec.Selector)
	if err != nil {
		return nil, err
	}
	holds, err := r.holds(ctx, p, plan.Clusters(), choice.One().Reference(), 0)
	if err != nil {
		return nil, err
	}
	shown := parametersShown{plan: plan, redact: redacted(choice)}
	engine, template := p.op.Spec.Engine, ""
	var apps []string
	if one := choice.One(); one != nil {
		engine, template = one.Template.Spec.Engine, one.Template.Name
		if s := one.Template.Spec.TargetSelector; s != nil {
			apps = s.CatalogIDs
		}
	}
	previews := make([]placement.Preview, 0, plan.Len())
	for i, group := range plan.Groups {
		for _, name := range group.Clusters {
			cluster := clusters[name]
			f := factsOf(cluster, engine, apps)
			f.Delivered = delivered[name]
			at := len(previews)
			v := placement.Preview{
				Cluster: name, Order: at + 1, Group: plan.GroupName(i), Delivered: f.Delivered, Claimed: f.Claimed, Engine: engine, Template: template,
			}
			v.Would, v.Reason, v.Message = placement.Foresee(f, p.op.Spec, startDeadline(p.op))
			if gate := holds(name); v.Would == placement.WouldRun && gate.Reason != "" {
				v.Would, v.Reason, v.Message = placement.WouldWait, gate.Reason, gate.Message
			}
			if v.Parameters, v.Omitted, err = shown.of(at); err != nil {
				return nil, err
			}
			previews = append(previews, v)
		}
	}
	return previews, nil
}

// factsOf a cluster, which may be nil: not found. engine is empty where it is not known, and apps where all count.
func factsOf(c *clusterv1.ManagedCluster, engine opsv1alpha1.OperationEngine, apps []string) placement.ClusterFacts {
	if c == nil || !c.DeletionTimestamp.IsZero() {
		return placement.ClusterFacts{}
	}
	f := placement.ClusterFacts{There: true, Available: meta.IsStatusConditionTrue(c.Status.Conditions, clusterv1.ManagedClusterConditionAvailable)}
	if condition := meta.FindStatusCondition(c.Status.Conditions, clusterv1.ManagedClusterConditionAvailable); condition != nil && !f.Available {
		f.Message = condition.Message
	}
	for _, taint := range c.Spec.Taints {
		if taint.Effect != clusterv1.TaintEffectPreferNoSelect {
			f.Cordons = append(f.Cordons, taint.Key)
		}
	}
	f.Agent = agentClaim(c.Status.ClusterClaims) != nil
	if !f.Agent {
		return f
	}
	complete := len(c.Status.ClusterClaims) < maxClaims
	f.LacksEngine = engine != "" && complete
	claimed := 0
	for _, claim := range c.Status.ClusterClaims {
		f.LacksEngine = f.LacksEngine && claim.Name != opsv1alpha1.EngineClaim(engine)
		claimed += claimedBy(claim, apps)
	}
	if claimed > 0 || complete {
		f.Claimed = &claimed
	}
	return f
}

// claimedBy is how many instances of some applications, or of any, a claim tells of.
func claimedBy(claim clusterv1.ManagedClusterClaim, apps []string) int {
	of := func(app string) bool { return opsv1alpha1.AppClaim(app) == claim.Name }
	if !strings.HasSuffix(claim.Name, opsv1alpha1.ClaimApp) || len(apps) > 0 && !slices.ContainsFunc(apps, of) {
		return 0
	}
	n, err := strconv.Atoi(claim.Value)
	if err != nil {
		return 0 // somebody else's
	}
	return max(0, n)
}

// delivered counts, by cluster, the instances that this hub has delivered and a selector picks.
func (r *OperationReconciler) delivered(ctx context.Context, s *opsv1alpha1.InstanceSelector) (map[string]int, error) {
	selector := labels.Everything()
	if s.LabelSelector != nil {
		chosen, err := metav1.LabelSelectorAsSelector(s.LabelSelector)
		if err != nil {
			chosen = labels.Nothing() // each cluster refuses it in its own words
		}
		selector = chosen
	}
	list := &appsv1alpha1.ApplicationInstanceList{}
	if err := r.List(ctx, list, client.MatchingLabelsSelector{Selector: selector}, client.UnsafeDisableDeepCopy); err != nil {
		return nil, fmt.Errorf("read ApplicationInstances: %w", err)
	}
	count := map[string]int{}
	for i := range list.Items {
		ai := &list.Items[i]
		cluster := ai.Status.Cluster
		if cluster == "" || !ai.DeletionTimestamp.IsZero() ||
			len(s.Namespaces) > 0 && !slices.Contains(s.Namespaces, ai.Namespace) || len(s.Names) > 0 && !slices.Contains(s.Names, ai.Name) {
			continue
		}
		count[cluster]++
	}
	return count, nil
}

// parametersShown are the parameters of a plan's clusters as people may see them.
type parametersShown struct {
	plan   placement.Plan
	redact []string

	row  json.RawMessage // of last, whose parameters are the same as those of many
	last json.RawMessage
}

// of the cluster with an index in the plan. Where they are too many, those are shown that differ from cluster to cluster.
func (s *parametersShown) of(i int) (shown json.RawMessage, omitted string, err error) {
	row := json.RawMessage{}
	if len(s.plan.Rows) > 0 {
		row = s.plan.Rows[i]
	}
	if s.last == nil || !bytes.Equal(row, s.row) {
		parameters, err := s.plan.Parameters(i)
		if err != nil || parameters == nil || len(parameters.Raw) == 0 {
			return nil, "", err
		}
		if s.last, err = redact.Parameters(s.redact, parameters.Raw); err != nil {
			return nil, "", err
		}
		s.row = row
	}
	if len(s.last) > placement.MaxPreviewParameters && len(s.plan.Blanks) > 0 {
		return s.own(), fmt.Sprintf("of %d bytes of parameters, those with expressions are shown", len(s.last)), nil
	}
	return s.last, "", nil
}

// own are those of the last parameters that have expressions in them.
func (s *parametersShown) own() json.RawMessage {
	var all, own = map[string]json.RawMessage{}, map[string]json.RawMessage{}
	if json.Unmarshal(s.last, &all) != nil {
		return s.last
	}
	for _, b := range s.plan.Blanks {
		own[b.At[0]] = all[b.At[0]]
	}
	raw, err := json.Marshal(own)
	if err != nil {
		return s.last
	}
	return raw
}

// sayPreview in a sentence; where are the ConfigMaps that have more.
func sayPreview(plan placement.Plan, previews []placement.Preview, counts opsv1alpha1.Counts, where string) string {
	text := fmt.Sprintf("would run on %d clusters", counts.Pending)
	if counts.Pending != counts.Total {
		text = fmt.Sprintf("would run on %d of %d clusters", counts.Pending, counts.Total)
	}
	if n := len(plan.Groups); n > 1 {
		names := make([]string, 0, n)
		for i, group := range plan.Groups[:min(n, 5)] {
			names = append(names, fmt.Sprintf("%s (%d)", plan.GroupName(i), len(group.Clusters)))
		}
		if n > 5 {
			names = append(names, "...")
		}
		text += fmt.Sprintf(", in %d groups: %s", n, strings.Join(names, ", "))
	}
	text += "; each of them is in the ConfigMaps " + where
	for _, other := range []struct {
		would placement.Outlook
		n     int32
		what  string
	}{{placement.WouldWait, counts.Blocked, "would wait"}, {placement.WouldLeaveOut, counts.Skipped, "would be left out"}} {
		if other.n > 0 {
			first := previews[slices.IndexFunc(previews, func(v placement.Preview) bool { return v.Would == other.would })]
			text += fmt.Sprintf("; %d %s: %s: %s", other.n, other.what, first.Cluster, opsv1alpha1.Truncate(first.Message, 200))
		}
	}
	return text
}

// previewName is what the names of an Operation's preview ConfigMaps begin with: NAME-0, NAME-1, ... have the clusters of the plan's chunk of the same number, each
// under its own name.
func previewName(op *opsv1alpha1.Operation) string { return planName(op) + "-preview" }

func (r *OperationReconciler) storePreviews(ctx context.Context, op *opsv1alpha1.Operation, previews []placement.Preview) error {
	chunks := placement.Chunks(len(previews))
	for i := range chunks {
		chunk, err := previewChunk(op, i, previews[i*placement.ChunkSize:min((i+1)*placement.ChunkSize, len(previews))])
		if err != nil {
			return err
		}
		if err := r.storeChunk(ctx, op, chunk); err != nil {
			return fmt.Errorf("write chunk %d of the preview: %w", i, err)
		}
	}
	// An attempt that was broken off may have foreseen more clusters.
	for i := chunks; ; i++ {
		old, err := ownChunk(ctx, r.Live, op, previewName(op)+"-"+strconv.Itoa(i))
		if err != nil || old == nil {
			return err
		}
		if err := r.mustBeUnplanned(ctx, op); err != nil {
			return err
		}
		if err := r.Delete(ctx, old, client.Preconditions{UID: &old.UID}); client.IgnoreNotFound(err) != nil {
			return fmt.Errorf("delete chunk %d of an older preview: %w", i, err)
		}
	}
}

func previewChunk(op *opsv1alpha1.Operation, i int, previews []placement.Preview) (*corev1.ConfigMap, error) {
	chunk := chunkMap(op, previewName(op), opsv1alpha1.PartPreview, i, nil)
	chunk.BinaryData, chunk.Data, chunk.Immutable = nil, make(map[string]string, len(previews)), ptr.To(true)
	for _, v := range previews {
		line, err := v.Encode()
		if err != nil {
			return nil, fmt.Errorf("encode the preview of cluster %s: %w", v.Cluster, err)
		}
		chunk.Data[v.Cluster] = line
	}
	return chunk, nil
}
