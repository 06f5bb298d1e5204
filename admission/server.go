// SPDX-License-Identifier: Apache-2.0

package admission

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"strconv"

	admissionregistrationv1 "k8s.io/api/admissionregistration/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/webhook"
	"sigs.k8s.io/controller-runtime/pkg/webhook/admission"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Where the API server asks. The webhook configurations in the charts name them.
const (
	PathStamp              = "/stamp"
	PathValidateOperations = "/validate/operations"
	PathValidateInstances  = "/validate/applicationinstances"
	PathValidateTemplates  = "/validate/operationtemplates"
)

// Options of the server.
type Options struct {
	// BindAddress is HOST:PORT to serve on, such as :9443; nothing is served when it is empty or 0.
	BindAddress string
	// Name is that of the Service that the API server reaches us by, of the Secret with the certificates, and of both webhook configurations.
	Name string
	// Namespace of the Service and the Secret.
	Namespace string
	// CertDir is a folder with tls.crt and tls.key that somebody else renews. The Secret and the webhook configurations are then left alone.
	CertDir string

	// Operations, Instances and Templates are the rules for objects that are created or changed.
	Operations, Instances, Templates []Rule

	// Clock tells the time. Default the system's.
	Clock clock.WithTicker
}

// Server answers the API server. Make it before the manager, which takes what is in WebhookServer; Setup does the rest.
type Server struct {
	options Options
	host    string
	port    int
	keeper  *keeper // nil when the certificates are files
}

// New checks the options. The server of options that serve nothing does nothing.
func New(o Options) (*Server, error) {
	s := &Server{options: o}
	if !s.Serves() {
		return s, nil
	}
	host, port, err := net.SplitHostPort(o.BindAddress)
	if err == nil {
		s.host = host
		s.port, err = strconv.Atoi(port)
	}
	if err != nil || s.port < 1 || s.port > 65535 {
		return nil, fmt.Errorf("admission: the address %q is not HOST:PORT or :PORT", o.BindAddress)
	}
	if o.Name == "" || o.Namespace == "" {
		return nil, errors.New("admission: the name and the namespace of the Service are required")
	}
	if s.options.Clock == nil {
		s.options.Clock = clock.RealClock{}
	}
	if o.CertDir == "" {
		s.keeper = &keeper{secret: types.NamespacedName{Namespace: o.Namespace, Name: o.Name}, names: s.names(), clock: s.options.Clock}
	}
	return s, nil
}

// Serves tells whether anything is served.
func (s *Server) Serves() bool { return s.options.BindAddress != "" && s.options.BindAddress != "0" }

// names that the certificate is for: those of the Service, and an address when that is the only one that is served on.
func (s *Server) names() []string {
	service := s.options.Name + "." + s.options.Namespace
	names := []string{service + ".svc", service + ".svc.cluster.local"}
	if ip := net.ParseIP(s.host); ip != nil && !ip.IsUnspecified() {
		names = append(names, s.host)
	}
	return names
}

// WebhookServer is for the options of the manager; nil when nothing is served.
func (s *Server) WebhookServer() webhook.Server {
	if !s.Serves() {
		return nil
	}
	return webhook.NewServer(webhook.Options{Host: s.host, Port: s.port, CertDir: s.options.CertDir, TLSOpts: []func(*tls.Config){func(c *tls.Config) {
		c.MinVersion = tls.VersionTLS12
		if s.keeper != nil {
			c.GetCertificate = s.keeper.certificate
		}
	}}})
}

// Setup adds what is served to a manager, with the readiness check "admission".
func (s *Server) Setup(mgr ctrl.Manager) error {
	if !s.Serves() {
		return nil
	}
	scheme := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{corev1.AddToScheme, admissionregistrationv1.AddToScheme, opsv1alpha1.AddToScheme, appsv1alpha1.AddToScheme} {
		if err := add(scheme); err != nil {
			return fmt.Errorf("admission: register types: %w", err)
		}
	}
	server := mgr.GetWebhookServer()
	server.Register(PathStamp, &admission.Webhook{Handler: admission.HandlerFunc(stamp)})
	decoder := admission.NewDecoder(scheme)
	for path, v := range map[string]validator{
		PathValidateOperations: {kind: opsKind("Operation"), empty: func() client.Object { return &opsv1alpha1.Operation{} }, rules: s.options.Operations},
		PathValidateTemplates:  {kind: opsKind("OperationTemplate"), empty: func() client.Object { return &opsv1alpha1.OperationTemplate{} }, rules: s.options.Templates},
		PathValidateInstances: {
			kind:  schema.GroupKind{Group: appsv1alpha1.GroupVersion.Group, Kind: "ApplicationInstance"},
			empty: func() client.Object { return &appsv1alpha1.ApplicationInstance{} }, rules: s.options.Instances,
		},
	} {
		v.decoder, v.cache, v.live = decoder, mgr.GetClient(), mgr.GetAPIReader()
		server.Register(path, &admission.Webhook{Handler: v})
	}
	if s.keeper == nil {
		return mgr.AddReadyzCheck("admission", server.StartedChecker())
	}
	c, err := client.New(mgr.GetConfig(), client.Options{Scheme: scheme})
	if err != nil {
		return fmt.Errorf("admission: make a client: %w", err)
	}
	s.keeper.client = c
	if err := mgr.Add(s.keeper); err != nil {
		return fmt.Errorf("admission: add the keeper of the certificates: %w", err)
	}
	return mgr.AddReadyzCheck("admission", s.keeper.Check)
}

func opsKind(kind string) schema.GroupKind {
	return schema.GroupKind{Group: opsv1alpha1.GroupVersion.Group, Kind: kind}
}
