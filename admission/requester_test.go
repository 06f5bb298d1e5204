// SPDX-License-Identifier: Apache-2.0

package admission_test

import (
	"strings"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/install"
)

const (
	by     = opsv1alpha1.AnnotationRequestedBy
	groups = opsv1alpha1.AnnotationRequestedByGroups
)

// alices are her groups, as she has them and the API server adds one.
const alices = "shopkeepers\nstaff\nsystem:authenticated"

func annotated(pairs ...string) func(*opsv1alpha1.Operation) {
	return func(op *opsv1alpha1.Operation) {
		for i := 0; i < len(pairs); i += 2 {
			op.Annotations[pairs[i]] = pairs[i+1]
		}
	}
}

func labelled(pairs ...string) func(*opsv1alpha1.Operation) {
	return func(op *opsv1alpha1.Operation) {
		for i := 0; i < len(pairs); i += 2 {
			op.Labels[pairs[i]] = pairs[i+1]
		}
	}
}

func checkRequester(t *testing.T, op *opsv1alpha1.Operation, user, all string) {
	t.Helper()
	if op.Annotations[by] != user || op.Annotations[groups] != all {
		t.Errorf("requested by %q of %q, want %q of %q", op.Annotations[by], op.Annotations[groups], user, all)
	}
}

// TestStamp: who creates an Operation is in it, whatever they wrote there themselves.
func TestStamp(t *testing.T) {
	served(t, nil)
	for name, change := range map[string]func(*opsv1alpha1.Operation){
		"no annotations":         func(op *opsv1alpha1.Operation) { op.Annotations = nil },
		"other annotations":      annotated("example.com/note", "x"),
		"somebody else's name":   annotated(by, "bob", groups, "system:masters"),
		"more groups":            annotated(by, "alice", groups, alices+"\nsystem:masters"),
		"nobody":                 annotated(by, "", groups, ""),
		"labels that say little": labelled("app.vworkspace.io/managed-by", "odoo"),
	} {
		t.Run(name, func(t *testing.T) {
			op := operation(change)
			if err := alice(t).Create(t.Context(), op); err != nil {
				t.Fatal(err)
			}
			checkRequester(t, op, "alice", alices)
		})
	}
	account := "system:serviceaccount:shops:gitops"
	op := operation(nil)
	if err := as(t, account, "shopkeepers").Create(t.Context(), op); err != nil {
		t.Fatal(err)
	}
	if op.Annotations[by] != account {
		t.Errorf("requested by %q, want the ServiceAccount", op.Annotations[by])
	}
}

// TestForged: without a webhook nobody is passed off as somebody else either, and nobody passes for a hub or an agent.
func TestForged(t *testing.T) {
	for name, c := range map[string]struct {
		change  func(*opsv1alpha1.Operation)
		refused string // empty when it is not
	}{
		"nothing":                {func(op *opsv1alpha1.Operation) { op.Annotations, op.Labels = nil, nil }, ""},
		"themselves":             {annotated(by, "alice", groups, alices), ""},
		"another":                {annotated(by, "bob", groups, alices), "must say who creates the Operation, which is alice"},
		"other groups":           {annotated(by, "alice", groups, "system:masters"), "must say who creates the Operation"},
		"a group more":           {annotated(by, "alice", groups, alices+"\nadmins"), "must say who creates the Operation"},
		"groups in one":          {annotated(by, "alice", groups, strings.ReplaceAll(alices, "\n", ",")), "must say who creates the Operation"},
		"no groups":              {annotated(by, "alice"), "must say who creates the Operation"},
		"groups of nobody":       {annotated(groups, alices), "must say who creates the Operation"},
		"an empty name":          {annotated(by, ""), "must say who creates the Operation"},
		"a root":                 {labelled(opsv1alpha1.LabelRoot, "7d3b4f1e"), "are for Operations that a hub delivers"},
		"an empty root":          {labelled(opsv1alpha1.LabelRoot, ""), "are for Operations that a hub delivers"},
		"a parent":               {labelled(opsv1alpha1.LabelParent, "7d3b4f1e"), "are for Operations that a hub delivers"},
		"a parent and a name":    {func(op *opsv1alpha1.Operation) { labelled(opsv1alpha1.LabelParent, "7")(op); annotated(by, "bob")(op) }, "are for Operations that a hub delivers"},
		"a start deadline":       {annotated(opsv1alpha1.AnnotationStartBefore, "2099-01-01T00:00:00Z"), "are for Operations that a hub delivers"},
		"an origin":              {annotated(opsv1alpha1.AnnotationOrigin, "platform/upgrade"), "are for Operations that a hub delivers"},
		"what others may choose": {labelled("app.vworkspace.io/managed-by", "odoo"), ""},
	} {
		t.Run(name, func(t *testing.T) { checkRefused(t, alice(t), operation(c.change), c.refused) })
	}
}

func checkRefused(t *testing.T, c client.Client, op *opsv1alpha1.Operation, refused string) {
	t.Helper()
	err := c.Create(t.Context(), op)
	if refused == "" {
		if err != nil {
			t.Error(err)
		}
		return
	}
	if !apierrors.IsForbidden(err) || !strings.Contains(err.Error(), refused) {
		t.Errorf("got %v, want it refused because %q", err, refused)
	}
}

// TestDelivered: the agent and Open Cluster Management's work agent pass on who asked, also when nobody answers the API server; people do not. The executor
// bounds what the work agent does, and does nothing itself.
func TestDelivered(t *testing.T) {
	workAgent := as(t, "system:serviceaccount:open-cluster-management-agent:work")
	allow(t, "vworkspace-work-agent", "system:serviceaccount:open-cluster-management-agent:work")
	asAgent, err := install.AsAgent(t.Context(), restConfig)
	if err != nil {
		t.Fatal(err)
	}
	theAgent, err := client.New(asAgent, client.Options{Scheme: scheme()})
	if err != nil {
		t.Fatal(err)
	}
	delivered := func(op *opsv1alpha1.Operation) {
		labelled(opsv1alpha1.LabelRoot, "7d3b4f1e")(op)
		annotated(by, "alice", opsv1alpha1.AnnotationOrigin, "shops/backup", opsv1alpha1.AnnotationStartBefore, "2099-01-01T00:00:00Z")(op)
	}
	made := func(op *opsv1alpha1.Operation) {
		labelled(opsv1alpha1.LabelParent, "7d3b4f1e", opsv1alpha1.LabelRoot, "7d3b4f1e")(op)
		annotated(by, "alice", opsv1alpha1.AnnotationOrigin, "vworkspace-agent/backup")(op)
	}
	check := func(t *testing.T) {
		for name, c := range map[string]struct {
			client client.Client
			change func(*opsv1alpha1.Operation)
		}{"the work agent delivers": {workAgent, delivered}, "the agent expands": {theAgent, made}} {
			t.Run(name, func(t *testing.T) {
				op := operation(c.change)
				if err := c.client.Create(t.Context(), op); err != nil {
					t.Fatal(err)
				}
				checkRequester(t, op, "alice", "")
			})
		}
		// What they make that is nobody else's is their own.
		checkRefused(t, theAgent, operation(annotated(by, "alice")), "which is system:serviceaccount:vworkspace-agent:vworkspace-agent")
		checkRefused(t, alice(t), operation(delivered), "are for Operations that a hub delivers")
		checkRefused(t, as(t, "system:serviceaccount:vworkspace-agent:vworkspace-operations", "shopkeepers"), operation(delivered), "are for Operations that a hub delivers")
	}
	t.Run("nobody is asked", check)
	address, stop := agent(t, nil)
	stop()
	asked(t, agentSide, address)
	t.Run("nobody answers", func(t *testing.T) {
		for _, c := range []struct {
			client client.Client
			change func(*opsv1alpha1.Operation)
		}{{workAgent, delivered}, {theAgent, made}} {
			op := operation(c.change)
			if err := c.client.Create(t.Context(), op); err != nil {
				t.Fatal(err)
			}
			checkRequester(t, op, "alice", "")
		}
	})
}

// TestNeverChanges: what says who asked, and what tells a delivery from a request, stays as it was made.
func TestNeverChanges(t *testing.T) {
	for name, c := range map[string]struct {
		client         client.Client
		before, change func(*opsv1alpha1.Operation)
		refused        string
	}{
		"another name":             {alice(t), annotated(by, "alice", groups, alices), annotated(by, "bob"), "never change: create a new Operation"},
		"other groups":             {alice(t), annotated(by, "alice", groups, alices), annotated(groups, "system:masters"), "never change"},
		"no name any more":         {alice(t), annotated(by, "alice", groups, alices), func(op *opsv1alpha1.Operation) { op.Annotations = nil }, "never change"},
		"a name where was none":    {alice(t), nil, annotated(by, "alice", groups, alices), "never change"},
		"by an administrator":      {admin, nil, annotated(by, "alice"), "never change"},
		"a root":                   {alice(t), nil, labelled(opsv1alpha1.LabelRoot, "7"), "root and parent never change"},
		"a parent, by the admin":   {admin, nil, labelled(opsv1alpha1.LabelParent, "7"), "root and parent never change"},
		"no root any more":         {admin, labelled(opsv1alpha1.LabelRoot, "7"), func(op *opsv1alpha1.Operation) { op.Labels = nil }, "root and parent never change"},
		"a start deadline":         {alice(t), nil, annotated(opsv1alpha1.AnnotationStartBefore, "2099-01-01T00:00:00Z"), "start-before and origin never change"},
		"put back by who delivers": {admin, labelled(opsv1alpha1.LabelRoot, "7"), annotated(opsv1alpha1.AnnotationStartBefore, "2099-01-01T00:00:00Z"), ""},
		"a cancel":                 {alice(t), annotated(by, "alice", groups, alices), func(op *opsv1alpha1.Operation) { op.Spec.Cancel = true }, ""},
		"another label":            {alice(t), nil, labelled("example.com/team", "a"), ""},
	} {
		t.Run(name, func(t *testing.T) {
			op := operation(c.before)
			if err := c.client.Create(t.Context(), op); err != nil {
				t.Fatal(err)
			}
			before := op.DeepCopy()
			if op.Labels == nil {
				op.Labels = map[string]string{}
			}
			if op.Annotations == nil {
				op.Annotations = map[string]string{}
			}
			c.change(op)
			err := c.client.Patch(t.Context(), op, client.MergeFrom(before))
			if c.refused == "" && err != nil || c.refused != "" && (!apierrors.IsForbidden(err) || !strings.Contains(err.Error(), c.refused)) {
				t.Errorf("got %v, want it refused because %q", err, c.refused)
			}
		})
	}
}
