// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"crypto/sha256"
	"encoding/hex"
	"strings"

	"k8s.io/apimachinery/pkg/util/validation"
)

// AppClaim is the name of the ClusterClaim that says how many instances of a catalog entry run on a cluster: the entry's name where that makes a DNS subdomain,
// and else something like it with a hash that tells it apart.
func AppClaim(catalogID string) string {
	if name := catalogID + ClaimApp; len(validation.IsDNS1123Subdomain(name)) == 0 {
		return name
	}
	sum := sha256.Sum256([]byte(catalogID))
	clean := strings.Map(func(r rune) rune {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			return r
		}
		return '-'
	}, strings.ToLower(catalogID))
	if len(clean) > 63 {
		clean = clean[:63]
	}
	return strings.Trim(strings.Trim(clean, "-")+"-"+hex.EncodeToString(sum[:4]), "-") + ClaimApp
}

// EngineClaim is the name of the ClusterClaim that says that an engine's kinds are served on a cluster. Engines' names are camel case, and a claim's is a DNS
// name.
func EngineClaim(engine OperationEngine) string { return strings.ToLower(string(engine)) + ClaimEngine }
