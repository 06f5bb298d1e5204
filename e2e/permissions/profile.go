// SPDX-License-Identifier: Apache-2.0

package permissions

import (
	"context"
	"fmt"
	"time"

	authenticationv1 "k8s.io/api/authentication/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/install"
)

// Profile puts profile job in place in the open namespace of a spoke, as the agent does before a run. The config is an administrator's.
func Profile(ctx context.Context, spoke *rest.Config) error {
	config, err := install.AsAgent(ctx, spoke)
	if err != nil {
		return err
	}
	agent, err := connect(config)
	if err != nil {
		return err
	}
	role := opsv1alpha1.ProfileRole("job")
	err = agent.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: gated, Name: role},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: gated, Name: opsv1alpha1.ProfileAccount("job")}},
	})
	if client.IgnoreAlreadyExists(err) != nil {
		return fmt.Errorf("bind profile job: %w", err)
	}
	admin, err := connect(spoke)
	if err != nil {
		return err
	}
	// An API server goes by it a moment later.
	who := authenticationv1.UserInfo{Username: opsv1alpha1.ProfileUser(gated, "job")}
	return wait.PollUntilContextTimeout(ctx, 50*time.Millisecond, time.Minute, true, func(ctx context.Context) (bool, error) {
		return mayDo(ctx, admin, who, permission{verb: "create", resource: "jobs.batch", namespace: gated})
	})
}
