// SPDX-License-Identifier: Apache-2.0

package helm

import (
	"regexp"
	"strings"
)

// exact is the pattern that the ApplicationInstance API demands of spec.chart.version.
var exact = regexp.MustCompile(`^v?[0-9]+\.[0-9]+\.[0-9]+([-+][0-9A-Za-z.+-]+)?$`)

// maxVersion bytes are allowed by the API.
const maxVersion = 128

func exactVersion(v string) bool { return len(v) <= maxVersion && exact.MatchString(v) }

// plainVersion leaves out what does not order versions: the v before and the build metadata after. Flux writes the digest of an OCI chart
// there, and a generation when the chart was packed with other values files.
func plainVersion(v string) string {
	v, _, _ = strings.Cut(v, "+")
	return strings.TrimPrefix(v, "v")
}

// SameVersion tells whether what Flux calls got is the version wanted: build metadata and a leading v do not count.
func SameVersion(got, wanted string) bool { return plainVersion(got) == plainVersion(wanted) }

// tagOf is the OCI tag of a chart version: a tag cannot hold a plus sign, and Helm writes an underscore for it.
func tagOf(version string) string { return strings.ReplaceAll(version, "+", "_") }

// versionOf undoes tagOf.
func versionOf(tag string) string { return strings.ReplaceAll(tag, "_", "+") }
