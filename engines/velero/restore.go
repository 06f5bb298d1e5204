// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"context"
	"fmt"
	"path"
	"slices"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// planRestore makes the run's Restore, once there is something to restore. Velero itself takes any Backup, a failed one too, and restores of a
// namespace that is not in it nothing at all, with success.
func (e Engine) planRestore(ctx context.Context, r client.Reader, run engines.Run, p *RestoreParameters) (*velerov1.Restore, error) {
	backup, err := e.backupToRestore(ctx, r, p)
	if err != nil {
		return nil, err
	}
	source := p.source(run.Namespace())
	if err := covers(backup, source); err != nil {
		return nil, err
	}
	location, err := e.location(ctx, r, backup.Spec.StorageLocation)
	if err != nil {
		return nil, err
	}
	if err := available(location); err != nil {
		return nil, err
	}
	restore := &velerov1.Restore{TypeMeta: typeOf(kindRestore), ObjectMeta: e.meta(run)}
	restore.Spec = velerov1.RestoreSpec{
		BackupName: backup.Name,
		// One namespace by its name: what is in no namespace then stays out, but for what belongs to what is restored, such as a claim's volume.
		IncludedNamespaces:     []string{source},
		IncludedResources:      p.IncludedResources,
		ExcludedResources:      exclude(p.ExcludedResources, p.reserved()),
		LabelSelector:          p.LabelSelector,
		RestorePVs:             p.RestorePVs,
		ExistingResourcePolicy: p.ExistingResourcePolicy,
	}
	if source != run.Namespace() {
		restore.Spec.NamespaceMapping = map[string]string{source: run.Namespace()}
	}
	return restore, nil
}

// source is the namespace in the Backup to restore from.
func (p *RestoreParameters) source(namespace string) string {
	for from := range p.NamespaceMapping {
		return from
	}
	return namespace
}

// backupToRestore is the named Backup, when it is fit to be restored.
func (e Engine) backupToRestore(ctx context.Context, r client.Reader, p *RestoreParameters) (*velerov1.Backup, error) {
	backup := &velerov1.Backup{}
	err := r.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: p.BackupName}, backup)
	if apierrors.IsNotFound(err) {
		return nil, &engines.BlockedError{Reason: ReasonBackupNotFound, Message: fmt.Sprintf("Backup %s does not exist in namespace %s: check the name with "+
			"`%s`; one that another cluster wrote is there as soon as Velero has synced its storage location", p.BackupName, e.namespace, e.command("backup get"))}
	}
	if err != nil {
		return nil, fmt.Errorf("read Backup %s: %w", p.BackupName, err)
	}
	at := engines.ParametersPath().Child("backupName")
	switch backup.Status.Phase {
	case velerov1.BackupPhaseCompleted:
		return backup, nil
	case velerov1.BackupPhasePartiallyFailed:
		if p.PartialFailure == PartialFailureAccept {
			return backup, nil
		}
		return nil, engines.Invalid(field.Invalid(at, backup.Name, fmt.Sprintf("is PartiallyFailed (%s), so something is missing from it: name a Completed one, "+
			"or set partialFailure to Accept to restore what it has", count(backup.Status.Errors, "error"))))
	case velerov1.BackupPhaseFailed, velerov1.BackupPhaseFailedValidation, velerov1.BackupPhaseDeleting:
		return nil, engines.Invalid(field.Invalid(at, backup.Name, fmt.Sprintf("is %s and cannot be restored: name a Completed one", backup.Status.Phase)))
	default:
		return nil, &engines.BlockedError{Reason: ReasonBackupNotCompleted, Message: fmt.Sprintf(
			"Backup %s is %s: it can be restored when it is Completed", backup.Name, phaseName(backup.Status.Phase))}
	}
}

// covers is an InvalidError unless the Backup was made of that namespace.
func covers(backup *velerov1.Backup, namespace string) error {
	included := backup.Spec.IncludedNamespaces
	in := len(included) == 0 || slices.ContainsFunc(included, matches(namespace))
	if in && !slices.ContainsFunc(backup.Spec.ExcludedNamespaces, matches(namespace)) {
		return nil
	}
	holds := "all namespaces"
	if len(included) > 0 && !slices.Contains(included, "*") {
		holds = "namespace " + strings.Join(included, ", ")
	}
	if excluded := backup.Spec.ExcludedNamespaces; len(excluded) > 0 {
		holds += " without " + strings.Join(excluded, ", ")
	}
	return engines.Invalid(field.Invalid(engines.ParametersPath().Child("backupName"), backup.Name, fmt.Sprintf(
		"holds %s, and not %s: name another Backup, or the namespace to restore from in namespaceMapping", holds, namespace)))
}

// matches is Velero's way to read a list of namespaces: with *, ? and [] as in file names.
func matches(namespace string) func(pattern string) bool {
	return func(pattern string) bool {
		matched, err := path.Match(pattern, namespace)
		return err == nil && matched
	}
}
