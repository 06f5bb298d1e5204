// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"

	"vworkspace.io/fleet/engines"
)

// quiesceRequest sends the application a POST, by way of the API server.
type quiesceRequest struct {
	endpoints map[quiesceStep]endpoint
	timeout   time.Duration
}

// endpoint of a Service, written SERVICE:PORT, and a path that is empty or begins with a slash.
type endpoint struct{ service, path string }

func (e endpoint) String() string { return e.service + e.path }

func (r quiesceRequest) repeatable() bool { return true }

// halt has nothing to do: the request was answered, or its time was up.
func (r quiesceRequest) halt(context.Context, *visit) (bool, error) { return true, nil }

func (r quiesceRequest) blocker(ctx context.Context, v *visit) (*blocker, error) {
	services := slices.Compact([]string{r.endpoints[stepQuiesce].service, r.endpoints[stepUnquiesce].service})
	for _, to := range services {
		allowed, err := v.may(ctx, authorizationv1.ResourceAttributes{
			Namespace: v.op.Namespace, Verb: "create", Resource: "services", Subresource: "proxy", Name: to,
		})
		if err != nil {
			return nil, err
		}
		if !allowed {
			return v.ungranted(ctx, fmt.Sprintf("send requests to Service %s of namespace %s", to, v.op.Namespace), engines.Grant{
				Role:      roleFor("vworkspace-quiesce-request", strings.ReplaceAll(strings.Join(services, "-"), ":", "-")),
				Namespace: v.op.Namespace, Verbs: []string{"create"}, Resource: "services/proxy", Names: services,
			})
		}
	}
	return nil, nil
}

func (r quiesceRequest) perform(ctx context.Context, v *visit, s quiesceStep) (bool, string, error) {
	to := r.endpoints[s]
	bounded, cancel := context.WithTimeout(ctx, r.timeout)
	defer cancel()
	status, said, err := v.remote.post(bounded, v.op.Namespace, to.service, to.path)
	switch {
	case err != nil && ctx.Err() == nil && bounded.Err() != nil:
		return false, fmt.Sprintf("%s has not answered within %s", to, r.timeout), nil
	case err != nil:
		return false, "", fmt.Errorf("send the %s request to %s: %w", s, to, err)
	case status < 200 || status > 299:
		return false, fmt.Sprintf("%s answered the %s request with status %d: %s", to, s, status, said), nil
	}
	return true, "", nil
}
