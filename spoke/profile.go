// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"cmp"
	"fmt"
	"maps"
	"net/http"
	"strings"
	"sync"
	"time"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/transport"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/cluster"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// maxHands bounds the clients that are kept: namespaces come and go. Making one costs little.
const maxHands = 256

// profileOf names the rights that a run has: those that its template names, or else its engine's. A quiesce by an engine is a run of its own, with an
// engine and without a template.
func profileOf(op *opsv1alpha1.Operation) string {
	var named string
	if t := op.Status.Template; t != nil {
		named = t.RBACProfile
	}
	return strings.ToLower(cmp.Or(named, string(op.Status.Engine)))
}

// account is the ServiceAccount of a profile in a namespace.
type account struct{ namespace, profile string }

func (a account) String() string { return a.namespace + "/" + opsv1alpha1.ProfileAccount(a.profile) }

func (a account) user() string { return opsv1alpha1.ProfileUser(a.namespace, a.profile) }

// groups that the API server knows the account to be in.
func (a account) groups() []string {
	return []string{"system:serviceaccounts", "system:serviceaccounts:" + a.namespace, "system:authenticated"}
}

// ours tells whether the agent writes objects of a group with its own rights: no profile is about them.
func ours(group string) bool {
	return group == opsv1alpha1.GroupVersion.Group || group == appsv1alpha1.GroupVersion.Group
}

// hand writes an object for a run: with the rights of a profile, or, where the object is of ours, with the agent's own.
func (s *site) hand(profile string, gvk schema.GroupVersionKind, namespace string) (client.Client, account, error) {
	if ours(gvk.Group) {
		return s.Client, account{}, nil
	}
	a := account{namespace, profile}
	c, err := s.hands.of(a)
	return c, a, err
}

// NewClientFunc makes a client.
type NewClientFunc func(*rest.Config, client.Options) (client.Client, error)

// hands are the clients that act as accounts of a cluster. Whichever there are, they have its connections in common.
type hands struct {
	config  *rest.Config
	options client.Options
	make    NewClientFunc

	mu   sync.Mutex
	kept map[account]client.Client
	// since when accounts have their rights, of those that this process has given some.
	since map[account]time.Time
}

func newHands(cl cluster.Cluster, newClient NewClientFunc) *hands {
	return &hands{
		config: cl.GetConfig(), make: newClient, kept: map[account]client.Client{}, since: map[account]time.Time{},
		options: client.Options{HTTPClient: cl.GetHTTPClient(), Scheme: cl.GetScheme(), Mapper: cl.GetRESTMapper()},
	}
}

// of an account. It reads nothing from a cache.
func (h *hands) of(a account) (client.Client, error) {
	if a.namespace == "" || a.profile == "" {
		return nil, fmt.Errorf("no profile is known for what is to be written in namespace %q", a.namespace)
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	if c, ok := h.kept[a]; ok {
		return c, nil
	}
	options := h.options
	options.HTTPClient = actingAs(options.HTTPClient, a)
	c, err := h.make(h.config, options)
	if err != nil {
		return nil, fmt.Errorf("prepare to act as ServiceAccount %s: %w", a, err)
	}
	if len(h.kept) >= maxHands {
		clear(h.kept)
	}
	h.kept[a] = c
	return c, nil
}

// bound notes that an account has just been given its rights.
func (h *hands) bound(a account) {
	h.mu.Lock()
	defer h.mu.Unlock()
	maps.DeleteFunc(h.since, func(_ account, at time.Time) bool { return time.Since(at) > bindingTakes })
	h.since[a] = time.Now()
}

// justBound tells whether the API server may not go by them yet. That takes its time and not that of a clock which stands for ours.
func (h *hands) justBound(a account) bool {
	h.mu.Lock()
	defer h.mu.Unlock()
	at, ok := h.since[a]
	return ok && time.Since(at) <= bindingTakes
}

// actingAs is the agent's client, with its credentials, that asks to be taken for the account. The API server adds the account's groups.
func actingAs(agent *http.Client, a account) *http.Client {
	acting := *agent
	acting.Transport = transport.NewImpersonatingRoundTripper(transport.ImpersonationConfig{
		UserName: a.user(), Extra: map[string][]string{opsv1alpha1.ProfileExtra: {opsv1alpha1.ProfileExtraAgent}},
	}, cmp.Or(agent.Transport, http.DefaultTransport))
	return &acting
}
