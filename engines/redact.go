// SPDX-License-Identifier: Apache-2.0

package engines

import "regexp"

// secrets are the shapes in which logs and errors most often show one. This is a net under programs that print too much, not a licence to.
var secrets = []struct {
	shape *regexp.Regexp
	with  string
}{
	{regexp.MustCompile(`(?i)\b(authorization\s*[:=]\s*(?:bearer|basic)\s+)\S+`), "${1}***"},
	{regexp.MustCompile(`(?i)([a-z0-9_.-]*(?:password|passwd|passphrase|secret|token|signature|credential|account_key|api[_-]?key|access[_-]?key(?:[_-]?id)?)["']?\s*[:=]\s*)("[^"]*"|'[^']*'|[^\s&]+)`), "${1}***"},
	{regexp.MustCompile(`(://[^/\s:@]*:)[^/\s@]+@`), "${1}***@"},
}

// Redact hides what looks like a secret in an executor's words: a message travels to the hub and is read by more people than a log.
func Redact(s string) string {
	for _, r := range secrets {
		s = r.shape.ReplaceAllString(s, r.with)
	}
	return s
}
