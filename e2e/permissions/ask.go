// SPDX-License-Identifier: Apache-2.0

package permissions

import (
	"bytes"
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"
	"text/tabwriter"

	authenticationv1 "k8s.io/api/authentication/v1"
	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/demo"
)

// Answer is what a fleet says to the table.
type Answer struct {
	// Table has every line with its verdict, for people.
	Table string
	// Wrong is how many of All lines are not as they should be.
	Wrong, All int
}

// Ask the API servers of a fleet, by SubjectAccessReview, what each of our identities may do. The configs are administrators', of the hub and of the
// cluster spoke1.
func Ask(ctx context.Context, hub, spoke1 *rest.Config) (Answer, error) {
	onHub, err := connect(hub)
	if err != nil {
		return Answer{}, err
	}
	onSpoke, err := connect(spoke1)
	if err != nil {
		return Answer{}, err
	}
	ask := map[string]client.Client{"hub": onHub, "spoke": onSpoke}
	var out bytes.Buffer
	w := tabwriter.NewWriter(&out, 0, 0, 2, ' ', 0)
	var answer Answer
	for _, i := range identities {
		user := authenticationv1.UserInfo{
			Username: fmt.Sprintf("system:serviceaccount:%s:%s", i.namespace, i.account),
			Groups:   []string{"system:serviceaccounts", "system:serviceaccounts:" + i.namespace, "system:authenticated"},
		}
		if i.account == "" {
			if user, err = registered(ctx, hub, onSpoke); err != nil {
				return Answer{}, err
			}
		}
		for _, p := range table() {
			if p.who != i.name {
				continue
			}
			verdict, err := check(ctx, ask[i.cluster], user, p)
			if err != nil {
				return Answer{}, err
			}
			answer.All++
			if verdict != ok {
				answer.Wrong++
			}
			_, _ = fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", p.who, p.verb, p.resource, p.namespace, yes(p.may), verdict)
		}
	}
	err = w.Flush()
	answer.Table = out.String()
	return answer, err
}

// ok is the verdict on a line that is as it should be.
const ok = "ok"

// check a line wherever it has to be asked about.
func check(ctx context.Context, c client.Client, user authenticationv1.UserInfo, p permission) (verdict string, err error) {
	namespaces, err := where(ctx, c, p)
	if err != nil {
		return "", err
	}
	for _, namespace := range namespaces {
		asked := p
		asked.namespace = namespace
		got, err := mayDo(ctx, c, user, asked)
		if err != nil {
			return "", err
		}
		if got != p.may {
			return "WRONG: " + yes(got) + " in " + cmp.Or(namespace, "all namespaces"), nil
		}
	}
	return ok, nil
}

// registered is who the hub takes a cluster's agent of Open Cluster Management for, by the certificate that it got when it joined.
func registered(ctx context.Context, hub *rest.Config, spoke client.Client) (authenticationv1.UserInfo, error) {
	var secret corev1.Secret
	if err := spoke.Get(ctx, client.ObjectKey{Namespace: "open-cluster-management-agent", Name: "hub-kubeconfig-secret"}, &secret); err != nil {
		return authenticationv1.UserInfo{}, err
	}
	c, err := connect(&rest.Config{Host: hub.Host, TLSClientConfig: rest.TLSClientConfig{
		CAData: hub.CAData, CertData: secret.Data[corev1.TLSCertKey], KeyData: secret.Data[corev1.TLSPrivateKeyKey],
	}})
	if err != nil {
		return authenticationv1.UserInfo{}, err
	}
	who := &authenticationv1.SelfSubjectReview{}
	err = c.Create(ctx, who)
	return who.Status.UserInfo, err
}

// where a line has to be asked about; "" is for all namespaces at once.
func where(ctx context.Context, c client.Client, p permission) ([]string, error) {
	if p.namespace != "*" {
		return []string{p.namespace}, nil
	}
	asked := []string{""}
	if p.may {
		return asked, nil
	}
	var list corev1.NamespaceList
	if err := c.List(ctx, &list); err != nil {
		return nil, err
	}
	for _, ns := range list.Items {
		granted := slices.ContainsFunc(permissions, func(q permission) bool {
			return q.may && q.who == p.who && q.verb == p.verb && q.resource == p.resource && q.namespace == ns.Name
		})
		if !granted {
			asked = append(asked, ns.Name)
		}
	}
	return asked, nil
}

func mayDo(ctx context.Context, c client.Client, who authenticationv1.UserInfo, p permission) (bool, error) {
	resource, name, _ := strings.Cut(p.resource, "=")
	resource, sub, _ := strings.Cut(resource, "/")
	resource, group, _ := strings.Cut(resource, ".")
	a := &authorizationv1.ResourceAttributes{Verb: p.verb, Group: group, Resource: resource, Subresource: sub, Name: name, Namespace: p.namespace}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: who.Username, Groups: who.Groups, UID: who.UID, ResourceAttributes: a,
	}}
	err := c.Create(ctx, review)
	return review.Status.Allowed, err
}

func connect(config *rest.Config) (client.Client, error) {
	return client.New(config, client.Options{Scheme: demo.Scheme()})
}

func yes(b bool) string {
	if b {
		return "yes"
	}
	return "no"
}
