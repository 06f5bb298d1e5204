// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// suspending is the profile by which releases are suspended and resumed, whatever the run's own is: a right to change HelmReleases is worth what Flux may do,
// and runs that only restore data need none.
const suspending = string(opsv1alpha1.EngineHelm)

// suspension keeps Flux from changing a release while it is being restored.
//
// spec.suspend is applied by a field manager of the run's own. That is the whole record of who suspended what: undoing means to give the field
// up, and the API server keeps it when a person, or another run, has set it too.
type suspension struct {
	target *appsv1alpha1.ApplicationInstance
}

func (suspension) name() string { return "SuspendRelease" }

// settings: none; the field manager is known.
func (suspension) settings() map[string]string { return nil }

// manager of the field, of one run.
func (suspension) manager(v *visit) client.FieldOwner {
	return client.FieldOwner(opsv1alpha1.FieldManager + "-" + string(v.op.UID))
}

// needed tells whether an Operation would have it done, as far as the target tells.
func (s suspension) needed(op *opsv1alpha1.Operation) bool {
	return op.Spec.Type == opsv1alpha1.TypeRestore && s.target != nil && s.target.Spec.Release != nil && s.target.Spec.Mode != appsv1alpha1.ModePlaceholder
}

// release is the target's HelmRelease, or nil when it has none.
func (s suspension) release(ctx context.Context, v *visit) (*helmv2.HelmRelease, error) {
	if !s.needed(v.op) {
		return nil, nil
	}
	return s.read(ctx, v, s.target.Spec.Release.Name)
}

func (suspension) read(ctx context.Context, v *visit, name string) (*helmv2.HelmRelease, error) {
	hr := &helmv2.HelmRelease{}
	err := v.live.Get(ctx, client.ObjectKey{Namespace: v.op.Namespace, Name: name}, hr)
	if apierrors.IsNotFound(err) || meta.IsNoMatchError(err) {
		return nil, nil
	}
	return hr, err
}

// apply sets spec.suspend, or without it gives the field up.
func (s suspension) apply(ctx context.Context, v *visit, hr *helmv2.HelmRelease, suspend bool, opts ...client.ApplyOption) error {
	// The UID is the condition that it is still there: apply would make a new one.
	metadata := map[string]any{"namespace": hr.Namespace, "name": hr.Name, "uid": string(hr.UID)}
	gvk := helmv2.GroupVersion.WithKind(helmv2.HelmReleaseKind)
	fields := map[string]any{"apiVersion": gvk.GroupVersion().String(), "kind": gvk.Kind, "metadata": metadata}
	if suspend {
		fields["spec"] = map[string]any{"suspend": true}
		// And the version, that nobody has resumed it since: an agent that hung while it sent this, and has a successor, would leave it suspended for ever.
		metadata["resourceVersion"] = hr.ResourceVersion
	}
	config := client.ApplyConfigurationFromUnstructured(&unstructured.Unstructured{Object: fields})
	by, a, err := v.hand(suspending, gvk, hr.Namespace)
	if err != nil {
		return err
	}
	return v.regain(ctx, a, by.Apply(ctx, config, append(opts, s.manager(v))...))
}

func (s suspension) blocker(ctx context.Context, v *visit) (*blocker, error) {
	hr, err := s.release(ctx, v)
	if err != nil || hr == nil {
		return nil, err
	}
	if b, err := v.unequipped(ctx, suspending, []engines.Change{engines.Apply(hr)}); b != nil || err != nil {
		return b, err
	}
	err = s.apply(ctx, v, hr, true, client.DryRunAll)
	if v.op.Spec.DryRun && apierrors.IsForbidden(err) {
		return nil, nil // a dry run gives no rights: see unequipped
	}
	if decidedElsewhere(err) {
		return blocked(opsv1alpha1.ReasonFieldConflict, "a Restore suspends HelmRelease %s while it runs, and somebody else decides about that: %s: "+
			"take spec.suspend out of what they apply", hr.Name, err.Error()), nil
	}
	return nil, err
}

func (s suspension) do(ctx context.Context, v *visit, note *opsv1alpha1.Preparation) (bool, *refusal, error) {
	hr, err := s.release(ctx, v)
	if err != nil || hr == nil {
		return err == nil, nil, err
	}
	if err := s.apply(ctx, v, hr, true); err != nil {
		if decidedElsewhere(err) {
			return false, &refusal{opsv1alpha1.ReasonFieldConflict, "nothing was applied: HelmRelease " + hr.Name + " cannot be suspended: " + err.Error()}, nil
		}
		return false, nil, fmt.Errorf("suspend HelmRelease %s: %w", hr.Name, err)
	}
	note.Object = &opsv1alpha1.ResourceRef{
		APIVersion: helmv2.GroupVersion.String(), Kind: helmv2.HelmReleaseKind, Namespace: hr.Namespace, Name: hr.Name, UID: hr.UID,
	}
	return true, nil, nil
}

func (s suspension) undo(ctx context.Context, v *visit, note *opsv1alpha1.Preparation) (bool, error) {
	hr, err := s.suspendedRelease(ctx, v, note)
	if err != nil || hr == nil {
		return err == nil, err
	}
	if err := s.apply(ctx, v, hr, false); err != nil && !vanished(err) {
		return false, fmt.Errorf("resume HelmRelease %s: %w", hr.Name, err)
	}
	return true, nil
}

// suspendedRelease is the one that this run has suspended, or may have, when it died before it could tell which; nil when it is gone.
func (s suspension) suspendedRelease(ctx context.Context, v *visit, note *opsv1alpha1.Preparation) (*helmv2.HelmRelease, error) {
	if note.Object == nil {
		return s.release(ctx, v)
	}
	hr, err := s.read(ctx, v, note.Object.Name)
	if hr == nil || hr.UID != note.Object.UID {
		return nil, err
	}
	return hr, err
}

// decidedElsewhere tells whether another field manager says what the field is to be. Any other conflict is that the object has changed: the next try sees it.
func decidedElsewhere(err error) bool {
	return apierrors.IsConflict(err) && apierrors.HasStatusCause(err, metav1.CauseTypeFieldManagerConflict)
}

// vanished tells whether an apply with a UID met no object, or another one.
func vanished(err error) bool { return apierrors.IsNotFound(err) || apierrors.IsConflict(err) }
