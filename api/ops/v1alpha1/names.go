// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/types"
)

const (
	// runNamePrefix is how much of a person's name survives in a derived name.
	runNamePrefix = 40
	// runNameHash is the length of the hexadecimal hash: 48 bits tell runs apart, and every user of a
	// derived name also compares the UID label, so that a collision is an error and never a mix-up.
	runNameHash = 12
)

// RunName derives a name for something that an Operation makes: the beginning of the Operation's name, for people, and a hash of its
// UID and of what tells the thing apart from its siblings. The same run always derives the same name and another run never does,
// also when an Operation is deleted and created again under the old name. At most 53 characters: fit for a Job, a Helm release and a label.
func RunName(name string, uid types.UID, parts ...string) string {
	sum := sha256.Sum256([]byte(strings.Join(append([]string{string(uid)}, parts...), "\x00")))
	if len(name) > runNamePrefix {
		name = name[:runNamePrefix]
	}
	name = strings.Trim(strings.ReplaceAll(name, ".", "-"), "-")
	return name + "-" + hex.EncodeToString(sum[:])[:runNameHash]
}
