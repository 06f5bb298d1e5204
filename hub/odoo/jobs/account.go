// SPDX-License-Identifier: Apache-2.0

package jobs

import (
	"fmt"
	"sync"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// accounts are clients that act as ServiceAccounts of the hub's namespace.
type accounts struct {
	config    *rest.Config
	scheme    *runtime.Scheme
	mapper    meta.RESTMapper
	namespace string

	mu      sync.Mutex
	clients map[string]client.Client
}

// user that a ServiceAccount is to the API server.
func (a *accounts) user(account string) string {
	return fmt.Sprintf("system:serviceaccount:%s:%s", a.namespace, account)
}

// as returns a client that acts as a ServiceAccount: with its rights, and with no other.
func (a *accounts) as(account string) (client.Client, error) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if c := a.clients[account]; c != nil {
		return c, nil
	}
	config := rest.CopyConfig(a.config)
	config.Impersonate = rest.ImpersonationConfig{UserName: a.user(account)}
	c, err := client.New(config, client.Options{Scheme: a.scheme, Mapper: a.mapper})
	if err != nil {
		return nil, fmt.Errorf("make a client that acts as %s: %w", a.user(account), err)
	}
	if a.clients == nil {
		a.clients = map[string]client.Client{}
	}
	a.clients[account] = c
	return c, nil
}
