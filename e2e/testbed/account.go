// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"

	authenticationv1 "k8s.io/api/authentication/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// As is a configuration that acts as a ServiceAccount, by a token for a day. Impersonation would not do for the agent: who is impersonated cannot impersonate, and
// it writes as the ServiceAccounts of profiles.
func As(ctx context.Context, config *rest.Config, namespace, account string) (*rest.Config, error) {
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	day := int64(24 * 60 * 60)
	token, err := kube.CoreV1().ServiceAccounts(namespace).CreateToken(ctx, account,
		&authenticationv1.TokenRequest{Spec: authenticationv1.TokenRequestSpec{ExpirationSeconds: &day}}, metav1.CreateOptions{})
	if err != nil {
		return nil, fmt.Errorf("ask for a token of ServiceAccount %s/%s: %w", namespace, account, err)
	}
	acting := rest.AnonymousClientConfig(config)
	acting.BearerToken = token.Status.Token
	return acting, nil
}
