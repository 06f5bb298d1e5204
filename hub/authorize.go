// SPDX-License-Identifier: Apache-2.0

package hub

import (
	"context"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"

	"vworkspace.io/fleet/admission"
	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/catalog"
)

// Verbs that nothing but the hub asks for. They are granted by Roles like any other; no API server serves them.
const (
	// VerbRun is asked for on the OperationTemplates that an Operation follows.
	VerbRun = "run"
	// VerbTarget is asked for on the Placement, or on the ApplicationInstance, that says where an Operation goes.
	VerbTarget = "target"
)

// authorize asks the API server whether the one who asked for an Operation may run it, and may reach the clusters that it means. It tells whether
// they may; what stands in the way otherwise is in the status. It is asked anew in each pass before the fence, and not after it: a right that is taken
// away stops what has not begun, and what runs is stopped by a cancel.
func (r *OperationReconciler) authorize(ctx context.Context, p *pass, templates []*catalog.Entry) (bool, error) {
	if !r.Authorize {
		return true, nil
	}
	missing, err := r.policies.Missing(ctx)
	if err != nil {
		return false, err
	}
	if missing != "" {
		p.meet(obstacle{reason: opsv1alpha1.ReasonRequesterUnknown, message: "whoever is written down as the one who asks might be somebody else, because " + missing})
		p.after(policiesAgain)
		return false, nil
	}
	if p.ours() {
		return true, nil // who asked for what is put back was asked then
	}
	who, known := admission.RequesterOf(p.op)
	if !known {
		p.meet(obstacle{reason: opsv1alpha1.ReasonRequesterUnknown, message: fmt.Sprintf(
			"metadata.annotations: %s is missing: nobody was asked by the API server when the Operation was created, so that it is not known who asks; "+
				"create it again when the hub serves admission, or write down yourself who you are (docs/concepts/admission.md)", opsv1alpha1.AnnotationRequestedBy)})
		return false, nil
	}
	missed, err := r.lacking(ctx, who, needs(p.op, templates))
	if err != nil || missed == nil {
		return err == nil, err
	}
	p.transition().Fail(opsv1alpha1.ReasonNotAuthorized, denial(who, *missed))
	return false, nil
}

// lacking is the first of some rights that somebody does not have; nil when there is none. All are asked for at once: on a busy API server each answer takes
// its time, and everything else waits for all of them.
func (r *OperationReconciler) lacking(ctx context.Context, who admission.Requester, needs []authorizationv1.ResourceAttributes) (*authorizationv1.ResourceAttributes, error) {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(concurrency)
	has := make([]bool, len(needs))
	for i, need := range needs {
		g.Go(func() (err error) {
			has[i], err = r.may(ctx, who, need)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if i := slices.Index(has, false); i >= 0 {
		return &needs[i], nil
	}
	return nil, nil
}

// needs are the rights that an Operation takes, all of them in its own namespace: whoever has them there has them for what starts there.
// Where each cluster knows which template it follows, it takes the right to run every one that it may be.
func needs(op *opsv1alpha1.Operation, templates []*catalog.Entry) []authorizationv1.ResourceAttributes {
	var all []authorizationv1.ResourceAttributes
	for _, entry := range templates {
		all = append(all, authorizationv1.ResourceAttributes{
			Namespace: op.Namespace, Verb: VerbRun, Group: opsv1alpha1.GroupVersion.Group, Resource: "operationtemplates", Name: entry.Template.Name,
		})
	}
	switch {
	case op.Spec.Placement != nil:
		all = append(all, authorizationv1.ResourceAttributes{
			Namespace: op.Namespace, Verb: VerbTarget, Group: clusterv1beta1.GroupName, Resource: "placements", Name: op.Spec.Placement.PlacementRef.Name,
		})
	case op.Spec.TargetRef != nil:
		all = append(all, authorizationv1.ResourceAttributes{
			Namespace: op.Namespace, Verb: VerbTarget, Group: appsv1alpha1.GroupVersion.Group, Resource: "applicationinstances", Name: op.Spec.TargetRef.Name,
		})
	}
	return all
}

// may asks the API server. What its answer rests on besides the name and the groups of a user, such as an authorizer of its own that looks at more, is lost.
func (r *OperationReconciler) may(ctx context.Context, who admission.Requester, need authorizationv1.ResourceAttributes) (bool, error) {
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{User: who.User, Groups: who.Groups, ResourceAttributes: &need}}
	if err := r.Create(ctx, review); err != nil {
		return false, fmt.Errorf("ask whether %s may %s %s %s: %w", who.User, need.Verb, need.Resource, need.Name, err)
	}
	return review.Status.Allowed && !review.Status.Denied, nil
}

// denial names the user, the verb and the resource, and the commands that would grant it - but not half of them, nor a name that a terminal would not show
// as it is.
func denial(who admission.Requester, need authorizationv1.ResourceAttributes) string {
	message := fmt.Sprintf("%s may not %s %s.%s %s in namespace %s: ask for a Role there that grants it",
		shown(who.User), need.Verb, need.Resource, need.Group, shown(need.Name), need.Namespace)
	command := ". To allow it: " + grant(who, need) + "; then create the Operation again"
	if strings.ContainsFunc(command, func(r rune) bool { return !unicode.IsPrint(r) }) || len(message)+len(command) > opsv1alpha1.MaxMessage {
		return message
	}
	return message + command
}

// grant are the commands that give a right to a user, and no more.
func grant(who admission.Requester, need authorizationv1.ResourceAttributes) string {
	role, ns := quoted("vworkspace-"+need.Verb+"-"+need.Name), quoted(need.Namespace)
	subject := "--user=" + quoted(who.User)
	if account, isAccount := strings.CutPrefix(who.User, "system:serviceaccount:"); isAccount {
		subject = "--serviceaccount=" + quoted(account)
	}
	return fmt.Sprintf("kubectl -n %s create role %s --verb=%s --resource=%s.%s --resource-name=%s && kubectl -n %s create rolebinding %s --role=%s %s",
		ns, role, need.Verb, need.Resource, need.Group, quoted(need.Name), ns, role, role, subject)
}

// harmless needs no quotes, in a shell or before a reader.
var harmless = regexp.MustCompile(`^[A-Za-z0-9@%+=:,./_-]+$`)

// shown is a name as people read it.
func shown(s string) string {
	if harmless.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}

// quoted for a shell: whoever is named by an identity provider, or names an object, chooses what somebody with more rights is told to paste.
func quoted(s string) string {
	if harmless.MatchString(s) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
