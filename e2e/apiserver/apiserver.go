// SPDX-License-Identifier: Apache-2.0

// Package apiserver starts one real kube-apiserver, with etcd and the CRDs of vWorkspace Fleet and of Open Cluster Management, for the tests of a package. No
// controller runs beside it: what a controller manager would do, such as deleting what an owner has left, a test does by hand.
//
//	func TestMain(m *testing.M) { os.Exit(apiserver.Main(m, func(s *apiserver.Server) error { server = s; return nil })) }
package apiserver

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/go-logr/logr"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
	ctrllog "sigs.k8s.io/controller-runtime/pkg/log"

	"vworkspace.io/fleet/e2e/testbed"
)

// patience of who starts and stops it: machines are small, and have other things to do.
const patience = 2 * time.Minute

// Server is a running kube-apiserver.
type Server struct {
	// Config of an administrator; the client holds nothing back.
	Config *rest.Config
	// Kubeconfig of the same, as the content of a file.
	Kubeconfig []byte
	// Bin is the folder in which kubectl is.
	Bin string
	// Root is the folder of the repository.
	Root string

	env *envtest.Environment
}

// Main runs the tests of a package with a Server, which setUp takes over, and returns the exit status.
func Main(m *testing.M, setUp func(*Server) error) int {
	ctrllog.SetLogger(logr.Discard())
	s, err := Start(context.Background())
	if err == nil {
		defer s.Stop()
		err = setUp(s)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "cannot start the API server:", err)
		return 1
	}
	return m.Run()
}

// Start a Server. The first one on a machine builds it: minutes.
func Start(ctx context.Context) (*Server, error) {
	root, ocm, err := folders(ctx)
	if err != nil {
		return nil, err
	}
	bin, err := testbed.Assets(ctx, os.Stderr)
	if err != nil {
		return nil, err
	}
	env := &envtest.Environment{
		BinaryAssetsDirectory: bin, CRDDirectoryPaths: []string{filepath.Join(root, "deploy", "crds")}, ErrorIfCRDPathMissing: true,
		ControlPlaneStartTimeout: patience, ControlPlaneStopTimeout: patience,
	}
	for _, group := range []string{"work/v1", "cluster/v1", "cluster/v1beta1", "cluster/v1beta2", "addon/v1alpha1"} {
		env.CRDDirectoryPaths = append(env.CRDDirectoryPaths, filepath.Join(ocm, filepath.FromSlash(group)))
	}
	env.ControlPlane.GetAPIServer().Configure().Set("max-requests-inflight", "3000").Set("max-mutating-requests-inflight", "1500")
	env.ControlPlane.Etcd = &envtest.Etcd{}
	env.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true") // nothing here need outlive the tests
	config, err := env.Start()
	if err != nil {
		return nil, err
	}
	config.QPS, config.Burst = 5000, 5000
	return &Server{Config: config, Kubeconfig: env.KubeConfig, Bin: bin, Root: root, env: env}, nil
}

// Stop the server, and whatever it has written is gone.
func (s *Server) Stop() { _ = s.env.Stop() }

// folders of the repository and of the OCM API module that go.mod names.
func folders(ctx context.Context) (root, ocm string, err error) {
	out, err := exec.CommandContext(ctx, "go", "list", "-m", "-f", "{{.Dir}}", "vworkspace.io/fleet", "open-cluster-management.io/api").Output()
	if err != nil {
		return "", "", fmt.Errorf("go list -m: %w", err)
	}
	lines := strings.Fields(string(out))
	if len(lines) != 2 {
		return "", "", fmt.Errorf("go list -m printed %q", out)
	}
	return lines[0], lines[1], nil
}
