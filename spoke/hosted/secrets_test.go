// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"fmt"
	"strings"
	"testing"
)

func kubeconfigWith(user string) string {
	return fmt.Sprintf(`{kind: Config, apiVersion: v1, current-context: c,
clusters: [{name: c, cluster: {server: https://spoke1.example.com:6443}}], contexts: [{name: c, context: {cluster: c, user: u}}], users: [{name: u, user: {%s}}]}`, user)
}

// What is wrong with a Secret is told by its field, with the fix.
func TestSecretsThatCannotBeUsed(t *testing.T) {
	for name, c := range map[string]struct{ raw, want string }{
		"nothing":   {"", "data.kubeconfig: there is no kubeconfig: put one there, or delete the Secret"},
		"no YAML":   {"{", "data.kubeconfig cannot be read"},
		"a program": {kubeconfigWith("exec: {apiVersion: client.authentication.k8s.io/v1, command: /bin/evil, interactiveMode: Never}"), "users[].user.exec cannot be used"},
		"no server": {strings.Replace(kubeconfigWith("token: s3cr3t"), "https://spoke1.example.com:6443", "''", 1), "data.kubeconfig cannot be read"},
	} {
		t.Run(name, func(t *testing.T) {
			if config, err := configOf([]byte(c.raw)); err == nil || config != nil || !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "s3cr3t") {
				t.Errorf("got %v and %v, want %q", config, err, c.want)
			}
		})
	}
	config, err := configOf([]byte(kubeconfigWith("token: s3cr3t")))
	if err != nil || config.QPS != -1 {
		t.Errorf("got %v and %v, want no limit of our own", config, err)
	}
}
