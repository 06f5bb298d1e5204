// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"context"
	"fmt"
	"slices"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines"
)

// locationForBackup is the name of the storage location that takes the Backup: the one that is asked for, or the default. It is written into
// the Backup, so that what was checked here is what Velero uses.
func (e Engine) locationForBackup(ctx context.Context, r client.Reader, name string) (string, error) {
	var location *velerov1.BackupStorageLocation
	var err error
	if name == "" {
		location, err = e.defaultLocation(ctx, r)
	} else {
		location, err = e.location(ctx, r, name)
	}
	if err != nil {
		return "", err
	}
	if location.Spec.AccessMode == velerov1.BackupStorageLocationAccessModeReadOnly {
		return "", &engines.BlockedError{Reason: ReasonLocationReadOnly, Message: fmt.Sprintf(
			"BackupStorageLocation %s takes no Backups: its spec.accessMode is ReadOnly", location.Name)}
	}
	return location.Name, available(location)
}

// location of that name.
func (e Engine) location(ctx context.Context, r client.Reader, name string) (*velerov1.BackupStorageLocation, error) {
	location := &velerov1.BackupStorageLocation{}
	err := r.Get(ctx, client.ObjectKey{Namespace: e.namespace, Name: name}, location)
	switch {
	case apierrors.IsNotFound(err):
		return nil, &engines.BlockedError{Reason: ReasonLocationNotFound, Message: fmt.Sprintf(
			"BackupStorageLocation %s does not exist in namespace %s: make it, or name one that `%s` lists", name, e.namespace,
			e.command("backup-location get"))}
	case err != nil:
		return nil, fmt.Errorf("read BackupStorageLocation %s: %w", name, err)
	}
	return location, nil
}

// defaultLocation is the one that Velero takes when a Backup names none: at its start, Velero marks the one that its server is told to.
func (e Engine) defaultLocation(ctx context.Context, r client.Reader) (*velerov1.BackupStorageLocation, error) {
	list := &velerov1.BackupStorageLocationList{}
	if err := r.List(ctx, list, client.InNamespace(e.namespace)); err != nil {
		return nil, fmt.Errorf("list the BackupStorageLocations: %w", err)
	}
	slices.SortFunc(list.Items, func(a, b velerov1.BackupStorageLocation) int { return strings.Compare(a.Name, b.Name) })
	for i := range list.Items {
		if list.Items[i].Spec.Default {
			return &list.Items[i], nil
		}
	}
	return nil, &engines.BlockedError{Reason: ReasonLocationNotFound, Message: fmt.Sprintf(
		"Velero has no default BackupStorageLocation in namespace %s: mark one with `%s`, or set spec.parameters.storageLocation", e.namespace,
		e.command("backup-location set NAME --default"))}
}

// available is a BlockedError unless Velero can use the location now. Velero asks for Available, too: one that it has not looked at yet will not do.
func available(location *velerov1.BackupStorageLocation) error {
	if location.Status.Phase == velerov1.BackupStorageLocationPhaseAvailable {
		return nil
	}
	why := "Velero has not validated it yet"
	if location.Status.Phase != "" {
		why = string(location.Status.Phase)
	}
	if m := location.Status.Message; m != "" {
		why += ": " + m
	}
	return &engines.BlockedError{Reason: ReasonLocationUnavailable, Message: fmt.Sprintf(
		"BackupStorageLocation %s cannot be used: %s", location.Name, why)}
}

// command of Velero's own command line, for a person to type.
func (e Engine) command(what string) string { return command(e.namespace, what) }

func command(namespace, what string) string {
	if namespace == DefaultNamespace {
		return "velero " + what
	}
	return "velero -n " + namespace + " " + what
}
