// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"time"

	"golang.org/x/sync/errgroup"
	authorizationv1 "k8s.io/api/authorization/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/client-go/kubernetes"
	clusterclient "open-cluster-management.io/api/client/cluster/clientset/versioned"
	clusterv1 "open-cluster-management.io/api/cluster/v1"

	_ "embed"
)

const (
	hubNamespace   = "open-cluster-management-hub"
	agentNamespace = "open-cluster-management-agent"
	// bootstrapUser is who an agent is until the hub has signed its own certificate. The hub approves what it asks
	// for by itself: a testbed has nobody to do it by hand.
	bootstrapUser = "testbed-bootstrap"
)

// StatusSyncInterval is after how long an agent looks again at what is fed back by poll. Operations report through a watch; what is polled should not take
// Open Cluster Management's 10 seconds in a demo.
const StatusSyncInterval = 2 * time.Second

// ocmHubManifest holds the namespace of OCM's hub and what the bootstrap user may do.
//
//go:embed manifests/ocm-hub.yaml
var ocmHubManifest []byte

// ocmSpokeManifest holds the namespace of OCM's agent.
//
//go:embed manifests/ocm-spoke.yaml
var ocmSpokeManifest []byte

// prepareOCMHub installs OCM's CRDs on the hub and writes the kubeconfig that agents register with.
func (f *Fleet) prepareOCMHub(ctx context.Context) error {
	crds, err := f.ocmCRDs(ocmHubCRDs, "*.crd.yaml")
	if err != nil {
		return err
	}
	objects, err := parse(ocmHubManifest)
	if err != nil {
		return err
	}
	if err := applyObjects(ctx, f.Hub.config, append(crds, objects...)); err != nil {
		return fmt.Errorf("prepare the hub for Open Cluster Management: %w", err)
	}
	if err := f.waitBootstrapAllowed(ctx); err != nil {
		return err
	}
	bootstrap, err := f.Hub.pki.client(bootstrapUser, bootstrapUser)
	if err != nil {
		return err
	}
	return writeKubeconfig(f.bootstrapKubeconfig(),
		kubeconfig(f.Hub.Name, f.Hub.config.Host, f.Hub.pki.caPEM(), bootstrapUser, bootstrap))
}

// waitBootstrapAllowed waits until the bootstrap user may register a cluster. An agent that is forbidden to once does not try again: it gets its certificate,
// but never a ManagedCluster.
func (f *Fleet) waitBootstrapAllowed(ctx context.Context) error {
	err := f.waitAllowed(ctx, bootstrapUser, bootstrapUser, authorizationv1.ResourceAttributes{
		Group: clusterv1.GroupName, Resource: "managedclusters", Verb: "create",
	})
	if err != nil {
		return fmt.Errorf("wait until agents may register with the hub: %w", err)
	}
	return nil
}

// waitAllowed waits until the hub's authorizer, which learns of new roles through a watch, lets a user of a group do something.
func (f *Fleet) waitAllowed(ctx context.Context, user, group string, what authorizationv1.ResourceAttributes) error {
	kube, err := kubernetes.NewForConfig(f.Hub.config)
	if err != nil {
		return err
	}
	review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
		User: user, Groups: []string{group}, ResourceAttributes: &what,
	}}
	return wait.PollUntilContextCancel(ctx, probeEvery, true, func(ctx context.Context) (bool, error) {
		answer, err := kube.AuthorizationV1().SubjectAccessReviews().Create(ctx, review, metav1.CreateOptions{})
		return err == nil && answer.Status.Allowed, err
	})
}

func (f *Fleet) bootstrapKubeconfig() string { return f.dir.data("ocm-bootstrap.kubeconfig") }

// startOCMHub starts the hub's three controllers, and the add-on manager if it was asked for.
func (f *Fleet) startOCMHub(ctx context.Context) error {
	group, ctx := errgroup.WithContext(ctx)
	for _, c := range []struct {
		name string
		args []string
	}{
		{"ocm-registration", append([]string{"registration", "controller",
			"--feature-gates=ManagedClusterAutoApproval=true", "--auto-approved-csr-users=" + bootstrapUser}, f.grpc.registration()...)},
		{"ocm-placement", []string{"placement", "controller"}},
		{"ocm-work", []string{"work", "manager",
			"--feature-gates=ManifestWorkReplicaSet=true,CleanUpCompletedManifestWork=true"}},
	} {
		group.Go(func() error {
			_, err := f.sup.launch(ctx, func() (Command, probe, error) {
				return f.planOCM(f.Hub, c.name, append(c.args, "--namespace="+hubNamespace))
			})
			return err
		})
	}
	if f.addOns {
		group.Go(func() error {
			_, err := f.sup.launch(ctx, func() (Command, probe, error) {
				command, ready, err := f.planOCM(f.Hub, "ocm-addon", []string{"manager", "--namespace=" + hubNamespace})
				command.Path = f.bin.path(ocmAddOn)
				return command, ready, err
			})
			return err
		})
	}
	return group.Wait()
}

// prepareOCMSpoke installs the CRDs that an agent needs on its own cluster.
func (f *Fleet) prepareOCMSpoke(ctx context.Context, spoke *Cluster) error {
	crds, err := f.ocmCRDs(ocmSpokeCRDs, "0000_*.crd.yaml")
	if err != nil {
		return err
	}
	objects, err := parse(ocmSpokeManifest)
	if err != nil {
		return err
	}
	if err := applyObjects(ctx, spoke.config, append(crds, objects...)); err != nil {
		return fmt.Errorf("prepare %s for Open Cluster Management: %w", spoke.Name, err)
	}
	return nil
}

// join starts the agent of a spoke, which registers with the hub: it asks for a certificate, creates its
// ManagedCluster and, once accepted, reports. join returns when the hub calls the cluster Available.
func (f *Fleet) join(ctx context.Context, spoke *Cluster) error {
	hub, err := clusterclient.NewForConfig(f.Hub.config)
	if err != nil {
		return err
	}
	hubKubeconfigDir := f.dir.data(spoke.Name, "hub")
	if err := os.MkdirAll(hubKubeconfigDir, 0o700); err != nil {
		return err
	}
	toHub := f.toHub
	if f.grpc.serves(spoke) {
		toHub = f.grpc.toHub
		if err := f.welcome(ctx, hub, spoke.Name); err != nil {
			return err
		}
	}
	_, err = f.sup.launch(ctx, func() (Command, probe, error) {
		command, _, err := f.planOCM(spoke, "klusterlet", append([]string{
			"klusterlet", "agent",
			"--namespace=" + agentNamespace,
			"--spoke-cluster-name=" + spoke.Name,
			"--hub-kubeconfig-dir=" + hubKubeconfigDir,
			"--spoke-external-server-urls=" + spoke.config.Host,
			"--status-sync-interval=" + StatusSyncInterval.String(),
			"--feature-gates=RawFeedbackJsonString=true",
			"--kube-api-qps=200", "--kube-api-burst=400",
		}, toHub(spoke.Name, hubKubeconfigDir)...))
		return command, clusterAvailable(hub, spoke.Name, filepath.Join(hubKubeconfigDir, "kubeconfig")), err
	})
	return err
}

// toHub are the flags of an agent that reaches the hub by its API server. dir is where it keeps what the hub gave it.
func (f *Fleet) toHub(_, dir string) []string {
	return []string{
		"--bootstrap-kubeconfig=" + f.bootstrapKubeconfig(),
		"--workload-source-driver=kube", "--workload-source-config=" + filepath.Join(dir, "kubeconfig"),
		"--hub-kube-api-qps=200", "--hub-kube-api-burst=400",
	}
}

// planOCM is one process of Open Cluster Management, against its own cluster's API.
func (f *Fleet) planOCM(c *Cluster, name string, args []string) (Command, probe, error) {
	port, err := freePort()
	if err != nil {
		return Command{}, nil, err
	}
	return Command{
		Name: c.process(name),
		Path: f.bin.path(ocm),
		Args: append(args, "--kubeconfig="+c.KubeconfigPath, "--disable-leader-election", "--listen="+address(port)),
		Env:  f.childEnv(),
	}, httpReady(serverURL(port) + "/healthz"), nil
}

// registerGrace is how long an agent that has its certificate may take to create its ManagedCluster.
const registerGrace = 5 * time.Second

// clusterAvailable waits for the hub to call a cluster Available.
//
// While it has no certificate, the agent creates its ManagedCluster, as the bootstrap user; when it has one it stops trying, also if it had
// not come to it (ocm v1.2.1, pkg/registration/spoke). On a busy machine it happens that approval and signing are faster, and the agent is
// forbidden everything for ever. Then the ManagedCluster is created here, as the hub's admin who imports a cluster does.
func clusterAvailable(hub clusterclient.Interface, name, certified string) probe {
	var since time.Time
	return func(ctx context.Context) error {
		mc, err := hub.ClusterV1().ManagedClusters().Get(ctx, name, metav1.GetOptions{})
		if apierrors.IsNotFound(err) {
			if _, statErr := os.Stat(certified); statErr != nil {
				return err
			}
			if since.IsZero() {
				since = time.Now()
			}
			if time.Since(since) >= registerGrace {
				return errors.Join(err, importCluster(ctx, hub, name))
			}
		}
		if err != nil {
			return err
		}
		if !meta.IsStatusConditionTrue(mc.Status.Conditions, clusterv1.ManagedClusterConditionAvailable) {
			return fmt.Errorf("ManagedCluster %s is not Available yet", name)
		}
		return nil
	}
}

func importCluster(ctx context.Context, hub clusterclient.Interface, name string) error {
	mc := &clusterv1.ManagedCluster{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: clusterv1.ManagedClusterSpec{HubAcceptsClient: true}}
	_, err := hub.ClusterV1().ManagedClusters().Create(ctx, mc, metav1.CreateOptions{})
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create ManagedCluster %s: %w", name, err)
	}
	return nil
}

var templated = regexp.MustCompile(`{{[^}]*}}`)

// ocmCRDs reads CRDs of OCM.
func (f *Fleet) ocmCRDs(m manifest, pattern string) ([]*unstructured.Unstructured, error) {
	documents, err := OCMCRDs(f.bin.manifestDir(m), pattern)
	if err != nil {
		return nil, err
	}
	var crds []*unstructured.Unstructured
	for _, d := range documents {
		objects, err := parse(d)
		if err != nil {
			return nil, err
		}
		crds = append(crds, objects...)
	}
	return crds, nil
}

// OCMCRDs reads CRDs of OCM from files of a folder. Its operator fills in conversion webhooks for two add-on kinds; without them the
// one version that the agents use is served as it is stored.
func OCMCRDs(dir, pattern string) (documents [][]byte, err error) {
	files, err := filepath.Glob(filepath.Join(dir, pattern))
	if err != nil {
		return nil, err
	}
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			return nil, fmt.Errorf("read the CRDs of Open Cluster Management: %w", err)
		}
		objects, err := parse(templated.ReplaceAll(data, []byte("unset")))
		if err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		for _, o := range objects {
			unstructured.RemoveNestedField(o.Object, "spec", "conversion")
			raw, err := o.MarshalJSON()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", file, err)
			}
			documents = append(documents, raw)
		}
	}
	return documents, nil
}
