// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"cmp"
	"context"
	"time"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// DefaultNamespace is where `velero install` puts Velero.
const DefaultNamespace = "velero"

const (
	kindBackup  = "Backup"
	kindRestore = "Restore"
)

// Engine makes Backups and Restores.
type Engine struct {
	namespace string
	// now tells the time: a Backup that Velero has forgotten is one that nobody has changed for long.
	now func() time.Time
}

var (
	_ engines.Engine   = Engine{}
	_ engines.Canceler = Engine{}
)

// New returns the engine for the Velero in that namespace; empty means DefaultNamespace. Its Backups and Restores are there too, as Velero
// looks nowhere else.
func New(namespace string) Engine {
	return Engine{namespace: cmp.Or(namespace, DefaultNamespace), now: time.Now}
}

// At is the engine by another clock than the machine's. It has to be near the API server's: by both the engine tells what Velero has forgotten.
func (e Engine) At(now func() time.Time) Engine {
	e.now = now
	return e
}

// Name is velero.
func (Engine) Name() opsv1alpha1.OperationEngine { return opsv1alpha1.EngineVelero }

// Parameters of a Backup or a Restore; the engine does nothing else.
func (Engine) Parameters(t opsv1alpha1.OperationType) any {
	switch t {
	case opsv1alpha1.TypeBackup:
		return &BackupParameters{}
	case opsv1alpha1.TypeRestore:
		return &RestoreParameters{}
	default:
		return nil
	}
}

// Kinds are Backups and Restores.
func (Engine) Kinds() []client.Object {
	return []client.Object{&velerov1.Backup{}, &velerov1.Restore{}}
}

// Plan creates one Backup or one Restore, once Velero would take it: what Velero refuses cannot be tried again under the same name.
func (e Engine) Plan(ctx context.Context, r client.Reader, run engines.Run) ([]engines.Change, error) {
	p, err := e.decode(run.Operation)
	if err != nil {
		return nil, err
	}
	var obj client.Object
	if p.restore != nil {
		obj, err = e.planRestore(ctx, r, run, p.restore)
	} else {
		obj, err = e.planBackup(ctx, r, run, p.backup)
	}
	if err != nil {
		return nil, err
	}
	return []engines.Change{engines.Create(obj)}, nil
}

// Observe reads the run's Backup or Restore.
func (e Engine) Observe(ctx context.Context, r client.Reader, run engines.Run) (engines.Outcome, error) {
	p, err := e.decode(run.Operation)
	if err != nil {
		return engines.Outcome{}, err
	}
	t, err := e.find(ctx, r, run)
	if err != nil {
		return engines.Outcome{}, err
	}
	if t == nil {
		kind := kindOf(run)
		if run.Applied() {
			return engines.Lost(kind, nameOf(run)), nil
		}
		return engines.Running(opsv1alpha1.ReasonEngineStarted, "%s %s has not been created yet", kind, nameOf(run)), nil
	}
	o := t.judge(p.acceptsPartialFailure())
	o.Remind = e.reminder(t)
	return o, nil
}

// kindOf what the run makes.
func kindOf(run engines.Run) string {
	if run.Operation.Spec.Type == opsv1alpha1.TypeRestore {
		return kindRestore
	}
	return kindBackup
}

// nameOf the run's Backup or Restore. The cluster is part of it because Velero copies the Backups of a bucket into every cluster that uses it.
func nameOf(run engines.Run) string { return run.Name(run.Cluster) }
