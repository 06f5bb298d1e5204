// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"fmt"
	"strings"
)

// Grant is a right in one namespace that the agent does not have by itself, and that an administrator may give it.
type Grant struct {
	// Role is the name of the Role and of its binding.
	Role string
	// Namespace to give it in.
	Namespace string
	// User to give it to, by the name that the API server knows.
	User string
	// Verbs on Resource, such as pods/exec.
	Verbs    []string
	Resource string
	// Names of the objects that are needed; empty for all of the namespace.
	Names []string
}

// Commands give the right.
func (g Grant) Commands() string {
	only := ""
	for _, name := range g.Names {
		only += " --resource-name=" + name
	}
	return fmt.Sprintf("kubectl create role %[1]s -n %[2]s --verb=%[3]s --resource=%[4]s%[5]s && "+
		"kubectl create rolebinding %[1]s -n %[2]s --role=%[1]s --user=%[6]s",
		g.Role, g.Namespace, strings.Join(g.Verbs, ","), g.Resource, only, g.User)
}
