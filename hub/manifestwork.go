// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"encoding/json"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// manifest is an object inside a ManifestWork. It has no status: the spoke's is its own.
type manifest struct {
	metav1.TypeMeta `json:",inline"`
	Metadata        manifestMeta `json:"metadata"`
	Spec            any          `json:"spec"`
}

type manifestMeta struct {
	Name        string            `json:"name"`
	Namespace   string            `json:"namespace,omitempty"`
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// courier makes the ManifestWorks of one run. They differ only in the cluster, and in the parameters where these have expressions.
type courier struct {
	agentNamespace string
	uid            types.UID
	origin         string
	requestedBy    string // empty when it is not known
	startBefore    time.Time
	spec           opsv1alpha1.OperationSpec
	// parameters are those of the clusters that are not given the same as all others.
	parameters map[string]*runtime.RawExtension
}

// newCourier sends from now on, which is when the start deadline of the clusters begins. A hub whose clock is behind the API server's goes by that one's:
// no cluster is to refuse what was asked for just now.
func newCourier(op *opsv1alpha1.Operation, spec opsv1alpha1.OperationSpec, agentNamespace string, now time.Time) courier {
	if created := op.CreationTimestamp.Time; created.After(now) {
		now = created
	}
	return courier{
		agentNamespace: agentNamespace,
		uid:            op.UID,
		origin:         op.Namespace + "/" + op.Name,
		requestedBy:    op.Annotations[opsv1alpha1.AnnotationRequestedBy],
		startBefore:    now.Add(startDeadline(op)),
		spec:           spec,
	}
}

// manifestWork is what one cluster is sent: one Operation, into the agent's namespace.
//
// It is created with Orphan, so that the spoke's record outlives the ManifestWork; see withdraw for how it is taken back. Server-side
// apply leaves finalizers and status to the spoke's controller; it is forced, because what the hub delivered is the hub's, and a field
// that somebody edited on the spoke must not keep a cancel from arriving.
//
// key names the ManifestWork; the Operation that it carries has the same name.
func (c courier) manifestWork(key types.NamespacedName) (*workv1.ManifestWork, error) {
	cluster := key.Namespace
	spec := c.spec
	if own, differs := c.parameters[cluster]; differs {
		spec.Parameters = own
	}
	raw, err := json.Marshal(manifest{
		TypeMeta: metav1.TypeMeta{APIVersion: opsv1alpha1.GroupVersion.String(), Kind: "Operation"},
		Metadata: manifestMeta{
			Name:      key.Name,
			Namespace: c.agentNamespace,
			Labels: map[string]string{
				opsv1alpha1.LabelRoot:       string(c.uid),
				appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane,
				appsv1alpha1.LabelClusterID: cluster,
			},
			Annotations: c.annotations(),
		},
		Spec: spec,
	})
	if err != nil {
		return nil, fmt.Errorf("encode the Operation for cluster %s: %w", cluster, err)
	}
	work := &workv1.ManifestWork{
		ObjectMeta: metav1.ObjectMeta{
			Name:      key.Name,
			Namespace: cluster,
			Labels: map[string]string{
				opsv1alpha1.LabelOperation:  string(c.uid),
				appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane,
			},
			Annotations: map[string]string{opsv1alpha1.AnnotationOrigin: c.origin},
		},
		Spec: workv1.ManifestWorkSpec{
			DeleteOption: &workv1.DeleteOption{PropagationPolicy: workv1.DeletePropagationPolicyTypeOrphan},
			Executor:     executor(c.agentNamespace, opsv1alpha1.OperationExecutor),
			ManifestConfigs: []workv1.ManifestConfigOption{{
				ResourceIdentifier: workv1.ResourceIdentifier{
					Group: opsv1alpha1.GroupVersion.Group, Resource: "operations", Namespace: c.agentNamespace, Name: key.Name,
				},
				UpdateStrategy: &workv1.UpdateStrategy{
					Type:            workv1.UpdateStrategyTypeServerSideApply,
					ServerSideApply: &workv1.ServerSideApplyConfig{Force: true},
				},
				FeedbackScrapeType: workv1.FeedbackWatchType,
				FeedbackRules:      []workv1.FeedbackRule{{Type: workv1.JSONPathsType, JsonPaths: operationFeedback}},
				ConditionRules:     operationConditions,
			}},
		},
	}
	work.Spec.Workload.Manifests = make([]workv1.Manifest, 1)
	work.Spec.Workload.Manifests[0].Raw = raw
	return work, nil
}

// annotations of the Operation that is sent. Who asked goes along, for people and for approvals to read; their groups stay here: rights on the hub are no
// rights on a cluster, and a cluster need not know them.
func (c courier) annotations() map[string]string {
	annotations := map[string]string{
		opsv1alpha1.AnnotationOrigin:      c.origin,
		opsv1alpha1.AnnotationStartBefore: c.startBefore.UTC().Format(time.RFC3339),
	}
	if c.requestedBy != "" {
		annotations[opsv1alpha1.AnnotationRequestedBy] = c.requestedBy
	}
	return annotations
}

// executor names the ServiceAccount on the spoke as which the work agent applies. It is always set: a work without one is applied with
// all the rights of the agent.
func executor(namespace, name string) *workv1.ManifestWorkExecutor {
	return &workv1.ManifestWorkExecutor{Subject: workv1.ManifestWorkExecutorSubject{
		Type:           workv1.ExecutorSubjectTypeServiceAccount,
		ServiceAccount: &workv1.ManifestWorkSubjectServiceAccount{Namespace: namespace, Name: name},
	}}
}

// Names of the feedback values of an Operation.
const (
	feedbackPhase      = "phase"
	feedbackReason     = "reason"
	feedbackMessage    = "message"
	feedbackBlocked    = "blocked"
	feedbackProgress   = "progress"
	feedbackStartedAt  = "startedAt"
	feedbackFinishedAt = "finishedAt"
	feedbackObserved   = "observedGeneration"
	feedbackInstances  = "instances." // and the name of the counter
)

// operationFeedback are flat scalars only: the work agent reports nothing else.
var operationFeedback = func() []workv1.JsonPath {
	var paths []workv1.JsonPath
	for _, f := range []string{
		feedbackPhase, feedbackReason, feedbackMessage, feedbackBlocked, feedbackProgress, feedbackStartedAt, feedbackFinishedAt, feedbackObserved,
	} {
		paths = append(paths, workv1.JsonPath{Name: f, Path: ".status." + f})
	}
	for _, f := range []string{"total", "pending", "blocked", "running", "succeeded", "failed", "cancelled"} {
		paths = append(paths, workv1.JsonPath{Name: feedbackInstances + f, Path: ".status.summary.instances." + f})
	}
	return paths
}()

// operationConditions let Open Cluster Management's own tools see how a run stands. Complete makes the work agent stop applying: it must
// be true as soon as the run ended, or the agent would put a record back that the spoke swept away after its TTL, and run it again; and
// never before, or a cancel would not arrive.
var operationConditions = []workv1.ConditionRule{
	phaseRule(workv1.ManifestProgressing, "!has(object.status) || !has(object.status.phase) || object.status.phase in ['Pending', 'Running']"),
	phaseRule(workv1.ManifestComplete, "has(object.status) && has(object.status.phase) && object.status.phase in ['Succeeded', 'Failed', 'Cancelled']"),
	phaseRule(workv1.ManifestDegraded, "has(object.status) && has(object.status.phase) && object.status.phase == 'Failed'"),
}

func phaseRule(condition, expression string) workv1.ConditionRule {
	return workv1.ConditionRule{Condition: condition, Type: workv1.CelConditionExpressionsType, CelExpressions: []string{expression}}
}
