// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strings"
	"sync"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/remotecommand"
	"k8s.io/streaming/pkg/httpstream"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

const (
	// maxHeard bytes of what an application says are looked at, and maxSaid of them are told.
	maxHeard = 8 << 10
	maxSaid  = 512
)

// remote speaks with applications by way of their cluster's API server: the agent needs no network route to them, and cannot be sent to another
// host.
type remote struct {
	config *rest.Config
	core   *rest.RESTClient
	http   *http.Client
}

func newRemote(config *rest.Config, client *http.Client) (*remote, error) {
	core := rest.CopyConfig(config)
	core.APIPath, core.GroupVersion, core.NegotiatedSerializer = "/api", &corev1.SchemeGroupVersion, clientgoscheme.Codecs.WithoutConversion()
	restClient, err := rest.RESTClientForConfigAndClient(core, client)
	if err != nil {
		return nil, fmt.Errorf("prepare to speak with applications: %w", err)
	}
	// A redirect is the application's, and following it would take the agent's credentials wherever it points.
	stay := *client
	stay.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	return &remote{config: config, core: restClient, http: &stay}, nil
}

// exec runs a command in a container and returns the end of what it printed. The error is an exec.CodeExitError when the command has failed.
func (r *remote) exec(ctx context.Context, namespace, pod, container string, command []string) (string, error) {
	url := r.core.Post().Namespace(namespace).Resource("pods").Name(pod).SubResource("exec").
		VersionedParams(&corev1.PodExecOptions{Container: container, Command: command, Stdout: true, Stderr: true}, clientgoscheme.ParameterCodec).URL()
	// API servers before 1.30 do not speak the WebSocket protocol that says how a command ended, and a Role may allow create (POST) and not get.
	socket, err := remotecommand.NewWebSocketExecutor(r.config, http.MethodGet, url.String())
	if err != nil {
		return "", err
	}
	spdy, err := remotecommand.NewSPDYExecutor(r.config, http.MethodPost, url)
	if err != nil {
		return "", err
	}
	either, err := remotecommand.NewFallbackExecutor(socket, spdy, func(err error) bool {
		return httpstream.IsUpgradeFailure(err) || httpstream.IsHTTPSProxyError(err)
	})
	if err != nil {
		return "", err
	}
	said := &tail{}
	err = either.StreamWithContext(ctx, remotecommand.StreamOptions{Stdout: said, Stderr: said})
	return said.String(), err
}

// tail keeps the end of what is written to it, by several writers.
type tail struct {
	mu   sync.Mutex
	kept []byte
	cut  bool
}

// Write implements io.Writer.
func (t *tail) Write(p []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.kept = append(t.kept, p...)
	if n := len(t.kept) - maxHeard; n > 0 {
		t.kept, t.cut = bytes.Clone(t.kept[n:]), true
	}
	return len(p), nil
}

// String is fit for a message. A line that was cut in two is left out: its beginning may be what tells that the rest is a secret.
func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	kept := t.kept
	if t.cut {
		_, kept, _ = bytes.Cut(kept, []byte("\n"))
	}
	said := presentable(kept)
	if len(said) > maxSaid {
		said = "..." + strings.ToValidUTF8(said[len(said)-maxSaid:], "")
	}
	return said
}

func presentable(raw []byte) string {
	return strings.TrimSpace(engines.Redact(strings.ToValidUTF8(string(raw), "?")))
}

// post sends an empty POST to PORT of a Service and returns what its application answered. An error is that nothing was heard of the application.
func (r *remote) post(ctx context.Context, namespace, service, path string) (status int, said string, err error) {
	url := r.core.Post().Namespace(namespace).Resource("services").Name(service).SubResource("proxy").URL()
	url.Path += path
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url.String(), http.NoBody)
	if err != nil {
		return 0, "", err
	}
	response, err := r.http.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer response.Body.Close()
	raw, err := io.ReadAll(io.LimitReader(response.Body, maxHeard))
	if err != nil {
		return 0, "", fmt.Errorf("read the answer: %w", err)
	}
	if words := apiServers(raw); words != "" {
		return 0, "", errors.New(words)
	}
	return response.StatusCode, opsv1alpha1.Truncate(presentable(raw), maxSaid), nil
}

// apiServers are the API server's own words when the answer is its, and not the application's.
func apiServers(answer []byte) string {
	var status metav1.Status
	if json.Unmarshal(answer, &status) != nil || status.Kind != "Status" || status.APIVersion != "v1" || status.Status != metav1.StatusFailure {
		return ""
	}
	return "the API server says: " + status.Message
}
