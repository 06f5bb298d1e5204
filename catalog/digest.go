// SPDX-License-Identifier: Apache-2.0

package catalog

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Digest is the SHA-256, in hexadecimal, of a template's spec in canonical JSON: the order of keys and white space do not count, so that the same
// template has the same digest on every cluster. It fails for a spec that holds no valid JSON.
func Digest(spec *opsv1alpha1.OperationTemplateSpec) (string, error) {
	raw, err := json.Marshal(spec)
	if err != nil {
		return "", fmt.Errorf("encode the template: %w", err)
	}
	// Through any: embedded documents keep the order of their keys otherwise.
	var plain any
	if err := json.Unmarshal(raw, &plain); err != nil {
		return "", fmt.Errorf("read the template: %w", err)
	}
	if raw, err = json.Marshal(plain); err != nil {
		return "", fmt.Errorf("encode the template: %w", err)
	}
	sum := sha256.Sum256(raw)
	return hex.EncodeToString(sum[:]), nil
}
