// SPDX-License-Identifier: Apache-2.0

package job

import "regexp"

// secrets are the shapes in which a log most often shows one. This is a net under commands that print too much, not a licence to.
var secrets = []struct {
	shape *regexp.Regexp
	with  string
}{
	{regexp.MustCompile(`(?i)\b(authorization\s*[:=]\s*(?:bearer|basic)\s+)\S+`), "${1}***"},
	{regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|api[_-]?key|access[_-]?key)["']?\s*[:=]\s*)("[^"]*"|'[^']*'|\S+)`), "${1}***"},
	{regexp.MustCompile(`(://[^/\s:@]+:)[^/\s@]+@`), "${1}***@"},
}

// redact hides what looks like a secret: a message travels to the hub and is read by more people than the log.
func redact(s string) string {
	for _, r := range secrets {
		s = r.shape.ReplaceAllString(s, r.with)
	}
	return s
}
