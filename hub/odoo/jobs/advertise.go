// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"
	logf "sigs.k8s.io/controller-runtime/pkg/log"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub/odoo/wire"
)

// keyEntry of the ConfigMap that keeps an entry.
const keyEntry = "entry"

// keep a catalog entry: its templates are applied, and its instances advertise what may be done with them, also those that jobs make later. All of it may be
// done again. An error that is a *Refusal is final, and what could be done was done.
func (a *applier) keep(ctx context.Context, s *Session, r *Record, e *entry) error {
	c, err := a.as(s.Account)
	if err != nil {
		return err
	}
	for _, raw := range e.Templates {
		t, err := applyTaskOf("payload.templates", raw, kindTemplate)
		if err != nil {
			return err
		}
		prepare(t.object, r)
		if err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(t.object), client.FieldOwner(FieldManager)); err != nil {
			return a.told(err, s, t.object)
		}
	}
	instances, err := a.write(ctx, e)
	if err != nil {
		return err
	}
	var against []string
	outcome := wire.OutcomeConflict
	for i := range instances {
		err := a.advertise(ctx, c, s, &instances[i], e)
		if final, ok := errors.AsType[*Refusal](err); ok {
			if final.Outcome != wire.OutcomeConflict {
				outcome = wire.OutcomeFailed
			}
			against = append(against, fmt.Sprintf("%s/%s: %s", instances[i].Namespace, instances[i].Name, final.Message))
			continue
		}
		if err != nil {
			return err
		}
	}
	if len(against) > 0 {
		return &Refusal{Outcome: outcome, Message: fmt.Sprintf("%d of %d instances do not take the capabilities, the others have them; %s",
			len(against), len(instances), strings.Join(against[:min(len(against), conflicts)], "; "))}
	}
	return nil
}

// write an entry down for instances to come, and find those that are there.
func (a *applier) write(ctx context.Context, e *entry) ([]appsv1alpha1.ApplicationInstance, error) {
	a.one.Lock()
	defer a.one.Unlock()
	data, err := json.Marshal(&entry{CatalogID: e.CatalogID, Capabilities: e.Capabilities})
	if err != nil {
		return nil, fmt.Errorf("encode the catalog entry: %w", err)
	}
	cm := &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: a.store.namespace, Name: entryName(e.CatalogID), Labels: map[string]string{opsv1alpha1.LabelPart: opsv1alpha1.PartEntry},
		},
		Data: map[string]string{keyEntry: string(data)},
	}
	err = a.store.Create(ctx, cm)
	if apierrors.IsAlreadyExists(err) {
		err = a.store.Update(ctx, cm) // without a resourceVersion: the last entry counts, and jobs about it are done one after the other
	}
	if err != nil {
		return nil, fmt.Errorf("keep the catalog entry %s: %w", e.CatalogID, err)
	}
	var found []appsv1alpha1.ApplicationInstance
	for next := ""; ; {
		page := &appsv1alpha1.ApplicationInstanceList{}
		if err := a.live.List(ctx, page, client.Limit(listPage), client.Continue(next)); err != nil {
			return nil, fmt.Errorf("list ApplicationInstances: %w", err)
		}
		for i := range page.Items {
			if page.Items[i].Spec.AppRef.CatalogID == e.CatalogID {
				found = append(found, page.Items[i])
			}
		}
		if next = page.Continue; next == "" {
			return found, nil
		}
	}
}

// advertiseOne has an instance that was just applied advertise what its catalog entry says. Where the instance says otherwise itself, it has the last word.
func (a *applier) advertiseOne(ctx context.Context, c client.Client, s *Session, o *unstructured.Unstructured) error {
	catalogID, _, _ := unstructured.NestedString(o.Object, "spec", "appRef", "catalogId")
	cm := &corev1.ConfigMap{}
	err := a.live.Get(ctx, client.ObjectKey{Namespace: a.store.namespace, Name: entryName(catalogID)}, cm)
	if apierrors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read the catalog entry %s: %w", catalogID, err)
	}
	e := &entry{}
	if err := json.Unmarshal([]byte(cm.Data[keyEntry]), e); err != nil || e.CatalogID != catalogID {
		return fmt.Errorf("ConfigMap %s: data.%s is not the catalog entry %s: delete it, and have it sent again", cm.Name, keyEntry, catalogID)
	}
	ai := &appsv1alpha1.ApplicationInstance{ObjectMeta: metav1.ObjectMeta{Namespace: o.GetNamespace(), Name: o.GetName(), UID: o.GetUID()}}
	err = a.advertise(ctx, c, s, ai, e)
	if final, ok := errors.AsType[*Refusal](err); ok {
		logf.FromContext(ctx).Info("an instance does not take the capabilities of its catalog entry", "instance", o.GetNamespace()+"/"+o.GetName(), "why", final.Message)
		return nil
	}
	return err
}

// advertise the capabilities of an entry on an instance, if it is still there.
func (a *applier) advertise(ctx context.Context, c client.Client, s *Session, ai *appsv1alpha1.ApplicationInstance, e *entry) error {
	o := &unstructured.Unstructured{}
	o.SetGroupVersionKind(appsv1alpha1.GroupVersion.WithKind(kindInstance))
	o.SetNamespace(ai.Namespace)
	o.SetName(ai.Name)
	o.SetUID(ai.UID) // it is not created should it have gone
	o.SetAnnotations(e.annotations())
	err := c.Apply(ctx, client.ApplyConfigurationFromUnstructured(o), client.FieldOwner(EntryManager))
	if err == nil {
		return nil
	}
	there, readErr := a.read(ctx, refOf(o))
	if readErr != nil {
		return readErr
	}
	if there == nil || there.GetUID() != ai.UID {
		return nil
	}
	return a.told(err, s, o)
}
