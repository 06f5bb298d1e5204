// SPDX-License-Identifier: Apache-2.0

package approvals

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// request is what an approver agrees to: everything that decides what is done, and to what. Who agrees, and whether it was stopped, is not in it.
type request struct {
	Namespace string                    `json:"namespace"`
	Name      string                    `json:"name"`
	Spec      opsv1alpha1.OperationSpec `json:"spec"`
}

// Digest is the SHA-256, in hexadecimal, of the canonical form of what is approved. It is the same before and after the Operation was created,
// and another one when anything that an approver has agreed to is changed. The error is that the parameters are not JSON.
func Digest(op *opsv1alpha1.Operation) (string, error) {
	form, err := canonicalForm(op)
	if err != nil {
		return "", err
	}
	sum := sha256.Sum256(form)
	return hex.EncodeToString(sum[:]), nil
}

// canonicalForm is JSON that everybody writes in the same way.
func canonicalForm(op *opsv1alpha1.Operation) ([]byte, error) {
	what := request{Namespace: op.Namespace, Name: op.Name, Spec: *op.Spec.DeepCopy()}
	what.Spec.Approvals, what.Spec.Rollout, what.Spec.Retry, what.Spec.Cancel, what.Spec.Suspend = nil, nil, nil, false, false // which may be changed while it runs
	raw, err := json.Marshal(what)
	if err != nil {
		return nil, fmt.Errorf("encode the Operation: %w", err)
	}
	decoder := json.NewDecoder(bytes.NewReader(raw))
	decoder.UseNumber() // 1.10 stays as it is
	var value any
	if err := decoder.Decode(&value); err != nil {
		return nil, fmt.Errorf("decode the Operation: %w", err)
	}
	return appendCanonical(nil, value), nil
}
