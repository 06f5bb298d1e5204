// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/expressions"
	"vworkspace.io/fleet/placement"
)

// previews of an Operation by cluster, and how many ConfigMaps they are in.
func (f *fleet) previews(op *opsv1alpha1.Operation) (map[string]string, int) {
	f.t.Helper()
	list := &corev1.ConfigMapList{}
	f.must(api.List(f.ctx, list, client.InNamespace(f.ns), client.MatchingLabels{
		opsv1alpha1.LabelOperation: string(op.UID), opsv1alpha1.LabelPart: opsv1alpha1.PartPreview,
	}))
	all := map[string]string{}
	for _, c := range list.Items {
		if !ptr.Deref(c.Immutable, false) || len(c.OwnerReferences) != 1 || !strings.HasPrefix(c.Name, planName(op)+"-preview-") {
			f.t.Errorf("%+v", c.ObjectMeta)
		}
		for cluster, line := range c.Data {
			all[cluster] = line
		}
	}
	return all, len(list.Items)
}

func (f *fleet) taint(cluster, key string) {
	f.t.Helper()
	c := &clusterv1.ManagedCluster{}
	f.must(api.Get(f.ctx, types.NamespacedName{Name: cluster}, c))
	c.Spec.Taints = []clusterv1.Taint{{Key: key, Effect: clusterv1.TaintEffectNoSelect}, {Key: "soft", Effect: clusterv1.TaintEffectPreferNoSelect}}
	f.must(api.Update(f.ctx, c))
}

func TestPreview(t *testing.T) {
	f := newFleet(t, 7)
	template := f.listed("shops", func(s *opsv1alpha1.OperationTemplateSpec) {
		s.TargetSelector, s.Redact = &opsv1alpha1.TargetSelector{CatalogIDs: []string{"shop"}}, []string{"password"}
	})
	runs := map[string]string{"shop.app.vworkspace.io": "3", "bank.app.vworkspace.io": "9", "velero.engine.vworkspace.io": "installed"}
	for i, claims := range []map[string]string{
		runs, runs, nil, {"shop.app.vworkspace.io": "1", "job.engine.vworkspace.io": "installed"},
		{"bank.app.vworkspace.io": "9", "velero.engine.vworkspace.io": "installed"}, runs, runs,
	} {
		f.known(f.clusters[i], map[string]string{"region": fmt.Sprintf("r%d", i%2)}, claims)
	}
	f.must(f.setAvailable(f.clusters[1], metav1.ConditionFalse))
	f.taint(f.clusters[5], "drained")
	f.startHub()
	web := f.instance("web", f.clusters[6])
	f.eventually("the instance is delivered", func() (string, error) {
		return differs(f.getInstance(web).Status.Cluster, f.clusters[6]), nil
	})
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", naming(template.Name), withParameters(`{"to":"${cluster.labels['region']}","password":"${cluster.name}-hunter2"}`),
		func(op *opsv1alpha1.Operation) { op.Spec.DryRun = true })
	got := f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun)
	lines, _ := f.previews(op)
	text := ""
	foreseen := make([]map[string]any, len(f.clusters))
	for i, c := range f.clusters {
		line := strings.NewReplacer(f.ns+"-shops", "shops", c[:len(c)-4], "c").Replace(lines[c])
		text += line
		f.must(json.Unmarshal([]byte(line), &foreseen[i]))
	}
	golden(t, "preview", foreseen)
	if s := got.Status.Summary; s == nil || s.Clusters == nil || *s.Clusters != (opsv1alpha1.Counts{Total: 7, Pending: 3, Blocked: 3, Skipped: 1}) {
		t.Errorf("%+v", s)
	}
	for _, words := range []string{
		"would run on 3 of 7 clusters; each of them is in the ConfigMaps " + planName(op) + "-preview-0 ...; 3 would wait: " + f.clusters[1] + ": it is not available",
		"1 would be left out: " + f.clusters[4],
	} {
		if !strings.Contains(got.Status.Message, words) {
			t.Errorf("%q does not say %q", got.Status.Message, words)
		}
	}
	if len(f.works(op)) > 0 || strings.Contains(text+got.Status.Message, "hunter2") {
		t.Errorf("%d works; %s", len(f.works(op)), text)
	}
}

// TestFactsOfManyClaims: what a cluster does not claim is not there, unless it claims so much that some of it is not reported.
func TestFactsOfManyClaims(t *testing.T) {
	c := &clusterv1.ManagedCluster{}
	claim := func(name, value string) {
		c.Status.ClusterClaims = append(c.Status.ClusterClaims, clusterv1.ManagedClusterClaim{Name: name, Value: value})
	}
	claim(opsv1alpha1.EngineClaim(opsv1alpha1.EngineHelmHookJob), "installed")
	if f := factsOf(c, opsv1alpha1.EngineHelmHookJob, nil); !f.Agent || f.LacksEngine || f.Claimed == nil || *f.Claimed != 0 {
		t.Errorf("%+v", f)
	}
	if f := factsOf(c, opsv1alpha1.EngineVelero, nil); !f.LacksEngine {
		t.Errorf("%+v", f)
	}
	if f := factsOf(c, "", nil); f.LacksEngine {
		t.Errorf("%+v", f)
	}
	for i := range maxClaims {
		claim(opsv1alpha1.AppClaim(fmt.Sprintf("app%d", i)), "2")
	}
	if f := factsOf(c, opsv1alpha1.EngineVelero, []string{"other"}); f.LacksEngine || f.Claimed != nil {
		t.Errorf("%+v", f)
	}
	if f := factsOf(c, "", []string{"app1", "app2", "other"}); f.Claimed == nil || *f.Claimed != 4 {
		t.Errorf("%+v", f)
	}
	if f := factsOf(nil, "", nil); f.There || f.Agent {
		t.Errorf("%+v", f)
	}
}

// TestPreviewThatWasBrokenOff: what an attempt left behind that did not come to its end is replaced, also where it had foreseen more.
func TestPreviewThatWasBrokenOff(t *testing.T) {
	f := newFleet(t, 1)
	f.place("all", f.clusters...)
	op := f.operation("backup", "all", func(op *opsv1alpha1.Operation) { op.Spec.DryRun = true })
	for i := range 3 {
		chunk, err := previewChunk(op, i, []placement.Preview{{Cluster: fmt.Sprintf("old-%d", i)}})
		f.must(err)
		f.must(api.Create(f.ctx, chunk))
	}
	f.startHub()
	f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun)
	lines, n := f.previews(op)
	if _, there := lines[f.clusters[0]]; !there || len(lines) != 1 || n != 1 {
		t.Errorf("%d: %v", n, lines)
	}
}

// TestPreviewIsNotRewritten once the status has told of it, by a pass that has not seen that.
func TestPreviewIsNotRewritten(t *testing.T) {
	f := newFleet(t, 1)
	f.place("all", f.clusters...)
	stop := f.startHub()
	op := f.operation("backup", "all", func(op *opsv1alpha1.Operation) { op.Spec.DryRun = true })
	f.await(op, opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun)
	stop()
	before, _ := f.previews(op)
	r := &OperationReconciler{Client: api, Live: api, Options: Options{}.complete()}
	for _, previews := range [][]placement.Preview{{{Cluster: "other"}}, nil} {
		if err := r.storePreviews(f.ctx, op, previews); !apierrors.IsConflict(err) {
			t.Errorf("%v", err)
		}
	}
	if after, _ := f.previews(op); !cmp.Equal(before, after) {
		t.Errorf("%v became %v", before, after)
	}
}

// TestPreviewsFit: a chunk of previews is a ConfigMap, however much there is to say.
func TestPreviewsFit(t *testing.T) {
	op := &opsv1alpha1.Operation{ObjectMeta: metav1.ObjectMeta{Namespace: "shops", Name: strings.Repeat("o", 63), UID: "uid"}}
	var previews []placement.Preview
	for i := range placement.ChunkSize {
		previews = append(previews, placement.Preview{
			Cluster: fmt.Sprintf("%059d%04d", 0, i), Order: 10_000, Group: strings.Repeat("g", 63), Would: placement.WouldWait, Reason: strings.Repeat("R", 40),
			Message: strings.Repeat("\x01\"<", 1024), Claimed: ptr.To(12345), Engine: opsv1alpha1.EngineHelmHookJob, Template: strings.Repeat("t", 253),
			Parameters: json.RawMessage(`{"a":"` + strings.Repeat("p", placement.MaxPreviewParameters-8) + `"}`),
		})
	}
	chunk, err := previewChunk(op, 19, previews)
	if err != nil {
		t.Fatal(err)
	}
	size := 0
	for key, line := range chunk.Data {
		size += len(key) + len(line)
		if !json.Valid([]byte(line)) || strings.Contains(line, "\n") {
			t.Fatal(line)
		}
	}
	if len(chunk.Data) != placement.ChunkSize || size > corev1.MaxSecretSize {
		t.Errorf("%d clusters, %d bytes", len(chunk.Data), size)
	}
}

// TestLongParametersAreShownInPart: those that differ from cluster to cluster, where there are any.
func TestLongParametersAreShownInPart(t *testing.T) {
	long := strings.Repeat("x", placement.MaxPreviewParameters)
	plan := placement.Plan{
		Spec:   opsv1alpha1.OperationSpec{Parameters: &runtime.RawExtension{Raw: []byte(`{"long":"` + long + `","to":["?"]}`)}},
		Groups: []placement.Group{{Clusters: []string{"a", "b"}}},
		Blanks: []expressions.Blank{{At: []string{"to", "0"}, Values: []int{0}}},
		Rows:   []json.RawMessage{json.RawMessage(`["eu"]`), json.RawMessage(`["us"]`)},
	}
	shown := parametersShown{plan: plan}
	for i, want := range []string{`{"to":["eu"]}`, `{"to":["us"]}`} {
		got, omitted, err := shown.of(i)
		if err != nil || string(got) != want || !strings.Contains(omitted, "those with expressions are shown") {
			t.Errorf("%s %q %v", got, omitted, err)
		}
	}
	plan.Blanks, plan.Rows = nil, nil
	got, _, err := (&parametersShown{plan: plan}).of(0)
	line, wrong := placement.Preview{Parameters: got}.Encode()
	if err != nil || wrong != nil || strings.Contains(line, long) || !strings.Contains(line, "see spec.parameters") {
		t.Errorf("%s %v %v", line, err, wrong)
	}
}
