// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"cmp"
	"context"
	"errors"
	"fmt"

	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	batchv1 "k8s.io/api/batch/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation/field"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/helmrecord"
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
	snapshot := helmrecord.InForce(hr.Status.History)
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
	return revision{secret: helmrecord.SecretOf(snapshot)}, nil
}

// readRecord reads the record of a revision.
func readRecord(ctx context.Context, r client.Reader, run engines.Run, rev revision) (*helmrecord.Record, error) {
	key := client.ObjectKey{Namespace: run.Namespace(), Name: rev.secret}
	rec, err := helmrecord.Read(ctx, r, key, rev.uid)
	if errors.Is(err, helmrecord.ErrUnreadable) {
		return nil, requiresRelease("Secret %s does not hold a release record as Helm writes it: see `helm history -n %s`", key, key.Namespace)
	}
	return rec, err
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
