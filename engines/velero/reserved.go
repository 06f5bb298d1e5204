// SPDX-License-Identifier: Apache-2.0

package velero

import (
	"slices"

	volsyncv1alpha1 "github.com/backube/volsync/api/v1alpha1"
	helmv2 "github.com/fluxcd/helm-controller/api/v2"
	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// operations are not part of what an application is. Velero restores objects under a new UID and without their status: to an agent that is an
// Operation that nobody has run yet, and it would run every old upgrade and command of the namespace once more.
func operations() string { return "operations." + opsv1alpha1.GroupVersion.Group }

// reserved kinds are in no Backup.
func (p *BackupParameters) reserved() []string { return []string{operations()} }

// reserved kinds are not restored, from Backups that were made by hand neither. ApplicationInstances belong to the hub, to Git or to people, who
// have them as they shall be. A ReplicationDestination that came back without its status would restore once more what it has restored once, over the
// volume that is there now. A HelmRelease may be suspended for the time of the Restore, and update would end that half-way.
func (p *RestoreParameters) reserved() []string {
	kinds := []string{operations(), "applicationinstances." + appsv1alpha1.GroupVersion.Group, "replicationdestinations." + volsyncv1alpha1.GroupVersion.Group}
	if p.ExistingResourcePolicy == velerov1.PolicyTypeUpdate {
		kinds = append(kinds, "helmreleases."+helmv2.GroupVersion.Group)
	}
	return kinds
}

// exclude adds the reserved kinds to those that a person does not want.
func exclude(excluded, reserved []string) []string {
	all := slices.Clone(excluded)
	for _, kind := range reserved {
		if !slices.Contains(all, kind) {
			all = append(all, kind)
		}
	}
	return all
}
