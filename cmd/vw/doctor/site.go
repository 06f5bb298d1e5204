// SPDX-License-Identifier: Apache-2.0

package doctor

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/version"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
	clusterv1beta2 "open-cluster-management.io/api/cluster/v1beta2"
	workv1 "open-cluster-management.io/api/work/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/executors"
	"vworkspace.io/fleet/hub"
)

// Site is the cluster that is looked over.
type Site struct {
	// Client reads, and asks what may be done. It holds nothing back that a check asks for.
	Client client.Client
	// Server tells about the API server itself.
	Server Server
	// Version of vw.
	Version string
	// Namespace in which the API server is asked to pretend to create an Operation.
	Namespace string
	// Cluster of the fleet to look at in particular; empty for none.
	Cluster string
	// Now is the time.
	Now time.Time

	hub, spoke bool
}

// Server is what an API server says of itself.
type Server interface {
	// Version of it, and the time that it says it is; zero when it does not say.
	Version(ctx context.Context) (version.Info, time.Time, error)
}

// Scheme of every kind that is looked at.
func Scheme() *runtime.Scheme {
	scheme := hub.NewScheme()
	utilruntime.Must(executors.AddToScheme(scheme))
	utilruntime.Must(clusterv1alpha1.Install(scheme))
	utilruntime.Must(clusterv1beta2.Install(scheme))
	return scheme
}

// NewSite of a cluster.
func NewSite(config *rest.Config) (*Site, error) {
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	c, err := client.New(config, client.Options{HTTPClient: http, Scheme: Scheme()})
	if err != nil {
		return nil, err
	}
	return &Site{Client: c, Server: apiServer{config.Host, http}}, nil
}

// find out what the cluster is: a hub serves ManagedClusters; a cluster that is none, or that has what an agent or a klusterlet brings, is a spoke.
func (s *Site) find(ctx context.Context) error {
	managed, err := s.served(&clusterv1.ManagedCluster{})
	if err != nil {
		return err
	}
	works, err1 := s.served(&workv1.AppliedManifestWork{})
	claims, err2 := s.served(&clusterv1alpha1.ClusterClaim{})
	agent, err3 := s.exists(ctx, "", opsv1alpha1.DefaultAgentNamespace, "Namespace")
	s.hub, s.spoke = managed, !managed || works && claims || agent
	return errors.Join(err1, err2, err3)
}

// served tells whether the API server knows a kind.
func (s *Site) served(object client.Object) (bool, error) {
	gvk, err := s.Client.GroupVersionKindFor(object)
	if err != nil {
		return false, err
	}
	_, err = s.Client.RESTMapper().RESTMapping(gvk.GroupKind(), gvk.Version)
	if meta.IsNoMatchError(err) {
		return false, nil
	}
	return err == nil, err
}

// apiServer is a real one.
type apiServer struct {
	host string
	http *http.Client
}

// Version implements Server.
func (a apiServer) Version(ctx context.Context) (version.Info, time.Time, error) {
	var info version.Info
	host := strings.TrimSuffix(a.host, "/")
	if !strings.Contains(host, "://") {
		host = "https://" + host
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, host+"/version", nil)
	if err != nil {
		return info, time.Time{}, err
	}
	response, err := a.http.Do(request)
	if err != nil {
		return info, time.Time{}, err
	}
	defer func() { _ = response.Body.Close() }()
	said, err := http.ParseTime(response.Header.Get("Date"))
	if err != nil {
		said = time.Time{} // a proxy has dropped it
	}
	if response.StatusCode != http.StatusOK {
		return info, said, fmt.Errorf("GET /version: %s", response.Status)
	}
	return info, said, decodeVersion(response.Body, &info)
}
