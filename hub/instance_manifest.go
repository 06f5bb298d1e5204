// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// annotationHubGeneration is on the instance on the spoke: the generation of the hub's instance that the delivered manifest was made
	// from. It comes back with the feedback, so that one reading tells what the spoke has and what came of it. It also makes the
	// manifest of a version that is asked for a second time differ from the first: the work agent applies nothing that looks the same.
	annotationHubGeneration = "apps.vworkspace.io/hub-generation"
	// annotationDelivery is on the ManifestWork: what the hub last sent, see delivery.
	annotationDelivery = "apps.vworkspace.io/delivery"
	// annotationTakenOver is on the hub's instance, see takenOver. It is written together with the version that was taken over.
	annotationTakenOver = "apps.vworkspace.io/taken-over"
	// labelInstance is on the ManifestWork of an ApplicationInstance; its value is the instance's UID.
	labelInstance = "apps.vworkspace.io/instance"
)

// delivery says what a ManifestWork holds, so that the manifest itself need not be kept in memory and compared.
type delivery struct {
	// Manifest is the generation of the hub's instance that the manifest was made from.
	Manifest int64 `json:"manifest"`
	// Generation is the newest generation of the hub's instance for which nothing more had to be sent.
	Generation int64 `json:"generation"`
	// Version of the chart that the hub asked for, or took over.
	Version string `json:"version,omitempty"`
	// Content is a digest of everything else in the manifest.
	Content string `json:"content"`
}

func (d delivery) String() string {
	data, _ := json.Marshal(d) // numbers and strings always encode
	return string(data)
}

// takenOver is the mark of a version that the hub took over from a spoke that had the given manifest. With the version it tells what was
// taken over from what a person asks for; with the manifest it ends when the hub sends another one.
func takenOver(version string, manifest int64) string {
	return version + " over manifest " + strconv.FormatInt(manifest, 10)
}

// deliveryOf a ManifestWork; zero when it says nothing that can be read, and then everything is sent again.
func deliveryOf(work *workv1.ManifestWork) delivery {
	var d delivery
	if err := json.Unmarshal([]byte(work.Annotations[annotationDelivery]), &d); err != nil {
		return delivery{}
	}
	return d
}

// Names of the feedback values of an ApplicationInstance.
const (
	feedbackReady          = "ready"
	feedbackReadyReason    = "readyReason"
	feedbackReadyMessage   = "readyMessage"
	feedbackGeneration     = "generation"
	feedbackRunningName    = "runningName"
	feedbackRunningVersion = "runningVersion"
	feedbackWantedVersion  = "wantedVersion"
	feedbackUpgradedFrom   = "upgradedFrom"
	feedbackHubGeneration  = "hubGeneration"
)

// instanceFeedback are the scalars that the work agent polls. They come from one reading of the object and so fit together.
var instanceFeedback = []workv1.JsonPath{
	{Name: feedbackReady, Path: ".status.ready"},
	{Name: feedbackReadyReason, Path: ".status.readyReason"},
	{Name: feedbackReadyMessage, Path: ".status.readyMessage"},
	{Name: feedbackObserved, Path: ".status.observedGeneration"},
	{Name: feedbackGeneration, Path: ".metadata.generation"},
	{Name: feedbackRunningName, Path: ".status.lastAppliedChart.name"},
	{Name: feedbackRunningVersion, Path: ".status.lastAppliedChart.version"},
	{Name: feedbackWantedVersion, Path: ".spec.chart.version"},
	{Name: feedbackUpgradedFrom, Path: `.metadata.annotations.apps\.vworkspace\.io/upgraded-from`},
	{Name: feedbackHubGeneration, Path: `.metadata.annotations.apps\.vworkspace\.io/hub-generation`},
}

// instanceStrategy is how the work agent applies an instance: server-side, by force, and only when the manifest changed.
//
// What OnSpokeChange really does (ocm v1.2.1, pkg/work/spoke/apply/server_side_apply.go): the agent puts a hash of the whole manifest
// into an annotation of the object, and skips the apply as long as the manifest it is given has the hash that it finds there. The listed
// paths are not cut out of the manifest; that there are any is what turns the hash on. So until the hub sends another manifest nothing at
// all is put back on the spoke, and when it does, everything in it is, by force: also the version that an Upgrade moved on the spoke.
// That is why the hub takes such a version over before it sends anything else, and why taking over sends nothing (see deliver). The
// paths name what is meant to differ, for the eyes of people and of agents that read them more closely.
var instanceStrategy = &workv1.UpdateStrategy{
	Type: workv1.UpdateStrategyTypeServerSideApply,
	ServerSideApply: &workv1.ServerSideApplyConfig{
		Force: true,
		IgnoreFields: []workv1.IgnoreField{{
			Condition: workv1.IgnoreFieldsConditionOnSpokeChange,
			JSONPaths: []string{".spec.chart.version", ".spec.values.inline"},
			JSONPointers: []string{
				"/metadata/annotations/apps.vworkspace.io~1upgraded-from",
				"/metadata/annotations/apps.vworkspace.io~1upgraded-by",
			},
		}},
	},
}

// notDelivered are annotations that belong to one API server.
var notDelivered = []string{
	corev1.LastAppliedConfigAnnotation,
	appsv1alpha1.AnnotationUpgradedFrom,
	appsv1alpha1.AnnotationUpgradedBy,
	appsv1alpha1.AnnotationRolledBackTo,
	annotationHubGeneration,
	annotationTakenOver,
	workv1.ManifestConfigSpecHashAnnotationKey,
}

func instanceWorkName(ai *appsv1alpha1.ApplicationInstance) string {
	return opsv1alpha1.RunName(ai.Name, ai.UID)
}

// instanceWork is the ManifestWork that brings an instance to its cluster, under the same namespace and name. It is created with
// Foreground, so that deleting it uninstalls the release.
func instanceWork(ai *appsv1alpha1.ApplicationInstance, cluster, agentNamespace string) (*workv1.ManifestWork, error) {
	raw, err := instanceManifest(ai, ai.Generation)
	if err != nil {
		return nil, err
	}
	content, err := instanceContent(ai)
	if err != nil {
		return nil, err
	}
	sent := delivery{Manifest: ai.Generation, Generation: ai.Generation, Version: chartVersion(ai), Content: content}
	work := &workv1.ManifestWork{
		ObjectMeta: metav1.ObjectMeta{
			Name:      instanceWorkName(ai),
			Namespace: cluster,
			Labels: map[string]string{
				labelInstance:               string(ai.UID),
				appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane,
			},
			Annotations: map[string]string{
				opsv1alpha1.AnnotationOrigin: ai.Namespace + "/" + ai.Name,
				annotationDelivery:           sent.String(),
			},
		},
		Spec: workv1.ManifestWorkSpec{
			DeleteOption: &workv1.DeleteOption{PropagationPolicy: workv1.DeletePropagationPolicyTypeForeground},
			Executor:     executor(agentNamespace, opsv1alpha1.InstanceExecutor),
			ManifestConfigs: []workv1.ManifestConfigOption{{
				ResourceIdentifier: workv1.ResourceIdentifier{
					Group: appsv1alpha1.GroupVersion.Group, Resource: "applicationinstances", Namespace: ai.Namespace, Name: ai.Name,
				},
				UpdateStrategy:     instanceStrategy,
				FeedbackScrapeType: workv1.FeedbackPollType,
				FeedbackRules:      []workv1.FeedbackRule{{Type: workv1.JSONPathsType, JsonPaths: instanceFeedback}},
			}},
		},
	}
	work.Spec.Workload.Manifests = make([]workv1.Manifest, 1)
	work.Spec.Workload.Manifests[0].Raw = raw
	return work, nil
}

func instanceManifest(ai *appsv1alpha1.ApplicationInstance, generation int64) ([]byte, error) {
	annotations := maps.Clone(ai.Annotations)
	if annotations == nil {
		annotations = map[string]string{}
	}
	for _, key := range notDelivered {
		delete(annotations, key)
	}
	if generation > 0 {
		annotations[annotationHubGeneration] = strconv.FormatInt(generation, 10)
	}
	raw, err := json.Marshal(manifest{
		TypeMeta: metav1.TypeMeta{APIVersion: appsv1alpha1.GroupVersion.String(), Kind: "ApplicationInstance"},
		Metadata: manifestMeta{Name: ai.Name, Namespace: ai.Namespace, Labels: ai.Labels, Annotations: annotations},
		Spec:     ai.Spec,
	})
	if err != nil {
		return nil, fmt.Errorf("encode ApplicationInstance %s/%s: %w", ai.Namespace, ai.Name, err)
	}
	return raw, nil
}

// instanceContent is a digest of what a manifest says apart from the chart's version and the generation.
func instanceContent(ai *appsv1alpha1.ApplicationInstance) (string, error) {
	same := ai.DeepCopy()
	if same.Spec.Chart != nil {
		same.Spec.Chart.Version = ""
	}
	raw, err := instanceManifest(same, 0)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:8]), nil
}

func chartVersion(ai *appsv1alpha1.ApplicationInstance) string {
	if ai.Spec.Chart == nil {
		return ""
	}
	return ai.Spec.Chart.Version
}
