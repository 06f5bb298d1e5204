// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/util/validation/field"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// refused are names that Velero knows and this engine does not take, and why.
var refused = map[opsv1alpha1.OperationType]map[string]string{
	opsv1alpha1.TypeBackup: {
		"hooks": "hooks run commands inside the application's pods, which whoever may ask for a Backup need not be allowed to: " +
			"put them into the chart, as annotations of its pods",
		"includedNamespaces": "a Backup covers the Operation's namespace, always and alone",
		"excludedNamespaces": "a Backup covers the Operation's namespace, always and alone",
	},
	opsv1alpha1.TypeRestore: {
		"hooks": "hooks run commands inside the application's pods, which whoever may ask for a Restore need not be allowed to: " +
			"put them into the chart, as annotations of its pods",
		"restoreStatus":           "a status is for the controller that owns it to say: it would be believed although it is old",
		"includedNamespaces":      "a Restore writes to the Operation's namespace only: name another source in namespaceMapping",
		"excludedNamespaces":      "a Restore writes to the Operation's namespace only",
		"includeClusterResources": "a Restore writes to the Operation's namespace only; the PersistentVolumes of its claims come along",
		"scheduleName":            "which Backup is a schedule's newest changes with time: name one in backupName",
	},
}

// parameters are those of one of the types; the other is nil.
type parameters struct {
	backup  *BackupParameters
	restore *RestoreParameters
}

// acceptsPartialFailure tells whether PartiallyFailed is good enough.
func (p parameters) acceptsPartialFailure() bool {
	if p.restore != nil {
		return p.restore.PartialFailure == PartialFailureAccept
	}
	return p.backup.PartialFailure == PartialFailureAccept
}

// decode reads and checks what op asks for. The error is an *engines.InvalidError that lists everything that is wrong.
func (e Engine) decode(op *opsv1alpha1.Operation) (parameters, error) {
	var p parameters
	if err := engines.Supports(e, op.Spec.Type); err != nil {
		return p, err
	}
	at := engines.ParametersPath()
	if op.Spec.Type == opsv1alpha1.TypeRestore {
		p.restore = &RestoreParameters{}
		if err := engines.DecodeParameters(op, p.restore); err != nil {
			return p, explain(err, op.Spec.Type)
		}
		return p, engines.Invalid(p.restore.validate(at, op.Namespace)...)
	}
	p.backup = &BackupParameters{}
	if err := engines.DecodeParameters(op, p.backup); err != nil {
		return p, explain(err, op.Spec.Type)
	}
	return p, engines.Invalid(p.backup.validate(at, op.Namespace)...)
}

// explain says of a name that is refused on purpose why that is so, where it would only be called unknown.
func explain(err error, t opsv1alpha1.OperationType) error {
	var invalid *engines.InvalidError
	if !errors.As(err, &invalid) {
		return err
	}
	errs := slices.Clone(invalid.Errs)
	for i, wrong := range errs {
		for name, why := range refused[t] {
			if wrong.Type == field.ErrorTypeForbidden && wrong.Field == engines.ParametersPath().Child(name).String() {
				errs[i] = field.Forbidden(engines.ParametersPath().Child(name), fmt.Sprintf("not taken: %s", why))
			}
		}
	}
	return engines.Invalid(errs...)
}
