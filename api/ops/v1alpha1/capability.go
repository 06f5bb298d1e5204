// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import "strings"

// Capability is the annotation by which a target advertises that an Operation of this type may be run on it; its value names the engine.
func (t OperationType) Capability() string {
	return CapabilityPrefix + strings.ToLower(string(t))
}
