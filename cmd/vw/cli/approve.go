// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	authenticationv1 "k8s.io/api/authentication/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/kubernetes"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/cmd/vw/ask"
	"vworkspace.io/fleet/cmd/vw/steer"
	"vworkspace.io/fleet/hub"
)

func newApprove(env *Env) *cobra.Command {
	var (
		groups []string
		claim  string
	)
	s := &steering{env: env}
	cmd := newSteering(s, "approve OPERATION...", "Agree to a run, or to the next group of its rollout",
		`Agree to a run that waits for an approval (AwaitingApproval), or to the group of its rollout that waits for one (AwaitingGroupApproval). You approve in your own name,
and need the verb approve on the Operation; a signed claim is given by --claim, by anybody.

What is approved is the Operation as it is: one that is changed at the same time is not approved. Look at it first, by vw describe and vw plan.`,
		`  vw approve upgrade-x7k2p
  vw approve upgrade-x7k2p --group eu
  vw approve upgrade-x7k2p --claim claim.jws`)
	cmd.Flags().StringArrayVar(&groups, "group", nil, "Approve this group of the rollout (repeatable; default: the one that waits)")
	cmd.Flags().StringVar(&claim, "claim", "", "Read a signed claim from a file, - for standard input")
	type look struct {
		uid        types.UID
		generation int64
	}
	seen := map[string]look{}
	s.decide = func(ctx context.Context, op *opsv1alpha1.Operation) (steer.Step, error) {
		now := look{op.UID, op.Generation}
		if before, again := seen[op.Name]; again && before != now {
			return steer.Step{}, fmt.Errorf("%s was changed at the same time, and is not approved: look at it again", op.Name)
		}
		seen[op.Name] = now
		a := steer.Approval{At: env.Now(), Groups: groups}
		var err error
		switch {
		case claim != "" && len(groups) > 0:
			return steer.Step{}, &ask.Invalid{Option: "claim", Message: "a claim is for the whole Operation: leave --group out"}
		case claim != "":
			a.Claim, err = readClaim(env, claim)
		case len(groups) > 0:
			err = knownGroups(ctx, s, op, groups)
		default:
			a.By, err = env.whoAmI(ctx)
		}
		if err != nil {
			return steer.Step{}, err
		}
		return steer.Approve(op, a)
	}
	return cmd
}

func readClaim(env *Env, path string) (string, error) {
	text, err := readFile(env.In, path)
	if err != nil {
		return "", &ask.Invalid{Option: "claim", Message: err.Error()}
	}
	claim := strings.TrimSpace(string(text))
	if claim == "" {
		return "", &ask.Invalid{Option: "claim", Message: path + " is empty"}
	}
	return claim, nil
}

// knownGroups are an error where the plan, as far as it may be read, has no group of a name: an approval of it would wait for nothing.
func knownGroups(ctx context.Context, s *steering, op *opsv1alpha1.Operation, groups []string) error {
	if op.Status.Plan == nil {
		return nil
	}
	view, err := hub.ReadView(ctx, s.client, op)
	if err != nil {
		return nil //nolint:nilerr // who may not read the plan may approve all the same
	}
	var names []string
	for i := range view.Plan().Groups {
		names = append(names, view.Plan().GroupName(i))
	}
	for _, g := range groups {
		if !slices.Contains(names, g) {
			return &ask.Invalid{Option: "group", Message: fmt.Sprintf("%s has no group %s: it has %s%s", op.Name, g, strings.Join(names, ", "), ask.DidYouMean(g, names))}
		}
	}
	return nil
}

// whoAmI is the person's name, as the API server knows it.
func (e *Env) whoAmI(ctx context.Context) (string, error) {
	config, err := e.Config()
	if err != nil {
		return "", err
	}
	c, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", err
	}
	review, err := c.AuthenticationV1().SelfSubjectReviews().Create(ctx, &authenticationv1.SelfSubjectReview{}, metav1.CreateOptions{})
	if err != nil {
		return "", fmt.Errorf("ask the API server who you are: %w", err)
	}
	return review.Status.UserInfo.Username, nil
}
