// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	velerov1 "github.com/vmware-tanzu/velero/pkg/apis/velero/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

// veleroTask is a Backup or a Restore.
func veleroTask(n *node, phase, reason string, invalid []string, failures int, started, ended *metav1.Time) {
	n.Phase, n.Since = cmp.Or(phase, "New"), cmp.Or(ended, started)
	n.Message = engines.Redact(cmp.Or(strings.Join(invalid, "; "), reason))
	switch phase {
	case "":
		n.Message = "Velero has not taken it up yet"
	case string(velerov1.BackupPhaseFailedValidation):
		n.State, n.cause = Broken, "Velero refused "+n.Name+": "+n.Message
		n.advice = "mend what Velero says, and ask again"
	case string(velerov1.BackupPhaseFailed), string(velerov1.BackupPhasePartiallyFailed):
		n.State = Broken
		n.cause = fmt.Sprintf("%s ended as %s: %s", n.Name, phase, cmp.Or(n.Message, fmt.Sprintf("%d errors, which its log tells", failures)))
		n.effect = phase == string(velerov1.BackupPhasePartiallyFailed) // of a volume, where one says so
	}
}

// volume is a PodVolumeBackup or PodVolumeRestore.
func (w *walk) volume(kind string, o client.Object, phase, message string, started *metav1.Time, depth int) {
	n := node{Link: Link{Step: StepPart, Depth: depth, Name: kind + " " + o.GetNamespace() + "/" + o.GetName(), State: OK, Phase: cmp.Or(phase, "New"),
		Since: started, Message: engines.Redact(message), Object: partRef(velerov1.SchemeGroupVersion.String(), kind, o)}}
	if phase == string(velerov1.PodVolumeBackupPhaseFailed) {
		n.State, n.cause = Broken, fmt.Sprintf("%s failed: %s", n.Name, n.Message)
		n.advice = fmt.Sprintf("kubectl -n %s logs daemonset/node-agent", o.GetNamespace())
	}
	w.add(n)
}

// beside are the BackupStorageLocations, where a run waits for one, or has failed on one.
func (w *walk) beside(in *Instance, depth int) {
	s := &in.Operation.Status
	var all []*velerov1.BackupStorageLocation
	usable := false
	for _, o := range in.Beside {
		if l, is := o.(*velerov1.BackupStorageLocation); is {
			all = append(all, l)
			usable = usable || l.Status.Phase == velerov1.BackupStorageLocationPhaseAvailable
		}
	}
	needed := slices.Contains(storageReasons, s.Reason)
	if s.Phase == opsv1alpha1.PhaseSucceeded || !needed && usable {
		return
	}
	advice := advise(storageReasons[0], w.here(in.Operation.Namespace))
	if len(all) == 0 && needed {
		w.add(node{Link: Link{Step: StepPart, Depth: depth, Name: "BackupStorageLocation", State: Broken, Phase: "none", Message: "Velero has none"},
			cause: "there is no BackupStorageLocation: Velero has nowhere to write to", advice: advise(storageReasons[1], w.here(in.Operation.Namespace))})
	}
	for _, l := range all {
		n := node{Link: Link{Step: StepPart, Depth: depth, Name: "BackupStorageLocation " + l.Namespace + "/" + l.Name, State: OK,
			Phase: cmp.Or(string(l.Status.Phase), "not validated"), Since: l.Status.LastValidationTime, Message: engines.Redact(l.Status.Message),
			Object: partRef(velerov1.SchemeGroupVersion.String(), "BackupStorageLocation", l)}, advice: advice}
		if l.Status.Phase != velerov1.BackupStorageLocationPhaseAvailable {
			n.State = Broken
			n.cause = fmt.Sprintf("no BackupStorageLocation is Available: %s is %s", l.Name, said(n.Phase, n.Message))
			if usable {
				n.cause = fmt.Sprintf("BackupStorageLocation %s is %s", l.Name, said(n.Phase, n.Message))
			}
		}
		w.add(n)
	}
}
