// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"time"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// PolicyRequester is the policy without which anybody could write anybody's name into the annotations of an Operation, and its binding.
const PolicyRequester = "requester.ops.vworkspace.io"

// recheck is how long a policy that was found in force is taken to be.
const recheck = time.Minute

// Policies tells whether policies of ours are in force. It reads them by name.
type Policies struct {
	reader client.Reader
	names  []string
	clock  clock.PassiveClock

	mu    sync.Mutex
	found time.Time // when all were last found in force
}

// NewPolicies looks for policies by a reader that reads past the cache.
func NewPolicies(reader client.Reader, clock clock.PassiveClock, names ...string) *Policies {
	return &Policies{reader: reader, clock: clock, names: names}
}

// Missing says what keeps a policy from being in force, with what to do; empty when all are. The API server is asked once a minute, or each time while
// something is missing.
func (p *Policies) Missing(ctx context.Context) (string, error) {
	p.mu.Lock()
	defer p.mu.Unlock()
	now := p.clock.Now()
	if age := now.Sub(p.found); age >= 0 && age < recheck {
		return "", nil
	}
	for _, name := range p.names {
		if missing, err := p.missing(ctx, name); missing != "" || err != nil {
			return missing, err
		}
	}
	p.found = now
	return "", nil
}

func (p *Policies) missing(ctx context.Context, name string) (string, error) {
	policy, binding := &admissionregistrationv1.ValidatingAdmissionPolicy{}, &admissionregistrationv1.ValidatingAdmissionPolicyBinding{}
	switch there, err := p.find(ctx, name, policy); {
	case err != nil:
		return "", err
	case !there:
		return fmt.Sprintf("the ValidatingAdmissionPolicy %s is not installed: apply deploy/policies, or set the chart's value policies.install", name), nil
	}
	switch there, err := p.find(ctx, name, binding); {
	case err != nil:
		return "", err
	case !there || binding.Spec.PolicyName != name || binding.Spec.MatchResources != nil ||
		!slices.Contains(binding.Spec.ValidationActions, admissionregistrationv1.Deny):
		return fmt.Sprintf("the ValidatingAdmissionPolicy %s is not in force: apply deploy/policies, whose ValidatingAdmissionPolicyBinding of that name "+
			"has it deny, everywhere", name), nil
	}
	return "", nil
}

// find reads an object, and tells whether it is there.
func (p *Policies) find(ctx context.Context, name string, o client.Object) (bool, error) {
	err := p.reader.Get(ctx, types.NamespacedName{Name: name}, o)
	if client.IgnoreNotFound(err) != nil {
		return false, fmt.Errorf("read %T %s: %w", o, name, err)
	}
	return err == nil, nil
}
