// SPDX-License-Identifier: Apache-2.0

package approvals

import (
	"crypto/sha256"
	"encoding/hex"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

const (
	// RecordPrefix begins the name of a record.
	RecordPrefix = "vworkspace-approval-"
	// recordGrace is for how long a record is kept after its claim has expired, so that no clock that is behind finds the claim good and the record gone.
	recordGrace = time.Hour
)

// Record is what is kept of a claim that was used for an Operation. Its name follows from the claim, so that there can be one only; who cannot make it,
// because it is there for another Operation, has a claim that was used before. It does not name the claim by its text: that can be written in more
// than one way without its signature becoming another.
func Record(namespace string, claim *Claim, op *opsv1alpha1.Operation) *corev1.ConfigMap {
	sum := sha256.Sum256([]byte(claim.KeyID + "\x00" + claim.ID))
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: namespace,
			Name:      RecordPrefix + hex.EncodeToString(sum[:]),
			Labels: map[string]string{
				opsv1alpha1.LabelOperation:  string(op.UID),
				opsv1alpha1.LabelPart:       opsv1alpha1.PartApproval,
				appsv1alpha1.LabelManagedBy: appsv1alpha1.ManagedByControlPlane,
			},
			Annotations: map[string]string{
				opsv1alpha1.AnnotationOrigin:  op.Namespace + "/" + op.Name,
				opsv1alpha1.AnnotationExpires: claim.Expires.UTC().Format(time.RFC3339),
			},
		},
		Immutable: ptr.To(true),
		Data:      map[string]string{"approver": claim.Approver, "keyID": claim.KeyID, "claimID": claim.ID},
	}
}

// IsOf tells whether a record says that its claim was used for this Operation.
func IsOf(record metav1.Object, op *opsv1alpha1.Operation) bool {
	return record.GetLabels()[opsv1alpha1.LabelOperation] == string(op.UID)
}

// Forgettable tells whether a record has outlived its claim. One that does not say when its claim expires is kept.
func Forgettable(record metav1.Object, now time.Time) bool {
	expires, err := time.Parse(time.RFC3339, record.GetAnnotations()[opsv1alpha1.AnnotationExpires])
	return err == nil && now.After(expires.Add(recordGrace))
}
