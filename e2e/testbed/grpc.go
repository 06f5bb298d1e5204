// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"net"
	"path/filepath"
	"slices"
	"strconv"

	authorizationv1 "k8s.io/api/authorization/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	"k8s.io/client-go/util/keyutil"
	addonv1alpha1 "open-cluster-management.io/api/addon/v1alpha1"
	clusterclient "open-cluster-management.io/api/client/cluster/clientset/versioned"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	workv1 "open-cluster-management.io/api/work/v1"
	"sigs.k8s.io/yaml"
)

// agentGroup and the name of a cluster are the group that OCM gives the cluster's agent.
const agentGroup = "system:open-cluster-management:"

// Clusters that Open Cluster Management's own gRPC server (ocm v1.2.1, pkg/server) connects to the hub. Their agents dial out to it as others do to
// the API server, and send and get CloudEvents: for the CertificateSigningRequest and ManagedCluster, the Lease, and the ManifestWorks. The server
// is a client of the hub's API server; what it is told it writes there, so that nothing else on the hub knows the difference.
//
// Who dials has a client certificate of an authority of its own, not the hub's: it says nothing to an API server. The bootstrap user's is made
// here; with it an agent asks for its own, which OCM's registration controller signs. What a certificate's user may do, the server asks the hub's
// API server in a SubjectAccessReview for each call: the same roles decide as for agents that come by the API server.
//
// The server listens on all of the machine's addresses: it has no option for the address, only for the port. Without a certificate of this fleet's
// authority nobody gets an answer.

// grpcServer of a fleet.
type grpcServer struct {
	clusters []*Cluster // that it serves
	pki      *pki
	port     int
}

// serves tells whether a cluster reaches the hub by gRPC. Nobody does where there is no server.
func (s *grpcServer) serves(c *Cluster) bool { return s != nil && slices.Contains(s.clusters, c) }

// registration are the flags with which the registration controller signs certificates for the server too.
func (s *grpcServer) registration() []string {
	if s == nil {
		return nil
	}
	return []string{
		"--enabled-registration-drivers=csr,grpc", "--auto-approved-grpc-users=" + bootstrapUser,
		"--grpc-ca-file=" + s.pki.path("ca.crt"), "--grpc-key-file=" + s.pki.path("ca.key"),
	}
}

// toHub are the flags of an agent that reaches the hub by gRPC. dir is where it keeps what the hub gave it. The kubeconfig has nobody's credentials:
// the agent reads the address in it, by which it tells one hub from another.
func (s *grpcServer) toHub(cluster, dir string) []string {
	config := filepath.Join(dir, "config.yaml")
	return []string{
		"--bootstrap-kubeconfig=" + s.addressOnly(),
		"--registration-auth=grpc", "--grpc-bootstrap-config=" + s.bootstrapConfig(), "--grpc-config=" + config,
		"--workload-source-driver=grpc", "--workload-source-config=" + config,
		"--cloudevents-client-id=" + cluster + "-klusterlet-agent",
	}
}

func (s *grpcServer) addressOnly() string     { return s.pki.path("address.kubeconfig") }
func (s *grpcServer) bootstrapConfig() string { return s.pki.path("bootstrap.yaml") }

// startGRPC starts the server and returns when agents can dial it.
func (f *Fleet) startGRPC(ctx context.Context) error {
	if err := f.grpc.prepare(f.dir.data("hub", "grpc")); err != nil {
		return err
	}
	nobody := kubeconfig(f.Hub.Name, f.Hub.config.Host, f.Hub.pki.caPEM(), "nobody", keyPair{})
	if err := writeKubeconfig(f.grpc.addressOnly(), nobody); err != nil {
		return err
	}
	_, err := f.sup.launch(ctx, func() (Command, probe, error) {
		if err := f.grpc.configure(); err != nil {
			return Command{}, nil, err
		}
		command, healthy, err := f.planOCM(f.Hub, "ocm-grpc", []string{
			"grpc", "--server-config=" + f.grpc.pki.path("server.yaml"), "--namespace=" + hubNamespace,
			"--kube-api-qps=200", "--kube-api-burst=400",
		})
		command.Path = f.bin.path(ocmServer)
		return command, both(healthy, listens(address(f.grpc.port))), err
	})
	return err
}

// welcome a cluster before its agent comes, as a hub's admin who imports one does, and wait until the agent may do what it subscribes to. One that is
// refused a subscription waits before it asks again: 5 to 10 seconds, then five times that, up to two minutes, and all its subscriptions share that count
// (sdk-go v1.2.0, DelayFn in pkg/cloudevents/generic/clients). Where the registration controller is slower than the agent, that is when works begin to arrive.
func (f *Fleet) welcome(ctx context.Context, hub clusterclient.Interface, name string) error {
	if err := importCluster(ctx, hub, name); err != nil {
		return err
	}
	for _, what := range []authorizationv1.ResourceAttributes{
		{Group: clusterv1.GroupName, Resource: "managedclusters", Name: name},
		{Group: coordinationv1.GroupName, Resource: "leases", Namespace: name},
		{Group: addonv1alpha1.GroupName, Resource: "managedclusteraddons", Namespace: name},
		{Group: workv1.GroupName, Resource: "manifestworks", Namespace: name},
	} {
		what.Verb = "watch"
		if err := f.waitAllowed(ctx, "", agentGroup+name, what); err != nil {
			return fmt.Errorf("wait until the agent of %s may watch %s: %w", name, what.Resource, err)
		}
	}
	return nil
}

// prepare the authority, what the server proves itself with, and what the bootstrap user does.
func (s *grpcServer) prepare(dir string) (err error) {
	if s.pki, err = newAuthority("grpc", dir); err != nil {
		return err
	}
	serving, err := s.pki.issue(&x509.Certificate{
		Subject:     pkix.Name{CommonName: "ocm-grpc-server"},
		ExtKeyUsage: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IPAddresses: []net.IP{net.ParseIP(loopback)},
	})
	if err != nil {
		return err
	}
	bootstrap, err := s.pki.client(bootstrapUser, bootstrapUser)
	if err != nil {
		return err
	}
	key, err := keyutil.MarshalPrivateKeyToPEM(s.pki.key)
	if err != nil {
		return err
	}
	return s.pki.writeFiles(map[string][]byte{
		"ca.crt": s.pki.caPEM(), "ca.key": key, "server.crt": serving.cert, "server.key": serving.key,
		"bootstrap.crt": bootstrap.cert, "bootstrap.key": bootstrap.key,
	})
}

// configure a port, for the server and for those that are to dial it.
func (s *grpcServer) configure() (err error) {
	if s.port, err = freePort(); err != nil {
		return err
	}
	server, err := yaml.Marshal(map[string]any{
		"server_bind_port": strconv.Itoa(s.port), "client_ca_file": s.pki.path("ca.crt"),
		"tls_cert_file": s.pki.path("server.crt"), "tls_key_file": s.pki.path("server.key"),
	})
	if err != nil {
		return err
	}
	bootstrap, err := yaml.Marshal(map[string]any{
		"url": address(s.port), "caFile": s.pki.path("ca.crt"),
		"clientCertFile": s.pki.path("bootstrap.crt"), "clientKeyFile": s.pki.path("bootstrap.key"),
		// The agent hands it on to what it uses once it is known. A server that is killed closes its connections; one that hangs is noticed by this.
		"keepAliveConfig": map[string]any{"enable": true},
	})
	if err != nil {
		return err
	}
	return s.pki.writeFiles(map[string][]byte{"server.yaml": server, "bootstrap.yaml": bootstrap})
}

// both are ready when each is.
func both(a, b probe) probe {
	return func(ctx context.Context) error { return errors.Join(a(ctx), b(ctx)) }
}

// listens tells whether a port takes connections.
func listens(address string) probe {
	return func(ctx context.Context) error {
		ctx, cancel := context.WithTimeout(ctx, probeTimeout)
		defer cancel()
		connection, err := (&net.Dialer{}).DialContext(ctx, "tcp", address)
		if err != nil {
			return err
		}
		return connection.Close()
	}
}
