// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	sourcev1 "github.com/fluxcd/source-controller/api/v1"
	"github.com/google/go-cmp/cmp"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func managed(namespace, name string) *appsv1alpha1.ApplicationInstance {
	return &appsv1alpha1.ApplicationInstance{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name},
		Spec: appsv1alpha1.ApplicationInstanceSpec{
			AppRef: appsv1alpha1.AppRef{CatalogID: "shop"},
			Chart: &appsv1alpha1.ChartSpec{SourceType: appsv1alpha1.ChartSourceOCI, URL: "oci://127.0.0.1:5000/charts", Name: "shop",
				Version: "1.0.0"},
			Release: &appsv1alpha1.ReleaseSpec{Name: name, Namespace: namespace},
			Values:  &appsv1alpha1.ValuesSpec{Source: appsv1alpha1.ValuesInline, Inline: &runtime.RawExtension{Raw: []byte(`{"replicas":2,"ratio":0.5,"on":true}`)}},
		},
	}
}

func helmReleaseOf(t *testing.T, ai *appsv1alpha1.ApplicationInstance) *helmv2.HelmRelease {
	t.Helper()
	hr := &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: ai.Namespace, Name: ai.Spec.Release.Name}}
	eventually(t, func() string {
		if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(hr), hr); err != nil {
			return err.Error()
		}
		return ""
	})
	return hr
}

// install plays Flux: it says that the present generation of the HelmRelease runs with a chart version.
func install(t *testing.T, hr *helmv2.HelmRelease, version string) {
	t.Helper()
	reload(t, hr)
	hr.Status = helmv2.HelmReleaseStatus{
		ObservedGeneration: hr.Generation, LastAttemptedConfigDigest: "sha256:1",
		Conditions: []metav1.Condition{condition(fluxReady, metav1.ConditionTrue, helmv2.InstallSucceededReason, "installed", hr.Generation)},
		History: helmv2.Snapshots{{Name: hr.Name, Namespace: hr.Namespace, Version: 1, Status: helmDeployed, ChartName: "shop", ChartVersion: version,
			ConfigDigest: "sha256:1", Digest: "sha256:2", OCIDigest: "sha256:3", FirstDeployed: metav1.Now(), LastDeployed: metav1.Now()}},
	}
	if err := k8s.Status().Update(t.Context(), hr); err != nil {
		t.Fatal(err)
	}
}

func condition(kind string, status metav1.ConditionStatus, reason, message string, generation int64) metav1.Condition {
	return metav1.Condition{Type: kind, Status: status, Reason: reason, Message: message, ObservedGeneration: generation, LastTransitionTime: metav1.Now()}
}

func isReady(t *testing.T, ai *appsv1alpha1.ApplicationInstance, status metav1.ConditionStatus, reason string) {
	t.Helper()
	eventually(t, func() string {
		if err := k8s.Get(t.Context(), client.ObjectKeyFromObject(ai), ai); err != nil {
			return err.Error()
		}
		s := ai.Status
		if s.Ready == status && s.ReadyReason == reason && s.ObservedGeneration == ai.Generation {
			return ""
		}
		return fmt.Sprintf("%s is %s/%s (%s), wanted %s/%s", ai.Name, s.Ready, s.ReadyReason, s.ReadyMessage, status, reason)
	})
	if c := meta.FindStatusCondition(ai.Status.Conditions, appsv1alpha1.ConditionReady); c == nil || c.Status != status || c.Reason != reason {
		t.Errorf("flat fields and condition disagree: %+v", ai.Status)
	}
}

func TestManagedInstance(t *testing.T) {
	ns := gatedNamespace(t)
	ai := managed(ns, "web")
	create(t, ai)
	isReady(t, ai, metav1.ConditionUnknown, appsv1alpha1.ReasonProgressing)
	hr := helmReleaseOf(t, ai)
	if hr.Spec.ChartRef == nil || hr.Spec.ChartRef.Kind != sourcev1.OCIRepositoryKind || hr.Spec.Upgrade.Remediation.Retries != 0 || !metav1.IsControlledBy(hr, ai) {
		t.Errorf("HelmRelease is %+v", hr)
	}
	var values map[string]any
	if err := json.Unmarshal(hr.Spec.Values.Raw, &values); err != nil || fmt.Sprint(values) != "map[on:true ratio:0.5 replicas:2]" {
		t.Errorf("values %s: %v", hr.Spec.Values.Raw, err)
	}
	repo := &sourcev1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	if reload(t, repo); repo.Spec.URL != "oci://127.0.0.1:5000/charts/shop" || repo.Spec.Reference.Tag != "1.0.0" || !repo.Spec.Insecure {
		t.Errorf("OCIRepository is %+v", repo.Spec)
	}
	install(t, hr, "1.0.0+0123456789ab")
	isReady(t, ai, metav1.ConditionTrue, appsv1alpha1.ReasonInstalled)
	if c := ai.Status.LastAppliedChart; c == nil || c.Version != "1.0.0" || c.Name != "shop" || c.SourceType != appsv1alpha1.ChartSourceOCI {
		t.Errorf("last applied chart is %+v", c)
	}
}

// A new version is not Ready before Flux has deployed it, though the HelmRelease does not change at all and goes on saying Ready.
func TestManagedInstanceMovesOn(t *testing.T) {
	ns := gatedNamespace(t)
	ai := managed(ns, "web")
	create(t, ai)
	hr := helmReleaseOf(t, ai)
	install(t, hr, "1.0.0+0123456789ab")
	isReady(t, ai, metav1.ConditionTrue, appsv1alpha1.ReasonInstalled)
	repo := &sourcev1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	patch(t, ai, func() { ai.Spec.Chart.Version = "1.1.0" })
	isReady(t, ai, metav1.ConditionUnknown, appsv1alpha1.ReasonProgressing)
	if reload(t, repo); repo.Spec.Reference.Tag != "1.1.0" {
		t.Errorf("tag is %s", repo.Spec.Reference.Tag)
	}
	repo.Status.Conditions = []metav1.Condition{condition(fluxReady, metav1.ConditionFalse, "OCIArtifactPullFailed", "no such tag 1.1.0", repo.Generation)}
	if err := k8s.Status().Update(t.Context(), repo); err != nil {
		t.Fatal(err)
	}
	isReady(t, ai, metav1.ConditionFalse, appsv1alpha1.ReasonSourceFailed)
	if ai.Status.ReadyMessage != "no such tag 1.1.0" || !meta.IsStatusConditionTrue(ai.Status.Conditions, appsv1alpha1.ConditionDegraded) {
		t.Errorf("status is %+v", ai.Status)
	}
	repo.Status.Conditions = nil
	if err := k8s.Status().Update(t.Context(), repo); err != nil {
		t.Fatal(err)
	}
	install(t, hr, "1.1.0+0123456789ab")
	isReady(t, ai, metav1.ConditionTrue, appsv1alpha1.ReasonInstalled)
}

func TestManagedValuesAndOwnership(t *testing.T) {
	ns := gatedNamespace(t)
	ai := managed(ns, "web")
	create(t, ai)
	hr := helmReleaseOf(t, ai)
	// A value that is taken out goes from the HelmRelease too.
	patch(t, ai, func() { ai.Spec.Values.Inline = &runtime.RawExtension{Raw: []byte(`{"replicas":3}`)} })
	eventually(t, func() string {
		if got := string(reload(t, hr).Spec.Values.Raw); got != `{"replicas":3}` {
			return got
		}
		return ""
	})
	// Drift of what is ours is put right by refusing it: the field has another owner now.
	hr.Spec.Timeout = &metav1.Duration{Duration: 60e9}
	if err := k8s.Update(t.Context(), hr, client.FieldOwner("somebody")); err != nil {
		t.Fatal(err)
	}
	isReady(t, ai, metav1.ConditionFalse, appsv1alpha1.ReasonFieldConflict)
	if !strings.Contains(ai.Status.ReadyMessage, "somebody") || !strings.Contains(ai.Status.ReadyMessage, ".spec.timeout") {
		t.Errorf("message is %s", ai.Status.ReadyMessage)
	}
}

func TestManagedByRepository(t *testing.T) {
	ns := gatedNamespace(t)
	ai := managed(ns, "web")
	create(t, ai)
	helmReleaseOf(t, ai)
	patch(t, ai, func() {
		ai.Spec.Chart = &appsv1alpha1.ChartSpec{SourceType: appsv1alpha1.ChartSourceHelm, URL: "https://charts.example.com", Name: "shop", Version: "2.0.0"}
		ai.Spec.Values = &appsv1alpha1.ValuesSpec{Source: appsv1alpha1.ValuesSecretRef, SecretRef: &appsv1alpha1.ObjectKeyRef{Name: "s", Key: "k"}}
	})
	gone(t, &sourcev1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}})
	hr := helmReleaseOf(t, ai)
	if hr.Spec.ChartRef != nil || hr.Spec.Chart.Spec.Version != "2.0.0" || hr.Spec.Chart.Spec.SourceRef.Kind != sourcev1.HelmRepositoryKind ||
		hr.Spec.Values != nil || hr.Spec.ValuesFrom[0].Kind != "Secret" || hr.Spec.ValuesFrom[0].ValuesKey != "k" {
		t.Errorf("HelmRelease is %+v", hr.Spec)
	}
	reload(t, &sourcev1.HelmRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}})
}

func TestInstanceBlocked(t *testing.T) {
	shut := namespace(t, false)
	ai := managed(shut, "web")
	create(t, ai)
	isReady(t, ai, metav1.ConditionFalse, appsv1alpha1.ReasonNamespaceNotGated)
	if !meta.IsStatusConditionTrue(ai.Status.Conditions, appsv1alpha1.ConditionBlocked) || len(ai.Finalizers) > 0 {
		t.Errorf("%+v", ai)
	}
	if err := k8s.Get(t.Context(), client.ObjectKey{Namespace: shut, Name: "web"}, &helmv2.HelmRelease{}); client.IgnoreNotFound(err) != nil || err == nil {
		t.Errorf("a HelmRelease was made: %v", err)
	}
	openNamespace(t, shut)
	isReady(t, ai, metav1.ConditionUnknown, appsv1alpha1.ReasonProgressing)
	if meta.FindStatusCondition(ai.Status.Conditions, appsv1alpha1.ConditionBlocked) != nil {
		t.Error("still blocked")
	}

	elsewhere := managed(shut, "elsewhere")
	elsewhere.Spec.Release.Namespace = "other"
	create(t, elsewhere)
	isReady(t, elsewhere, metav1.ConditionFalse, appsv1alpha1.ReasonNamespaceMismatch)
}

// Looking again at what is as it should be writes nothing: not a status, not an apply.
func TestIdleWritesNothing(t *testing.T) {
	ns := gatedNamespace(t)
	ai := managed(ns, "web")
	ai.Annotations = map[string]string{"ops.vworkspace.io/runcommand": string(widgetName)}
	create(t, ai)
	install(t, helmReleaseOf(t, ai), "1.0.0")
	isReady(t, ai, metav1.ConditionTrue, appsv1alpha1.ReasonInstalled)
	op := on(ns, "op", "web", opsv1alpha1.TypeRunCommand)
	create(t, op)
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
	eventually(t, func() string { return strings.Join(reload(t, op).Finalizers, " ") })
	waiting := on(ns, "waiting", "missing", opsv1alpha1.TypeRunCommand)
	create(t, waiting)
	blockedFrom(t, waiting, opsv1alpha1.ReasonTargetNotFound)

	var writes []string
	faults.inject(t, ns, func(verb string, obj client.Object) error {
		// The end of a write that was begun before, and that the test has seen already, is none.
		begun := !strings.HasPrefix(verb, "after ")
		if name := obj.GetName(); begun && (name == "web" || name == "op" || name == "waiting") {
			writes = append(writes, verb+" "+name)
		}
		return nil
	})
	// Each of these makes the agent look again; when it has dealt with what came after them, it has looked.
	for _, obj := range []client.Object{ai, op, waiting, helmReleaseOf(t, ai)} {
		patch(t, obj, func() {
			labels := map[string]string{"touched": "yes"}
			maps.Copy(labels, obj.GetLabels())
			obj.SetLabels(labels)
		})
	}
	for _, name := range []string{"last", "very-last"} {
		create(t, placeholder(ns, name, "shop"))
		next := selecting(ns, name, opsv1alpha1.InstanceSelector{Names: []string{"nobody"}})
		create(t, next)
		reaches(t, next, opsv1alpha1.PhaseSucceeded, "")
		isReady(t, placeholder(ns, name, "shop"), metav1.ConditionTrue, appsv1alpha1.ReasonPlaceholder)
	}
	faults.heal(ns)
	if len(writes) > 0 {
		t.Errorf("idle, and yet: %v", writes)
	}
}

func TestAdoptedInstance(t *testing.T) {
	ns := gatedNamespace(t)
	ai := adopted(ns, "web", "theirs")
	create(t, ai)
	isReady(t, ai, metav1.ConditionFalse, appsv1alpha1.ReasonHelmReleaseNotFound)
	hr := &helmv2.HelmRelease{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "theirs"}, Spec: helmv2.HelmReleaseSpec{
		Interval: metav1.Duration{Duration: 1e9}, ChartRef: &helmv2.CrossNamespaceSourceReference{Kind: "OCIRepository", Name: "theirs"}}}
	create(t, hr)
	isReady(t, ai, metav1.ConditionUnknown, appsv1alpha1.ReasonProgressing)
	install(t, hr, "5.0.0")
	isReady(t, ai, metav1.ConditionTrue, appsv1alpha1.ReasonInstalled)
	if len(ai.Finalizers) > 0 {
		t.Error("what is not ours needs no finalizer")
	}
	if err := k8s.Delete(t.Context(), ai); err != nil {
		t.Fatal(err)
	}
	gone(t, ai)
	reload(t, hr)
}

// Deleting an instance waits for Flux, which uninstalls while the HelmRelease is being deleted and needs the source for that.
func TestDeleteManagedInstance(t *testing.T) {
	ns := gatedNamespace(t)
	ai := managed(ns, "web")
	create(t, ai)
	hr := helmReleaseOf(t, ai)
	patch(t, hr, func() { hr.Finalizers = []string{helmv2.HelmReleaseFinalizer} })
	if err := k8s.Delete(t.Context(), ai); err != nil {
		t.Fatal(err)
	}
	isReady(t, ai, metav1.ConditionFalse, appsv1alpha1.ReasonDeleting)
	if !meta.IsStatusConditionTrue(ai.Status.Conditions, appsv1alpha1.ConditionDeleting) {
		t.Error("not Deleting")
	}
	repo := &sourcev1.OCIRepository{ObjectMeta: metav1.ObjectMeta{Namespace: ns, Name: "web"}}
	reload(t, repo)
	patch(t, hr, func() { hr.Finalizers = nil })
	gone(t, ai)
	gone(t, hr)
	gone(t, repo)
}

// Flux may come after the agent, and may go and come again.
func TestFluxComesLater(t *testing.T) {
	crd := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: "ocirepositories.source.toolkit.fluxcd.io"}}
	c, err := client.New(restConfig, client.Options{Scheme: crdScheme(t)})
	if err != nil {
		t.Fatal(err)
	}
	if err := c.Get(t.Context(), client.ObjectKeyFromObject(crd), crd); err != nil {
		t.Fatal(err)
	}
	again := &apiextensionsv1.CustomResourceDefinition{ObjectMeta: metav1.ObjectMeta{Name: crd.Name, Annotations: crd.Annotations}, Spec: crd.Spec}
	if err := c.Delete(t.Context(), crd); err != nil {
		t.Fatal(err)
	}
	ns := gatedNamespace(t)
	// Until the agent has noticed, an instance may fail otherwise; every look at it is a new one.
	ai := managed(ns, "web")
	create(t, ai)
	isReady(t, ai, metav1.ConditionFalse, appsv1alpha1.ReasonEngineNotInstalled)
	eventually(t, func() string {
		if err := c.Create(t.Context(), again.DeepCopy()); err != nil {
			return err.Error()
		}
		return ""
	})
	isReady(t, ai, metav1.ConditionUnknown, appsv1alpha1.ReasonProgressing)
	install(t, helmReleaseOf(t, ai), "1.0.0")
	isReady(t, ai, metav1.ConditionTrue, appsv1alpha1.ReasonInstalled)
}

func crdScheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	if err := apiextensionsv1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	return s
}

// TestBlockedSince: an instance that stays blocked is blocked since it was, and there is nothing to write.
func TestBlockedSince(t *testing.T) {
	v := &instanceVisit{ai: managed("shop", "web"), now: metav1.NewTime(time.Unix(1000, 0))}
	v.block(appsv1alpha1.ReasonFieldConflict, "somebody else's")
	before := v.ai.Status.DeepCopy()
	v.now = metav1.NewTime(time.Unix(2000, 0))
	v.block(appsv1alpha1.ReasonFieldConflict, "somebody else's")
	if diff := cmp.Diff(*before, v.ai.Status); diff != "" {
		t.Errorf("it was written anew:\n%s", diff)
	}
	v.conclude(finding{ready: metav1.ConditionTrue, reason: appsv1alpha1.ReasonInstalled})
	if c := meta.FindStatusCondition(v.ai.Status.Conditions, appsv1alpha1.ConditionBlocked); c != nil {
		t.Errorf("it is still blocked: %+v", c)
	}
}

// TestUnseenReleaseIsLookedAtAgain: a HelmRelease that was made and taken away while the watch was broken is missed by no watch. So what was made a moment
// ago, and what is not done, is looked at again; what is done costs nothing.
func TestUnseenReleaseIsLookedAtAgain(t *testing.T) {
	done := &helmv2.HelmRelease{Status: helmv2.HelmReleaseStatus{
		History:    helmv2.Snapshots{{Status: helmDeployed, ChartVersion: "1.0.0"}},
		Conditions: []metav1.Condition{condition(fluxReady, metav1.ConditionTrue, "UpgradeSucceeded", "ok", 0)},
	}}
	for name, c := range map[string]struct {
		hr        *helmv2.HelmRelease
		applied   bool
		complaint string
		want      time.Duration
	}{
		"new":                            {&helmv2.HelmRelease{}, false, "", progressInterval},
		"just made, with a source to go": {&helmv2.HelmRelease{}, true, "no index yet", progressInterval},
		"done":                           {done, false, "", 0},
	} {
		t.Run(name, func(t *testing.T) {
			v := &instanceVisit{ai: managed("shop", "web"), applied: c.applied}
			v.mirror(c.hr, "1.0.0", c.complaint)
			if v.again != c.want {
				t.Errorf("it is looked at again after %s, want %s: %+v", v.again, c.want, v.ai.Status)
			}
		})
	}
}
