// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"os"
	"time"

	"golang.org/x/term"
	"k8s.io/apimachinery/pkg/api/meta"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/genericiooptions"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clusterv1 "open-cluster-management.io/api/cluster/v1"
	clusterv1beta1 "open-cluster-management.io/api/cluster/v1beta1"
	workv1 "open-cluster-management.io/api/work/v1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/hub"
)

// Env is what every command is given: where it reads and writes, and which cluster it talks to.
type Env struct {
	genericiooptions.IOStreams
	// Flags are kubectl's: --kubeconfig, --context, --namespace and so on.
	Flags *genericclioptions.ConfigFlags
	// Version of vw.
	Version string
	// Now is the time.
	Now func() time.Time
}

// newEnv talks to what the flags, KUBECONFIG or the default kubeconfig name, as kubectl would.
func newEnv(version string, streams genericiooptions.IOStreams) *Env {
	flags := genericclioptions.NewConfigFlags(true).WithDeprecatedPasswordFlag()
	flags.ClusterName = nil // --cluster is one of the fleet's
	// A person waits for the answer. What is too much at a time, the API server holds back by itself.
	flags.WrapConfigFn = func(c *rest.Config) *rest.Config {
		c.QPS, c.Burst = 200, 400
		return c
	}
	return &Env{IOStreams: streams, Flags: flags, Version: version, Now: time.Now}
}

// Namespace that the person has chosen, or the context's.
func (e *Env) Namespace() (string, error) {
	namespace, _, err := e.Flags.ToRawKubeConfigLoader().Namespace()
	if err != nil {
		return "", noKubeconfig(err)
	}
	return namespace, nil
}

func noKubeconfig(err error) error {
	return fmt.Errorf("%w: name a kubeconfig by --kubeconfig, or in KUBECONFIG", err)
}

// Config of the cluster.
func (e *Env) Config() (*rest.Config, error) {
	config, err := e.Flags.ToRESTConfig()
	if err != nil {
		return nil, noKubeconfig(err)
	}
	return config, nil
}

// Client of the cluster.
func (e *Env) Client() (client.WithWatch, error) {
	config, err := e.Config()
	if err != nil {
		return nil, err
	}
	return NewClient(config)
}

// NewClient of a cluster, hub or spoke. It asks the API server for nothing before the first call: it knows where the kinds are that it meets all day, and looks the
// others up when they come.
func NewClient(config *rest.Config) (client.WithWatch, error) {
	http, err := rest.HTTPClientFor(config)
	if err != nil {
		return nil, err
	}
	others, err := apiutil.NewDynamicRESTMapper(config, http)
	if err != nil {
		return nil, err
	}
	return client.NewWithWatch(config, client.Options{
		HTTPClient: http, Scheme: scheme, Mapper: meta.FirstHitRESTMapper{MultiRESTMapper: meta.MultiRESTMapper{known(), others}},
	})
}

// scheme of every kind that vw knows by its type.
var scheme = newScheme()

func newScheme() *runtime.Scheme { return hub.NewScheme() }

// known is where the kinds are that vw meets all day.
func known() meta.RESTMapper {
	mapper := meta.NewDefaultRESTMapper(nil)
	mapper.Add(opsv1alpha1.GroupVersion.WithKind("Operation"), meta.RESTScopeNamespace)
	mapper.Add(opsv1alpha1.GroupVersion.WithKind("OperationTemplate"), meta.RESTScopeRoot)
	mapper.Add(opsv1alpha1.GroupVersion.WithKind("Freeze"), meta.RESTScopeRoot)
	mapper.Add(opsv1alpha1.GroupVersion.WithKind("ControlPlane"), meta.RESTScopeRoot)
	mapper.Add(appsv1alpha1.GroupVersion.WithKind("ApplicationInstance"), meta.RESTScopeNamespace)
	mapper.Add(ocmKind(workv1.GroupVersion, "ManifestWork"), meta.RESTScopeNamespace)
	mapper.Add(ocmKind(clusterv1.GroupVersion, "ManagedCluster"), meta.RESTScopeRoot)
	mapper.Add(ocmKind(clusterv1beta1.GroupVersion, "Placement"), meta.RESTScopeNamespace)
	mapper.Add(ocmKind(clusterv1beta1.GroupVersion, "PlacementDecision"), meta.RESTScopeNamespace)
	for _, kind := range []string{"ConfigMap", "Secret", "Event", "Pod"} {
		mapper.Add(corev1.SchemeGroupVersion.WithKind(kind), meta.RESTScopeNamespace)
	}
	mapper.Add(corev1.SchemeGroupVersion.WithKind("Namespace"), meta.RESTScopeRoot)
	return mapper
}

func ocmKind(version metav1.GroupVersion, kind string) schema.GroupVersionKind {
	return schema.GroupVersionKind{Group: version.Group, Version: version.Version, Kind: kind}
}

// Terminal tells whether a person looks at what is written to Out.
func (e *Env) Terminal() bool { return isTerminal(e.Out) }

// Color tells whether what is written to Out may be coloured: a person looks at it, and has not said NO_COLOR (https://no-color.org).
func (e *Env) Color() bool {
	return e.Terminal() && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
}

// Width of the terminal, in columns; 0 when there is none.
func (e *Env) Width() int {
	f, ok := e.Out.(*os.File)
	if !ok {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
