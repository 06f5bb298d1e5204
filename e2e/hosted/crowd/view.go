// SPDX-License-Identifier: Apache-2.0

package crowd

import (
	"bytes"
	"fmt"
	"io"
	"net/http"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"

	"k8s.io/client-go/rest"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"
)

// Namespace is the one namespace of each logical cluster. Those of the API server have names of the same length, so that one can be put in the place of
// the other in any encoding.
const Namespace = "logical-shop"

// physical is the name of a logical cluster's namespace on the API server.
func physical(n int) string { return fmt.Sprintf("logical-%04d", n) }

// unscoped are the resources without a namespace that the agent, or its clients, read.
var unscoped = []string{
	"namespaces", "nodes", "persistentvolumes", "operationtemplates", "agentpolicies", "freezes", "clusterroles", "clusterrolebindings",
	"validatingadmissionpolicies", "validatingadmissionpolicybindings", "customresourcedefinitions", "storageclasses", "volumesnapshotclasses",
	"clusterworkflowtemplates",
}

// view is an API server as a logical cluster shows it. Its requests carry their own credentials.
type view struct {
	namespace string
	proxy     httputil.ReverseProxy
}

func newView(server *rest.Config, namespace string, transport http.RoundTripper) (*view, error) {
	to, err := url.Parse(server.Host)
	if err != nil {
		return nil, err
	}
	v := &view{namespace: namespace}
	v.proxy = httputil.ReverseProxy{
		Transport: transport, ModifyResponse: v.answered, FlushInterval: -1,
		// Clients break watches off all the time: it is theirs to say when that is wrong.
		ErrorHandler: func(w http.ResponseWriter, _ *http.Request, err error) {
			http.Error(w, err.Error(), http.StatusBadGateway)
		},
		Rewrite: func(r *httputil.ProxyRequest) {
			r.SetURL(to)
			r.Out.Header.Del("Accept-Encoding") // what is compressed cannot be rewritten
		},
	}
	return v, nil
}

// ServeHTTP implements http.Handler.
func (v *view) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if strings.HasPrefix(r.URL.Path, "/apis/"+clusterv1alpha1.GroupName) {
		http.NotFound(w, r) // claims have no namespace: a cluster that no hub has joined
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	r.Body = io.NopCloser(bytes.NewReader(v.in(body)))
	r.ContentLength = int64(len(body))
	for _, values := range r.Header { // who is impersonated
		for i := range values {
			values[i] = string(v.in([]byte(values[i])))
		}
	}
	r.URL.Path, r.URL.RawPath = v.path(r.Method, string(v.in([]byte(r.URL.Path)))), ""
	r.URL.RawQuery = string(v.in([]byte(r.URL.RawQuery)))
	if r.URL.Path == "/api/v1/namespaces" && r.Method == http.MethodGet {
		q := r.URL.Query()
		q.Set("fieldSelector", "metadata.name="+v.namespace)
		r.URL.RawQuery = q.Encode()
	}
	v.proxy.ServeHTTP(w, r)
}

// path of a request to all namespaces is one to the one that there is.
func (v *view) path(method, path string) string {
	parts := strings.Split(strings.TrimPrefix(path, "/"), "/")
	n := 3 // api/VERSION/RESOURCE
	if parts[0] == "apis" {
		n = 4
	}
	if method != http.MethodGet || len(parts) != n || slices.Contains(unscoped, parts[n-1]) {
		return path
	}
	return "/" + strings.Join(append(parts[:n-1:n-1], "namespaces", v.namespace, parts[n-1]), "/")
}

// in and out put one name in the place of the other.
func (v *view) in(b []byte) []byte {
	return bytes.ReplaceAll(b, []byte(Namespace), []byte(v.namespace))
}

func (v *view) out(b []byte) []byte {
	return bytes.ReplaceAll(b, []byte(v.namespace), []byte(Namespace))
}

func (v *view) answered(res *http.Response) error {
	if res.StatusCode == http.StatusOK && res.Request.URL.Query().Get("watch") != "" {
		res.Body = newStream(res.Body, strings.Contains(res.Header.Get("Content-Type"), "protobuf"), v.out)
		return nil
	}
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	if err != nil {
		return err
	}
	res.Body = io.NopCloser(bytes.NewReader(v.out(body)))
	return nil
}
