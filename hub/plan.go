// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"strconv"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/placement"
)

// chunkKey is where a chunk is in its ConfigMap.
const chunkKey = "data.json.gz"

// plan makes the plan of an Operation; ready is false when something stands in the way, which is then in the status.
func (r *OperationReconciler) plan(ctx context.Context, p *pass, choice catalog.Choice) (plan placement.Plan, ready bool, err error) {
	template := choice.One().Reference()
	groups, obstacle, err := r.groups(ctx, p, template)
	if err == nil && obstacle == nil {
		plan = placement.Plan{Spec: r.sentSpec(p.op, template), Groups: placement.Order(groups, p.op.Spec)}
		if p.earlier != nil {
			plan = p.earlier.freeze(plan)
		} else {
			obstacle, err = r.fillIn(ctx, p.op, choice, &plan)
		}
	}
	if err == nil && obstacle != nil {
		p.meet(*obstacle)
	}
	return plan, err == nil && obstacle == nil, err
}

// groups of clusters that an Operation is for: those of the run that it goes by, those that its Placement selects, or the one that its target was delivered to.
func (r *OperationReconciler) groups(ctx context.Context, p *pass, template *opsv1alpha1.TemplateRef) ([]placement.Group, *obstacle, error) {
	switch {
	case p.earlier != nil:
		groups, obstacle := p.earlier.clusters(p.op, template)
		return groups, obstacle, nil
	case p.op.Spec.Placement != nil:
		return r.decided(ctx, r.Client, p.op)
	default:
		return r.home(ctx, p.op)
	}
}

// obstacle is what stands in the way of a plan.
type obstacle struct {
	reason, message string
	final           bool // waiting does not help
}

// meet says in the status what stands in the way. What can be put right is waited for, but no longer than the start deadline.
func (p *pass) meet(o obstacle) {
	if o.final && o.reason == opsv1alpha1.ReasonValidationFailed {
		p.transition().Reject(o.message)
		return
	}
	left := blockedSince(&p.op.Status, p.now).Add(startDeadline(p.op)).Sub(p.now)
	if o.final || left <= 0 {
		p.transition().Fail(o.reason, o.message)
		return
	}
	p.transition().Block(o.reason, o.message)
	p.after(left)
	if o.reason == opsv1alpha1.ReasonClusterNotFound { // which nobody watches for it
		p.after(clusterAgain)
	}
}

// decided are the clusters that the Placement selects, as a reader has it: a cache, or the API server.
func (r *OperationReconciler) decided(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation) ([]placement.Group, *obstacle, error) {
	name := op.Spec.Placement.PlacementRef.Name
	found, err := find(ctx, from, types.NamespacedName{Namespace: op.Namespace, Name: name}, &clusterv1beta1.Placement{})
	if err != nil {
		return nil, nil, fmt.Errorf("read Placement %s: %w", name, err)
	}
	if found == nil {
		return nil, &obstacle{reason: opsv1alpha1.ReasonPlacementNotFound, message: fmt.Sprintf(
			"spec.placement.placementRef.name: there is no Placement %q in namespace %s", name, op.Namespace)}, nil
	}
	decisions := &clusterv1beta1.PlacementDecisionList{}
	if err := from.List(ctx, decisions, client.InNamespace(op.Namespace), client.MatchingLabels{clusterv1beta1.PlacementLabel: name}); err != nil {
		return nil, nil, fmt.Errorf("read the decisions of Placement %s: %w", name, err)
	}
	groups, pending := placement.Resolve(found, decisions.Items)
	switch {
	case pending != "":
		return nil, &obstacle{reason: opsv1alpha1.ReasonPlacementPending, message: pending}, nil
	case len(groups) == 0:
		return nil, &obstacle{reason: opsv1alpha1.ReasonNoClusters, message: noClusters(found), final: true}, nil
	default:
		return groups, nil, nil
	}
}

// noClusters repeats what the Placement says about why it selects nobody.
func noClusters(p *clusterv1beta1.Placement) string {
	message := fmt.Sprintf("Placement %s selects no cluster", p.Name)
	for _, c := range p.Status.Conditions {
		if c.Type == clusterv1beta1.PlacementConditionSatisfied && c.Message != "" {
			message += ": " + c.Message
		}
	}
	return message
}

// home is the one cluster that the target was delivered to.
func (r *OperationReconciler) home(ctx context.Context, op *opsv1alpha1.Operation) ([]placement.Group, *obstacle, error) {
	name := op.Spec.TargetRef.Name
	instance, err := find(ctx, r.Client, types.NamespacedName{Namespace: op.Namespace, Name: name}, &appsv1alpha1.ApplicationInstance{})
	if err != nil {
		return nil, nil, fmt.Errorf("read ApplicationInstance %s: %w", name, err)
	}
	if instance == nil {
		return nil, &obstacle{reason: opsv1alpha1.ReasonTargetNotFound, message: fmt.Sprintf(
			"spec.targetRef.name: there is no ApplicationInstance %q in namespace %s of the hub; create it there with the label %s, or set spec.placement",
			name, op.Namespace, appsv1alpha1.LabelClusterID)}, nil
	}
	cluster := instance.Status.Cluster
	if cluster == "" {
		cluster = instance.Labels[appsv1alpha1.LabelClusterID]
	}
	if cluster == "" {
		return nil, &obstacle{reason: opsv1alpha1.ReasonTargetNotFound, message: fmt.Sprintf(
			"spec.targetRef.name: ApplicationInstance %q is not delivered to a cluster; give it the label %s, or set spec.placement",
			name, appsv1alpha1.LabelClusterID)}, nil
	}
	return []placement.Group{{Clusters: []string{cluster}}}, nil, nil
}

func planName(op *opsv1alpha1.Operation) string {
	return opsv1alpha1.RunName(op.Name, op.UID, opsv1alpha1.PartPlan)
}

// freeze stores a plan and says what goes into the status. The plan is made when the status that names it, with its digest, is
// written together with the fence: ConfigMaps that are there before that belong to an attempt that was broken off, or to somebody who would
// like to choose the clusters. They are kept if they say the same and replaced if not. After that the plan holds: see readPlan.
func (r *OperationReconciler) freeze(ctx context.Context, op *opsv1alpha1.Operation, plan placement.Plan) (*opsv1alpha1.PlanStatus, error) {
	chunks, err := placement.EncodePlan(plan)
	if err != nil {
		return nil, err
	}
	for i := range chunks {
		if err := r.storeChunk(ctx, op, planChunk(op, i, chunks[i])); err != nil {
			return nil, fmt.Errorf("write chunk %d of the plan: %w", i, err)
		}
	}
	return &opsv1alpha1.PlanStatus{
		Name: planName(op), Chunks: int32(len(chunks)), Clusters: int32(plan.Len()), Digest: placement.Digest(chunks[0]),
	}, nil
}

// storeChunk creates an immutable chunk, in the place of another one if need be.
func (r *OperationReconciler) storeChunk(ctx context.Context, op *opsv1alpha1.Operation, chunk *corev1.ConfigMap) error {
	err := r.Create(ctx, chunk)
	if !apierrors.IsAlreadyExists(err) {
		return err
	}
	old, err := find(ctx, r.Live, client.ObjectKeyFromObject(chunk), &corev1.ConfigMap{})
	if err != nil {
		return err
	}
	if old != nil {
		if same(old, chunk) {
			return nil
		}
		if err := r.mustBeUnplanned(ctx, op); err != nil {
			return err
		}
		if err := r.Delete(ctx, old, client.Preconditions{UID: &old.UID}); client.IgnoreNotFound(err) != nil {
			return err
		}
	}
	return r.Create(ctx, chunk)
}

// same tells whether a ConfigMap is the chunk that is to be written, down to what protects it.
func same(old, chunk *corev1.ConfigMap) bool {
	return bytes.Equal(old.BinaryData[chunkKey], chunk.BinaryData[chunkKey]) && maps.Equal(old.Data, chunk.Data) && ptr.Deref(old.Immutable, false) &&
		old.Labels[opsv1alpha1.LabelOperation] == chunk.Labels[opsv1alpha1.LabelOperation] && metav1.IsControlledBy(old, &metav1.ObjectMeta{UID: chunk.OwnerReferences[0].UID})
}

// mustBeUnplanned fails with a conflict when the Operation has a plan that this pass, reading from the cache, does not know of.
func (r *OperationReconciler) mustBeUnplanned(ctx context.Context, op *opsv1alpha1.Operation) error {
	live, err := find(ctx, r.Live, client.ObjectKeyFromObject(op), &opsv1alpha1.Operation{})
	if err != nil {
		return err
	}
	if live == nil || live.UID != op.UID || live.Status.Plan != nil {
		return apierrors.NewConflict(schema.GroupResource{Group: opsv1alpha1.GroupVersion.Group, Resource: "operations"}, op.Name,
			errors.New("it has been planned"))
	}
	return nil
}

// readPlan returns the plan that the status names. It fails with placement.ErrPlanCorrupt when that is not what is stored.
func readPlan(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation) (placement.Plan, error) {
	recorded := op.Status.Plan
	if recorded == nil {
		return placement.Plan{}, fmt.Errorf("%w: the status names none", placement.ErrPlanCorrupt)
	}
	chunks := make([][]byte, recorded.Chunks)
	for i := range chunks {
		chunk, err := ownChunk(ctx, from, op, recorded.Name+"-"+strconv.Itoa(i))
		if err != nil {
			return placement.Plan{}, err
		}
		if chunk == nil {
			return placement.Plan{}, fmt.Errorf("%w: ConfigMap %s-%d is missing", placement.ErrPlanCorrupt, recorded.Name, i)
		}
		chunks[i] = chunk.BinaryData[chunkKey]
	}
	if len(chunks) == 0 || placement.Digest(chunks[0]) != recorded.Digest {
		return placement.Plan{}, fmt.Errorf("%w: ConfigMap %s-0 is not the one that was written", placement.ErrPlanCorrupt, recorded.Name)
	}
	plan, err := placement.DecodePlan(chunks)
	for n := range recorded.Added {
		if err == nil {
			_, err = readAddition(ctx, from, op, n, &plan)
		}
	}
	return plan, err
}

// ownChunk reads a ConfigMap of the Operation; nil when there is none. One that is not the Operation's is an error: the name is
// derived from the UID, so somebody put it there.
func ownChunk(ctx context.Context, from client.Reader, op *opsv1alpha1.Operation, name string) (*corev1.ConfigMap, error) {
	chunk, err := find(ctx, from, types.NamespacedName{Namespace: op.Namespace, Name: name}, &corev1.ConfigMap{})
	if err != nil {
		return nil, fmt.Errorf("read ConfigMap %s: %w", name, err)
	}
	if chunk != nil && chunk.Labels[opsv1alpha1.LabelOperation] != string(op.UID) {
		return nil, fmt.Errorf("ConfigMap %s is not of this Operation: delete it", name)
	}
	return chunk, nil
}

func planChunk(op *opsv1alpha1.Operation, i int, data []byte) *corev1.ConfigMap {
	c := chunkMap(op, planName(op), opsv1alpha1.PartPlan, i, data)
	c.Immutable = ptr.To(true)
	return c
}

// chunkMap is a ConfigMap that goes with its Operation.
func chunkMap(op *opsv1alpha1.Operation, name, part string, i int, data []byte) *corev1.ConfigMap {
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Name:      name + "-" + strconv.Itoa(i),
			Namespace: op.Namespace,
			Labels: map[string]string{
				opsv1alpha1.LabelOperation:  string(op.UID),
				opsv1alpha1.LabelPart:       part,
				appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane,
			},
			Annotations:     map[string]string{opsv1alpha1.AnnotationOrigin: op.Namespace + "/" + op.Name},
			OwnerReferences: []metav1.OwnerReference{*metav1.NewControllerRef(op, opsv1alpha1.GroupVersion.WithKind("Operation"))},
		},
		BinaryData: map[string][]byte{chunkKey: data},
	}
}
