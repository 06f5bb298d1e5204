// SPDX-License-Identifier: Apache-2.0

package scenarios

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
	"vworkspace.io/fleet/e2e/testbed"
)

// TestCatalogIsTheHubs: a template that is made on the hub is used on every cluster, a change of it arrives, and it goes when it goes on the hub. A cluster
// whose owner has made it his own keeps his, and runs nothing by the hub's.
func TestCatalogIsTheHubs(t *testing.T) {
	ctx, own := t.Context(), fleet.Fleet.Spokes[0] // its owner makes the template his own
	template := &opsv1alpha1.OperationTemplate{
		ObjectMeta: metav1.ObjectMeta{Name: "tidy-shops"},
		Spec: opsv1alpha1.OperationTemplateSpec{
			Description: "Tidies a shop.", Type: opsv1alpha1.TypeRunCommand, Engine: opsv1alpha1.EngineJob,
			TargetSelector: &opsv1alpha1.TargetSelector{CatalogIDs: []string{"shop"}},
			Defaults:       asParameters(t, command(0)),
		},
	}
	if err := fleet.Hub.Create(ctx, template); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = fleet.Hub.Delete(context.Background(), template) })
	first := byTemplate("tidied-first", template)
	create(t, first)
	ended(t, first, opsv1alpha1.PhaseSucceeded)
	oneJobPerInstance(t, first)
	sameCatalog(t)

	makeHisOwn(t, own, template)
	change := client.MergeFrom(template.DeepCopy())
	template.Spec.Description, template.Spec.Defaults = "Tidies a shop, slowly.", asParameters(t, command(time.Second))
	if err := fleet.Hub.Patch(ctx, template, change); err != nil {
		t.Fatal(err)
	}
	for _, c := range fleet.Fleet.Spokes[1:] {
		eventually(t, "the change to come to "+c.Name, func(ctx context.Context) (bool, string) {
			got := &opsv1alpha1.OperationTemplate{}
			err := spoke(t, c).Get(ctx, client.ObjectKeyFromObject(template), got)
			return err == nil && got.Spec.Description == template.Spec.Description, fmt.Sprintf("%v, %q", err, got.Spec.Description)
		})
	}
	notByAnother(t, own, template)

	if err := fleet.Hub.Delete(ctx, template); err != nil {
		t.Fatal(err)
	}
	for _, c := range fleet.Fleet.Spokes {
		eventually(t, "the template to go from "+c.Name, func(ctx context.Context) (bool, string) {
			err := spoke(t, c).Get(ctx, client.ObjectKeyFromObject(template), &opsv1alpha1.OperationTemplate{})
			return apierrors.IsNotFound(err), fmt.Sprint(err)
		})
	}
	sameCatalog(t)
}

// makeHisOwn has the owner of a cluster change the template there.
func makeHisOwn(t *testing.T, own *testbed.Cluster, template *opsv1alpha1.OperationTemplate) {
	t.Helper()
	his := &opsv1alpha1.OperationTemplate{}
	if err := spoke(t, own).Get(t.Context(), client.ObjectKeyFromObject(template), his); err != nil {
		t.Fatal(err)
	}
	edit := client.MergeFrom(his.DeepCopy())
	his.Spec.Description = "As the owner of this cluster likes it."
	if err := spoke(t, own).Patch(t.Context(), his, edit, client.FieldOwner("owner")); err != nil {
		t.Fatal(err)
	}
}

// notByAnother: where the template is the cluster's own, what is asked for by the hub's does not run, and everywhere else it does.
func notByAnother(t *testing.T, own *testbed.Cluster, template *opsv1alpha1.OperationTemplate) {
	t.Helper()
	ctx, second := t.Context(), byTemplate("tidied-second", template)
	create(t, second)
	eventually(t, "all clusters but the one with its own to have run, and that to say why", func(ctx context.Context) (bool, string) {
		if err := fleet.Hub.Get(ctx, client.ObjectKeyFromObject(second), second); err != nil {
			return false, err.Error()
		}
		s := second.Status.Summary
		var waits opsv1alpha1.OperationList
		if err := spoke(t, own).List(ctx, &waits, client.MatchingLabels{opsv1alpha1.LabelRoot: string(second.UID)}); err != nil {
			return false, err.Error()
		}
		changed := slices.ContainsFunc(waits.Items, func(op opsv1alpha1.Operation) bool { return op.Status.Reason == opsv1alpha1.ReasonTemplateChanged })
		return s != nil && s.Clusters.Succeeded == clusters-1 && changed, fmt.Sprintf("%+v, %+v", s, waits.Items)
	})
	for instance, made := range jobs(ctx, t, second) {
		if strings.HasPrefix(instance, own.Name+"/") && len(made) > 0 {
			t.Errorf("%s was tidied by a template that is not the hub's", instance)
		}
	}
	told := catalogOf(t, own.Name)
	if c := conditionOf(told, template.Name); c == nil || c.Status != metav1.ConditionFalse || !strings.Contains(c.Message, `conflict with "owner"`) {
		t.Errorf("the ManifestWork does not say whose the template is: %+v", c)
	}
}

func byTemplate(name string, template *opsv1alpha1.OperationTemplate) *opsv1alpha1.Operation {
	return fleetOperation(name, func(s *opsv1alpha1.OperationSpec) {
		s.Engine, s.Parameters, s.TemplateRef = "", nil, &opsv1alpha1.TemplateRef{Name: template.Name}
	}, nil)
}

func asParameters(t *testing.T, parameters map[string]any) *runtime.RawExtension {
	t.Helper()
	raw, err := json.Marshal(parameters)
	if err != nil {
		t.Fatal(err)
	}
	return &runtime.RawExtension{Raw: raw}
}

// sameCatalog waits until every cluster has the hub's templates and no other, in the same form.
func sameCatalog(t *testing.T) {
	t.Helper()
	want := digests(t.Context(), t, fleet.Hub)
	for _, c := range fleet.Fleet.Spokes {
		eventually(t, "the catalog of "+c.Name+" to be the hub's", func(ctx context.Context) (bool, string) {
			got := digests(ctx, t, spoke(t, c))
			return got == want && want != "", "it has\n" + got + "and the hub\n" + want
		})
	}
}

// digests of a catalog.
func digests(ctx context.Context, t *testing.T, c client.Client) string {
	t.Helper()
	var list opsv1alpha1.OperationTemplateList
	if err := c.List(ctx, &list); err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for i := range list.Items { // by name
		digest, err := catalog.Digest(&list.Items[i].Spec)
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintln(&b, list.Items[i].Name, digest)
	}
	return b.String()
}

// catalogOf a cluster, as the hub sends it.
func catalogOf(t *testing.T, cluster string) *workv1.ManifestWork {
	t.Helper()
	var work workv1.ManifestWork
	if err := fleet.Hub.Get(t.Context(), client.ObjectKey{Namespace: cluster, Name: "vworkspace-catalog"}, &work); err != nil {
		t.Fatal(err)
	}
	return &work
}

func conditionOf(work *workv1.ManifestWork, name string) *metav1.Condition {
	for _, m := range work.Status.ResourceStatus.Manifests {
		for i := range m.Conditions {
			if m.ResourceMeta.Name == name && m.Conditions[i].Type == workv1.ManifestApplied {
				return &m.Conditions[i]
			}
		}
	}
	return nil
}
