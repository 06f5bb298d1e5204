// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/testbed"
)

// TestKindsComeAndGo: the kinds of an executor are not there when an Operation is created; they come, and it begins; they are taken away under it, with all
// that is stored in them, and come again. It ends all the same, and says why; nothing that was taken away is made again, but for releases: an instance
// wants its own.
func TestKindsComeAndGo(t *testing.T) {
	for _, c := range []struct {
		task, group string
		phase       opsv1alpha1.OperationPhase
		words       string
	}{
		{"workflow", "argoproj.io", opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost},
		{"velero", "velero.io", opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost},
		{"volsync", "volsync.backube", opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonResultLost},
		{"helm", "helm.toolkit.fluxcd.io", opsv1alpha1.PhaseSucceeded, ""},
	} {
		t.Run(c.group, func(t *testing.T) {
			t.Parallel()
			task := taskOf(c.task)
			tell(t, task.story(" without its kinds", func(w *World) (err error) {
				crds, err := w.crds(c.group)
				if err != nil {
					return err
				}
				defer func() { err = errors.Join(err, w.install(context.WithoutCancel(w.ctx), crds)) }() // the lab needs them
				return inTurn(
					func() error { return w.uninstall(crds) },
					func() error { w.Hold(); return w.Create(OnHub, task.operation()) },
					w.notInstalled,
					func() error { return errors.Join(w.install(w.ctx, crds), task.supply(w)) },
					func() error { return w.AtWork(task.runs) },
					func() error { return w.uninstall(crds) },
					func() error { return w.install(w.ctx, crds) },
					func() error { w.Release(); return w.endsAs(t, c.phase, c.words) },
				)
			}), Faults{}, Report{})
		})
	}
}

// crds of a group, as they can be installed again.
func (w *World) crds(group string) ([]*unstructured.Unstructured, error) {
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(apiextensionsv1.SchemeGroupVersion.WithKind("CustomResourceDefinitionList"))
	if err := w.Spoke.List(w.ctx, list); err != nil {
		return nil, err
	}
	var all []*unstructured.Unstructured
	for _, o := range list.Items {
		if text(&o, "spec", "group") == group {
			fresh := object(o.GetAPIVersion(), o.GetKind(), "", o.GetName(), map[string]any{"spec": o.Object["spec"]})
			fresh.SetAnnotations(o.GetAnnotations())
			all = append(all, fresh)
		}
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("there are no kinds of %s", group)
	}
	return all, nil
}

// uninstall kinds and all that is stored in them, and wait until the API server serves none of them.
func (w *World) uninstall(crds []*unstructured.Unstructured) error {
	for _, crd := range crds {
		// The API server has to list what it deletes along, and waits for longer and longer when it has never done that before.
		if err := w.insist(func() error { return w.Spoke.List(w.ctx, listOf(crd), client.Limit(1)) }); err != nil {
			return err
		}
		if err := w.Delete(OnSpoke, crd.DeepCopy()); err != nil {
			return err
		}
	}
	return w.await("the kinds to be gone", func() string {
		for _, crd := range crds {
			there := crd.DeepCopy()
			if err := w.Spoke.Get(w.ctx, client.ObjectKeyFromObject(crd), there); !apierrors.IsNotFound(err) {
				return fmt.Sprintf("%s is there: %v %v", crd.GetName(), err, status(there)["conditions"])
			}
			if err := w.Spoke.List(w.ctx, listOf(crd), client.Limit(1)); !apierrors.IsNotFound(err) && !meta.IsNoMatchError(err) {
				return fmt.Sprintf("%s is served: %v", crd.GetName(), err)
			}
		}
		return ""
	})
}

// listOf what is stored in a CRD.
func listOf(crd *unstructured.Unstructured) *unstructured.UnstructuredList {
	gvk := schema.GroupVersionKind{Group: text(crd, "spec", "group"), Kind: text(crd, "spec", "names", "listKind")}
	versions, _, _ := unstructured.NestedSlice(crd.Object, "spec", "versions")
	for _, v := range versions {
		if version, ok := v.(map[string]any); ok && version["storage"] == true {
			gvk.Version, _ = version["name"].(string)
		}
	}
	list := &unstructured.UnstructuredList{}
	list.SetGroupVersionKind(gvk)
	return list
}

// install kinds, and wait until the API server serves them.
func (w *World) install(ctx context.Context, crds []*unstructured.Unstructured) error {
	documents := make([][]byte, 0, len(crds))
	for _, crd := range crds {
		raw, err := yaml.Marshal(crd.Object)
		if err != nil {
			return err
		}
		documents = append(documents, raw)
	}
	return testbed.Apply(ctx, w.SpokeConfig, documents...)
}

// notInstalled waits until every instance's Operation on the spoke says that its engine is not installed; those of instances that are not ready for the
// same reason say that.
func (w *World) notInstalled() error {
	return w.await("the runs to wait for their engine", func() string {
		blocked := 0
		for _, o := range w.mirror.all(OnSpoke, "Operation") {
			if o.GetNamespace() != apps {
				continue
			}
			if said := fmt.Sprint(status(o)); !strings.Contains(said, opsv1alpha1.ReasonEngineNotInstalled) {
				return o.GetName() + " says " + said
			}
			blocked++
		}
		if blocked == 0 {
			return "there are none"
		}
		return ""
	})
}
