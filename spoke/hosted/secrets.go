// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/manager"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"
	"sigs.k8s.io/multicluster-runtime/pkg/multicluster"
)

// watchSecrets claims the cluster of every Secret and forgets it with the Secret. Every replica claims every cluster.
func (s *shard) watchSecrets(local manager.Manager) error {
	return ctrl.NewControllerManagedBy(local).Named("hosted-cluster").For(&corev1.Secret{}).Complete(reconcile.Func(s.reconcileSecret))
}

func (s *shard) reconcileSecret(ctx context.Context, req ctrl.Request) (ctrl.Result, error) {
	select {
	case <-s.ready:
	case <-ctx.Done():
		return ctrl.Result{}, ctx.Err()
	}
	name := multicluster.ClusterName(req.Name)
	var secret corev1.Secret
	if err := s.cached.Get(ctx, req.NamespacedName, &secret); client.IgnoreNotFound(err) != nil {
		return ctrl.Result{}, fmt.Errorf("read the Secret: %w", err)
	} else if apierrors.IsNotFound(err) || !secret.DeletionTimestamp.IsZero() {
		s.forget(name)
		return ctrl.Result{}, nil
	}
	raw := secret.Data[SecretKey]
	config, err := configOf(raw)
	if config != nil {
		config.Wrap(s.source.Wrap)
	}
	// A cluster whose kubeconfig cannot be used is not served by the one before either.
	return ctrl.Result{}, errors.Join(err, s.claim(name, config, fmt.Sprintf("%x", sha256.Sum256(raw)))) //nolint:contextcheck // the claim outlives the request
}

// configOf a Secret's kubeconfig; nil with an error.
func configOf(raw []byte) (*rest.Config, error) {
	if len(raw) == 0 {
		return nil, fmt.Errorf("data.%s: there is no kubeconfig: put one there, or delete the Secret", SecretKey)
	}
	config, err := clientcmd.RESTConfigFromKubeConfig(raw)
	if err != nil {
		return nil, fmt.Errorf("data.%s cannot be read: %w", SecretKey, err)
	}
	if err := accept(config); err != nil {
		return nil, err
	}
	unlimited(config)
	return config, nil
}
