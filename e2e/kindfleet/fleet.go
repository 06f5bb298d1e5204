// SPDX-License-Identifier: Apache-2.0

package kindfleet

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
	"sigs.k8s.io/kind/pkg/apis/config/v1alpha4"
	"sigs.k8s.io/kind/pkg/cluster"
	"sigs.k8s.io/kind/pkg/cluster/nodes"
	kindlog "sigs.k8s.io/kind/pkg/log"
)

// nodeImage is the name of the node image, in this run's own Docker engine.
const nodeImage = "vworkspace/node:" + kubernetesVersion

// Fleet is some kind clusters on one network.
type Fleet struct {
	// Hub is the first of them.
	Hub *Cluster
	// Spokes are the others.
	Spokes []*Cluster
	// S3 is the URL of an S3 server with a bucket named velero, as pods reach it.
	S3 string

	kit      *Kit
	dir      string
	engine   *engine
	s3       *process
	charts   *http.Server
	provider *cluster.Provider
	say      func(string, ...any)
}

// Cluster is a kind cluster of one node.
type Cluster struct {
	// Name of the cluster, and of the ManagedCluster.
	Name string
	// Config is an administrator's.
	Config *rest.Config
	// Kubeconfig is the path of a file with the same.
	Kubeconfig string

	node nodes.Node
}

// Up starts a fleet in the sandbox: a hub, and so many spokes. Lines of progress go to out, which may be nil.
func Up(ctx context.Context, kit *Kit, spokes int, out io.Writer) (_ *Fleet, err error) {
	if out == nil {
		out = io.Discard
	}
	begun := time.Now()
	f := &Fleet{kit: kit, say: func(format string, args ...any) {
		_, _ = fmt.Fprintf(out, "%7.1fs  %s\n", time.Since(begun).Seconds(), fmt.Sprintf(format, args...))
	}}
	if err := sweep(); err != nil {
		f.say("some of what earlier runs have left stays: %v", err)
	}
	if f.dir, err = claimFolder(); err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			err = errors.Join(err, f.Down())
		}
	}()
	if f.engine, err = startEngine(ctx, kit.tools, f.dir); err != nil {
		return nil, err
	}
	for _, variable := range f.engine.environment() { // kind starts docker
		name, value, _ := strings.Cut(variable, "=")
		if err := os.Setenv(name, value); err != nil {
			return nil, err
		}
	}
	if err := f.importNode(ctx); err != nil {
		return nil, err
	}
	f.say("a Docker engine runs, with the node image")
	f.provider = cluster.NewProvider(cluster.ProviderWithDocker(), cluster.ProviderWithLogger(kindlog.NoopLogger{}))
	f.Hub = &Cluster{Name: "hub"}
	for i := range spokes {
		f.Spokes = append(f.Spokes, &Cluster{Name: fmt.Sprintf("spoke%d", i+1)})
	}
	var group errgroup.Group
	group.SetLimit(2) // kubeadm is impatient
	for _, c := range f.Clusters() {
		group.Go(func() error { return f.create(c) })
	}
	if err := group.Wait(); err != nil {
		return nil, err
	}
	return f, f.startS3(ctx)
}

// Clusters are all, the hub first.
func (f *Fleet) Clusters() []*Cluster { return append([]*Cluster{f.Hub}, f.Spokes...) }

// Enter is a shell command that goes into the sandbox, where kubectl reaches the hub; the spokes' kubeconfigs lie beside the hub's.
func (f *Fleet) Enter() string {
	return fmt.Sprintf("nsenter --target %s --net --mount --pid env KUBECONFIG=%s DOCKER_HOST=%s PATH=%s:$PATH bash",
		os.Getenv(inside), f.Hub.Kubeconfig, f.engine.host(), filepath.Dir(f.kit.binaries.components["kubectl"]))
}

// Down stops the fleet and removes what it has stored.
func (f *Fleet) Down() error {
	var errs []error
	if f.provider != nil {
		for _, c := range f.Clusters() {
			errs = append(errs, f.provider.Delete(c.Name, c.Kubeconfig))
		}
	}
	if f.s3 != nil {
		errs = append(errs, f.s3.stop())
	}
	if f.charts != nil {
		errs = append(errs, f.charts.Close())
	}
	if f.engine != nil {
		errs = append(errs, f.engine.daemon.stop())
	}
	return errors.Join(append(errs, os.RemoveAll(f.dir), removeGroups(filepath.Base(f.dir)))...)
}

func (f *Fleet) importNode(ctx context.Context) error {
	raw, err := os.Open(f.kit.node())
	if err != nil {
		return err
	}
	defer func() { _ = raw.Close() }()
	if _, err := run(ctx, command{
		name: f.kit.tools.path("docker"), env: f.engine.environment(), stdin: raw,
		args: []string{"import", "--change", "ENV container=docker", "--change", `ENTRYPOINT ["/usr/local/bin/entrypoint", "/sbin/init"]`, "-", nodeImage},
	}); err != nil {
		return fmt.Errorf("import the node image: %w", err)
	}
	return nil
}

// create a cluster and wait until its node is ready.
func (f *Fleet) create(c *Cluster) error {
	c.Kubeconfig = filepath.Join(f.dir, c.Name+".kubeconfig")
	config := &v1alpha4.Cluster{
		TypeMeta: v1alpha4.TypeMeta{Kind: "Cluster", APIVersion: "kind.x-k8s.io/v1alpha4"},
		Nodes:    []v1alpha4.Node{{Role: v1alpha4.ControlPlaneRole}},
		Networking: v1alpha4.Networking{
			IPFamily: v1alpha4.IPv4Family, DisableDefaultCNI: true, KubeProxyMode: v1alpha4.NFTablesProxyMode,
		},
		KubeadmConfigPatches: []string{"kind: KubeletConfiguration\nfailCgroupV1: false\n"},
	}
	begun := time.Now()
	err := f.provider.Create(c.Name, cluster.CreateWithV1Alpha4Config(config), cluster.CreateWithNodeImage(nodeImage),
		cluster.CreateWithKubeconfigPath(c.Kubeconfig), cluster.CreateWithWaitForReady(patience),
		cluster.CreateWithDisplayUsage(false), cluster.CreateWithDisplaySalutation(false), cluster.CreateWithRetain(true))
	if err != nil {
		return fmt.Errorf("create cluster %s: %w", c.Name, err)
	}
	if c.Config, err = clientcmd.BuildConfigFromFlags("", c.Kubeconfig); err != nil {
		return err
	}
	c.Config.QPS = -1 // no limit but the API server's own
	all, err := f.provider.ListInternalNodes(c.Name)
	if err != nil {
		return err
	}
	c.node = all[0]
	f.say("cluster %s is ready, after %s", c.Name, time.Since(begun).Round(time.Second))
	return nil
}

// InternalURL is where the pods and nodes of other clusters reach this one's API server.
func (c *Cluster) InternalURL() string { return "https://" + c.Name + "-control-plane:6443" }
