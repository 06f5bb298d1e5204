// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"net/http"
	"slices"
	"strings"
)

// Call is a request to an API server.
type Call struct {
	Method                       string
	Group, Resource, Subresource string
	Namespace, Name              string
	// Watch is a watch, not a list. DryRun changes nothing.
	Watch, DryRun bool
	// Request is what will be sent; a rule may change it. Nil of a call that is over.
	Request *http.Request
}

// callOf a request. It knows the paths of the Kubernetes API: /api/v1/... and /apis/GROUP/VERSION/..., with a namespace or without.
func callOf(req *http.Request) Call {
	c := Call{Method: req.Method, Request: req}
	query := req.URL.Query()
	c.Watch, c.DryRun = query.Get("watch") == "true" || query.Get("watch") == "1", query.Has("dryRun")
	parts := strings.Split(strings.Trim(req.URL.Path, "/"), "/")
	switch {
	case len(parts) >= 2 && parts[0] == "api":
		parts = parts[2:]
	case len(parts) >= 3 && parts[0] == "apis":
		c.Group, parts = parts[1], parts[3:]
	default:
		return c
	}
	// A namespace itself is /namespaces/NAME; what is in it has a resource behind.
	if len(parts) >= 3 && parts[0] == "namespaces" && !slices.Contains([]string{"status", "finalize"}, parts[2]) {
		c.Namespace, parts = parts[1], parts[2:]
	}
	for i, field := range []*string{&c.Resource, &c.Name, &c.Subresource} {
		if i < len(parts) {
			*field = parts[i]
		}
	}
	return c
}

// ToOdoo tells whether the call is to a control plane, and to no API server.
func (c Call) ToOdoo() bool {
	return c.Request != nil && strings.HasPrefix(c.Request.URL.Path, "/api/agent/")
}

// unaccounted are writes that carry no state of a run: who leads, what was told to apps, and questions that are asked by POST.
var unaccounted = []string{"leases", "events", "selfsubjectaccessreviews", "subjectaccessreviews", "selfsubjectrulesreviews"}

// Writes tells whether the call changes what the API server holds.
func (c Call) Writes() bool {
	return c.Method != http.MethodGet && c.Resource != "" && !c.DryRun && !slices.Contains(unaccounted, c.Resource)
}

// What is the verb and the resource: "PATCH operations/status".
func (c Call) What() string {
	what := c.Method + " " + c.Resource
	if c.Subresource != "" {
		what += "/" + c.Subresource
	}
	return what
}

func (c Call) String() string { return strings.TrimRight(c.What()+" "+c.Namespace+"/"+c.Name, "/ ") }
