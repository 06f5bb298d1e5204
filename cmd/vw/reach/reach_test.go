// SPDX-License-Identifier: Apache-2.0

package reach

import (
	"path/filepath"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
)

// kubeconfig with contexts, whose servers are named as they are.
func kubeconfig(names ...string) clientcmdapi.Config {
	c := *clientcmdapi.NewConfig()
	for _, name := range names {
		c.Clusters[name] = &clientcmdapi.Cluster{Server: "https://" + name}
		c.AuthInfos[name] = &clientcmdapi.AuthInfo{Token: "of-" + name}
		c.Contexts[name] = &clientcmdapi.Context{Cluster: name, AuthInfo: name}
		c.CurrentContext = name
	}
	return c
}

// file of a kubeconfig.
func file(t *testing.T, c clientcmdapi.Config) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "kubeconfig")
	if err := clientcmd.WriteToFile(c, path); err != nil {
		t.Fatal(err)
	}
	return path
}

func secret(namespace, name, token string) *corev1.Secret {
	return &corev1.Secret{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}, Data: map[string][]byte{"token": []byte(token), "ca.crt": []byte("the cluster's own")}}
}

func TestTo(t *testing.T) {
	noContext := kubeconfig("x")
	noContext.CurrentContext = ""
	for name, c := range map[string]struct {
		options           Options
		host, through     string
		token, why, wrong string
	}{
		"named as the cluster": {Options{}, "https://eu-7", "context eu-7", "of-eu-7", "", ""},
		"context":              {Options{Context: "other"}, "https://other", "context other", "of-other", "", ""},
		"no such context":      {Options{Context: "nope"}, "", "", "", "", `--spoke-context: there is no context "nope": there are eu-7, hub, other`},
		"file":                 {Options{Kubeconfig: file(t, kubeconfig("there"))}, "https://there", "(context there)", "of-there", "", ""},
		"context of a file":    {Options{Kubeconfig: file(t, kubeconfig("a", "b")), Context: "a"}, "https://a", "(context a)", "of-a", "", ""},
		"file without current": {Options{Kubeconfig: file(t, noContext)}, "", "", "", "", "has no current context: name one by --spoke-context"},
		"no such file":         {Options{Kubeconfig: "/nope"}, "", "", "", "", "--spoke-kubeconfig: "},
		"proxy":                {Options{ClusterProxy: "https://proxy:9092/", ManagedServiceAccount: "msa"}, "https://proxy:9092/eu-7", "cluster-proxy as ManagedServiceAccount msa", "tok", "", ""},
		"proxy, no token yet":  {Options{ClusterProxy: "https://proxy", ManagedServiceAccount: "empty"}, "", "", "", "", "Secret eu-7/empty holds no token yet"},
		"proxy, no account":    {Options{ClusterProxy: "https://proxy", ManagedServiceAccount: "nope"}, "", "", "", "", "create a ManagedServiceAccount nope in namespace eu-7"},
		"proxy and context":    {Options{ClusterProxy: "https://proxy", Context: "hub"}, "", "", "", "", "choose one"},
		"proxy, not https":     {Options{ClusterProxy: "proxy:9092"}, "", "", "", "", "is no https URL"},
		"proxy with a path":    {Options{ClusterProxy: "https://proxy/eu-7"}, "", "", "", "", "leave it out"},
	} {
		t.Run(name, func(t *testing.T) {
			hub := fake.NewClientBuilder().WithObjects(secret("eu-7", "msa", "tok"), secret("eu-7", "empty", "")).Build()
			way, _, err := To(t.Context(), c.options, "eu-7", kubeconfig("hub", "eu-7", "other"), hub)
			if c.wrong != "" {
				if err == nil || !strings.Contains(err.Error(), c.wrong) {
					t.Fatalf("got %v, want %q", err, c.wrong)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if way.Config.Host != c.host || way.Config.BearerToken != c.token || !strings.HasSuffix(way.Through, c.through) {
				t.Errorf("%s with token %q through %q, want %s, %q, %q", way.Config.Host, way.Config.BearerToken, way.Through, c.host, c.token, c.through)
			}
		})
	}
}

func TestNoWay(t *testing.T) {
	way, why, err := To(t.Context(), Options{}, "eu-7", kubeconfig("hub"), fake.NewFakeClient())
	if err != nil || way != nil {
		t.Fatalf("got %+v, %v", way, err)
	}
	for _, flag := range []string{"--spoke-context", "--spoke-kubeconfig", "--cluster-proxy"} {
		if !strings.Contains(why, flag) {
			t.Errorf("%q does not say %s", why, flag)
		}
	}
}
