// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"cmp"
	"context"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	"helm.sh/helm/v3/pkg/release"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

const (
	// annotationRecord on a Job is the name of the Secret with the release record that its hook was taken from.
	annotationRecord = "ops.vworkspace.io/release-record"
	// annotationRecordUID tells a record from another one of its name: a release that was uninstalled counts from 1 again.
	annotationRecordUID = "ops.vworkspace.io/release-record-uid"
)

// revision is a revision of a release: where its record is.
type revision struct {
	// secret is the name of the Secret, in the run's namespace.
	secret string
	// uid of the Secret; empty until it was read.
	uid types.UID
}

// revisionOf is the revision that a Job of the run was made from.
func revisionOf(job *batchv1.Job) revision {
	return revision{secret: job.Annotations[annotationRecord], uid: types.UID(job.Annotations[annotationRecordUID])}
}

// deployedRevision asks Flux which revision of the target's release is in force.
func deployedRevision(ctx context.Context, r client.Reader, run engines.Run) (revision, error) {
	hr := &helmv2.HelmRelease{}
	key := client.ObjectKey{Namespace: run.Namespace(), Name: run.Target.Spec.Release.Name}
	if err := r.Get(ctx, key, hr); err != nil {
		if apierrors.IsNotFound(err) {
			return revision{}, requiresRelease("HelmRelease %s does not exist: a hook can be run once the release is deployed", key)
		}
		return revision{}, fmt.Errorf("read HelmRelease %s: %w", key, err)
	}
	snapshot := inForce(hr.Status.History)
	if snapshot == nil {
		return revision{}, requiresRelease("no revision of HelmRelease %s is deployed: a hook can be run once one is; see its conditions", key)
	}
	if err := ownNamespace(run, snapshot.Namespace, "runs", "targetNamespace"); err != nil {
		return revision{}, err
	}
	storage := cmp.Or(hr.Status.StorageNamespace, hr.GetStorageNamespace())
	if err := ownNamespace(run, storage, "has its Helm storage", "storageNamespace"); err != nil {
		return revision{}, err
	}
	return revision{secret: fmt.Sprintf("sh.helm.release.v1.%s.v%d", snapshot.Name, snapshot.Version)}, nil
}

// inForce is the newest deployed revision. It need not be the newest one: that may be an upgrade that failed, or goes on.
func inForce(history helmv2.Snapshots) *helmv2.Snapshot {
	var newest *helmv2.Snapshot
	for _, s := range history {
		if s.Status == release.StatusDeployed.String() && (newest == nil || s.Version > newest.Version) {
			newest = s
		}
	}
	return newest
}

// ownNamespace refuses whatever is not in the Operation's namespace: that one was opened to vWorkspace, and a Job cannot belong to an
// Operation of another one.
func ownNamespace(run engines.Run, namespace, does, specField string) error {
	if namespace == run.Namespace() {
		return nil
	}
	return engines.Invalid(field.Invalid(targetPath(), run.Target.Name, fmt.Sprintf(
		"its release %s in namespace %s (spec.%s of the HelmRelease), and hooks are run and read in the Operation's namespace only: "+
			"that one is open to vWorkspace, and a Job can belong to an Operation of its own namespace only", does, namespace, specField)))
}

func requiresRelease(format string, args ...any) error {
	return &engines.BlockedError{Reason: ReasonHookRequiresRelease, Message: fmt.Sprintf(format, args...)}
}
