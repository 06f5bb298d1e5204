// SPDX-License-Identifier: Apache-2.0

package crowd

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"time"

	"golang.org/x/sync/errgroup"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/e2e/demo"
	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/engines"
)

const (
	// atOnce is how many clusters are prepared at the same time.
	atOnce = 8
	// instance is the ApplicationInstance on each cluster.
	instance = "web"
)

// Options of a crowd.
type Options struct {
	// Logical and Real are how many clusters there are of each kind.
	Logical, Real int
	// Up is passed on to the testbed.
	Up testbed.Options
}

// Cluster is one that can be handed over.
type Cluster struct {
	Name string
	// Namespace of its instance, as Admin sees it.
	Namespace string
	// Admin is an administrator's client of its API server, which logical clusters share.
	Admin client.WithWatch
	// Logical tells that it is a fake.
	Logical bool

	secret *corev1.Secret
}

// Secret hands the cluster over in a namespace, under a name.
func (c *Cluster) Secret(namespace, name string) *corev1.Secret {
	secret := c.secret.DeepCopy()
	secret.Namespace, secret.Name = namespace, name
	return secret
}

// Crowd is a fleet of testbed with many clusters. spoke1 is behind the logical ones, the other spokes are real.
type Crowd struct {
	Fleet    *testbed.Fleet
	Hub      client.WithWatch
	Clusters []*Cluster

	servers []*http.Server
}

// Up starts a crowd. Take it down, also when there is an error.
func Up(ctx context.Context, o Options) (*Crowd, error) {
	o.Up.Clusters, o.Up.Engines = o.Real+1, []string{}
	fleet, err := testbed.Up(ctx, o.Up)
	if err != nil {
		return &Crowd{}, err
	}
	c := &Crowd{Fleet: fleet}
	if c.Hub, err = connect(fleet.Hub.Config()); err != nil {
		return c, err
	}
	if err := install.OnHosting(ctx, fleet.Hub.Config()); err != nil {
		return c, err
	}
	group, ctx2 := errgroup.WithContext(ctx)
	for _, s := range fleet.Spokes {
		group.Go(func() error { return install.OnSpokeAlone(ctx2, s.Config()) })
	}
	if err := group.Wait(); err != nil {
		return c, err
	}
	for _, s := range fleet.Spokes[1:] {
		admin, err := connect(s.Config())
		if err != nil {
			return c, err
		}
		one := &Cluster{Name: s.Name, Namespace: "shop", Admin: admin}
		if one.secret, err = install.HostedSecret(ctx, s.Name, s.Config(), s.Config().Host); err != nil {
			return c, err
		}
		c.Clusters = append(c.Clusters, one)
	}
	if err := c.addLogical(ctx, o.Logical); err != nil {
		return c, err
	}
	return c, c.furnish(ctx)
}

// Down takes the crowd down.
func (c *Crowd) Down() error {
	var errs []error
	for _, s := range c.servers {
		errs = append(errs, s.Close())
	}
	if c.Fleet != nil {
		errs = append(errs, c.Fleet.Down())
	}
	return errors.Join(errs...)
}

// addLogical makes the views of spoke1, with the certificate of its API server: a kubeconfig differs in the URL.
func (c *Crowd) addLogical(ctx context.Context, n int) error {
	behind := c.Fleet.Spokes[0]
	admin, err := connect(behind.Config())
	if err != nil {
		return err
	}
	pki := filepath.Join(c.Fleet.Dir(), "data", behind.Name, "pki")
	certificate, err := tls.LoadX509KeyPair(filepath.Join(pki, "apiserver.crt"), filepath.Join(pki, "apiserver.key"))
	if err != nil {
		return err
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(behind.Config()))
	if err != nil {
		return err
	}
	for i := range n {
		logical := &Cluster{Name: fmt.Sprintf("logical%d", i+1), Namespace: physical(i + 1), Admin: admin, Logical: true}
		v, err := newView(behind.Config(), logical.Namespace, transport)
		if err != nil {
			return err
		}
		url, err := c.serve(v, certificate)
		if err != nil {
			return err
		}
		if logical.secret, err = install.HostedSecret(ctx, logical.Name, behind.Config(), url); err != nil {
			return err
		}
		c.Clusters = append(c.Clusters, logical)
	}
	return nil
}

// serve a view where nothing else is: its clients have connections of their own, by HTTP/2, as those of a real cluster.
func (c *Crowd) serve(v *view, certificate tls.Certificate) (string, error) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return "", err
	}
	server := &http.Server{Handler: v, TLSConfig: &tls.Config{Certificates: []tls.Certificate{certificate}}, ReadHeaderTimeout: time.Minute}
	c.servers = append(c.servers, server)
	go func() { _ = server.ServeTLS(listener, "", "") }()
	return "https://" + listener.Addr().String(), nil
}

// furnish every cluster with an open namespace and an instance in it.
func (c *Crowd) furnish(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	group.SetLimit(atOnce)
	for _, cl := range c.Clusters {
		group.Go(func() error {
			for _, obj := range []client.Object{
				&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: cl.Namespace, Labels: map[string]string{appsv1alpha1.LabelNamespaceGate: appsv1alpha1.NamespaceGated}}},
				&corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: cl.Namespace, Name: engines.DefaultServiceAccount}},
				&appsv1alpha1.ApplicationInstance{
					ObjectMeta: metav1.ObjectMeta{
						Namespace: cl.Namespace, Name: instance,
						Annotations: map[string]string{opsv1alpha1.TypeRunCommand.Capability(): string(opsv1alpha1.EngineJob)},
					},
					Spec: appsv1alpha1.ApplicationInstanceSpec{Mode: appsv1alpha1.ModePlaceholder, AppRef: appsv1alpha1.AppRef{CatalogID: "shop"}},
				},
			} {
				if err := cl.Admin.Create(ctx, obj); err != nil {
					return fmt.Errorf("furnish %s: %w", cl.Name, err)
				}
			}
			return nil
		})
	}
	return group.Wait()
}

// HandOver hands the first n clusters over, if they are not yet.
func (c *Crowd) HandOver(ctx context.Context, n int) error {
	for _, cl := range c.Clusters[:n] {
		if err := c.Hub.Create(ctx, cl.secret.DeepCopy()); err != nil && !apierrors.IsAlreadyExists(err) {
			return fmt.Errorf("hand %s over: %w", cl.Name, err)
		}
	}
	return nil
}

func connect(config *rest.Config) (client.WithWatch, error) {
	config.QPS = -1
	return client.NewWithWatch(config, client.Options{Scheme: demo.Scheme()})
}
