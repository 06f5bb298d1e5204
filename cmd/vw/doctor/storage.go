// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"fmt"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/engines/velero"
)

// checkStorage of Velero, where it is.
func checkStorage(ctx context.Context, s *Site, f *Findings) error {
	served, err := s.served(&velerov1.BackupStorageLocation{})
	if err != nil {
		return err
	}
	if !served {
		f.skip("", "Velero is not installed")
		return nil
	}
	locations := &velerov1.BackupStorageLocationList{}
	if err := s.Client.List(ctx, locations, client.InNamespace(velero.DefaultNamespace)); err != nil {
		return err
	}
	judgeLocations(f, locations.Items)
	return nil
}

func judgeLocations(f *Findings, locations []velerov1.BackupStorageLocation) {
	if len(locations) == 0 {
		f.fail("velero backup-location create default --provider PROVIDER --bucket BUCKET --default", "namespace %s has no BackupStorageLocation", velero.DefaultNamespace)
		return
	}
	const fix = "velero backup-location get; kubectl -n velero logs deploy/velero: credentials, bucket, network"
	available, chosen := 0, false
	for i := range locations {
		l := &locations[i]
		chosen = chosen || l.Spec.Default
		switch {
		case l.Status.Phase == velerov1.BackupStorageLocationPhaseAvailable:
			available++
		case l.Spec.Default || len(locations) == 1:
			f.fail(fix, "BackupStorageLocation %s is not Available: %s", l.Name, why(l))
		default:
			f.warn(fix, "BackupStorageLocation %s is not Available: %s", l.Name, why(l))
		}
	}
	if available == 0 {
		f.fail(fix, "no BackupStorageLocation is Available")
	}
	if !chosen {
		f.warn("velero backup-location set NAME --default, or name one in the parameters of each Backup", "no BackupStorageLocation is the default")
	}
	if !f.bad() {
		f.ok("%d BackupStorageLocations are Available", available)
	}
}

func why(l *velerov1.BackupStorageLocation) string {
	if l.Status.Message != "" {
		return l.Status.Message
	}
	if l.Status.Phase == "" {
		return "Velero has not looked at it"
	}
	return fmt.Sprintf("Velero says %s", l.Status.Phase)
}
