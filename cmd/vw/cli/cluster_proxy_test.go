// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"testing"

	authenticationv1 "k8s.io/api/authentication/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/rest"

	"vworkspace.io/fleet/cmd/vw/reach"
)

// fakeUserServer stands in for cluster-proxy's user server and for all that lies behind it: a tunnel to a cluster. It speaks the form of its paths, /CLUSTER/REST,
// and hands the caller's Authorization on to an API server, as cluster-proxy v0.10.0 does (pkg/userserver, pkg/utils). It returns its URL and a file with the
// certificate that a caller has to trust.
func fakeUserServer(t *testing.T, cluster string) (address, ca string) {
	t.Helper()
	target, err := url.Parse(server.Config.Host)
	if err != nil {
		t.Fatal(err)
	}
	transport, err := rest.TransportFor(rest.AnonymousClientConfig(server.Config))
	if err != nil {
		t.Fatal(err)
	}
	fake := httptest.NewTLSServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		parts := strings.SplitN(r.RequestURI, "/", 3)
		if len(parts) < 3 || parts[1] != cluster {
			http.Error(w, "proxy to anp-proxy-server failed: no agent of "+parts[1], http.StatusBadGateway)
			return
		}
		proxy := httputil.ReverseProxy{Transport: transport, Rewrite: func(p *httputil.ProxyRequest) {
			p.SetURL(target)
			p.Out.URL.Path = "/" + strings.SplitN(parts[2], "?", 2)[0]
			p.Out.URL.RawPath = ""
		}}
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(fake.Close)
	ca = filepath.Join(t.TempDir(), "ca.crt")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: fake.Certificate().Raw}), 0o600); err != nil {
		t.Fatal(err)
	}
	return fake.URL, ca
}

// managedServiceAccount puts the token of a ServiceAccount with rights on the cluster where Open Cluster Management's managed-serviceaccount would.
func managedServiceAccount(t *testing.T, cluster string) {
	t.Helper()
	account := &corev1.ServiceAccount{ObjectMeta: metav1.ObjectMeta{Namespace: cluster, Name: reach.DefaultManagedServiceAccount}}
	mustCreate(t, account)
	mustCreate(t, &rbacv1.ClusterRoleBinding{
		ObjectMeta: metav1.ObjectMeta{Name: cluster}, RoleRef: rbacv1.RoleRef{Kind: "ClusterRole", Name: "cluster-admin"},
		Subjects: []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: cluster, Name: account.Name}},
	})
	request := &authenticationv1.TokenRequest{}
	if err := api.SubResource("token").Create(t.Context(), account, request); err != nil {
		t.Fatal(err)
	}
	mustCreate(t, &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: cluster, Name: account.Name}, Data: map[string][]byte{
		corev1.ServiceAccountTokenKey: []byte(request.Status.Token), corev1.ServiceAccountRootCAKey: server.Config.CAData,
	}})
}

// TestDescribeThroughClusterProxy: no kubeconfig leads to the cluster, and the hub does.
func TestDescribeThroughClusterProxy(t *testing.T) {
	d := deliver(t)
	address, ca := fakeUserServer(t, d.cluster)
	managedServiceAccount(t, d.cluster)
	allowed(t, "system:serviceaccount:"+d.cluster+":"+reach.DefaultManagedServiceAccount, "default")
	c := d.describe(t, contexts(t, "hub"), "--cluster-proxy", address, "--cluster-proxy-ca", ca)
	if got, want := steps(c), "operation plan work cluster workAgent delivery agent clusterOperation instance target"; got != want || c.Through != "cluster-proxy as ManagedServiceAccount vworkspace-vw" {
		t.Errorf("%s through %q, not seen %q; want %s", got, c.Through, c.Unseen, want)
	}
}
