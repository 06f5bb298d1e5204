// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"path/filepath"
	"reflect"
	"strings"
	"syscall"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	clientcmdapi "k8s.io/client-go/tools/clientcmd/api"
)

// A Secret must not make the process run a program or read a file of its own.
func TestKubeconfigsThatAreRefused(t *testing.T) {
	const secret = "s3cr3t"
	for want, config := range map[string]*rest.Config{
		"users[].user.exec":                        {Host: "https://h", ExecProvider: &clientcmdapi.ExecConfig{Command: secret}},
		"users[].user.auth-provider":               {Host: "https://h", AuthProvider: &clientcmdapi.AuthProviderConfig{Name: secret}},
		"users[].user.tokenFile":                   {Host: "https://h", BearerTokenFile: secret},
		"users[].user.client-certificate":          {Host: "https://h", TLSClientConfig: rest.TLSClientConfig{CertFile: secret}},
		"users[].user.client-key":                  {Host: "https://h", TLSClientConfig: rest.TLSClientConfig{KeyFile: secret}},
		"clusters[].cluster.certificate-authority": {Host: "https://h", TLSClientConfig: rest.TLSClientConfig{CAFile: secret}},
		"clusters[].cluster.server is missing":     {BearerToken: secret},
	} {
		err := accept(config)
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want an error about %s", err, want)
		} else if strings.Contains(err.Error(), secret) {
			t.Errorf("the error tells what is in the kubeconfig: %v", err)
		}
	}
	if err := accept(&rest.Config{Host: "https://h", BearerToken: secret, TLSClientConfig: rest.TLSClientConfig{CAData: []byte("x")}}); err != nil {
		t.Errorf("a token was refused: %v", err)
	}
}

// A kubeconfig that names files has none of them opened, and is refused for each.
func TestFilesAreNotRead(t *testing.T) {
	pipe := filepath.Join(t.TempDir(), "pipe") // whose reading would never end
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	raw, err := clientcmd.Write(clientcmdapi.Config{
		Clusters:       map[string]*clientcmdapi.Cluster{"c": {Server: "https://h", CertificateAuthority: pipe}},
		AuthInfos:      map[string]*clientcmdapi.AuthInfo{"u": {TokenFile: pipe, ClientCertificate: pipe, ClientKey: pipe}},
		Contexts:       map[string]*clientcmdapi.Context{"c": {Cluster: "c", AuthInfo: "u"}},
		CurrentContext: "c",
	})
	if err != nil {
		t.Fatal(err)
	}
	held, err := withoutFiles(&corev1.Secret{Data: map[string][]byte{SecretKey: raw}})
	if err != nil {
		t.Fatal(err)
	}
	refused := make(chan error, 1)
	go func() {
		config, err := clientcmd.RESTConfigFromKubeConfig(held.(*corev1.Secret).Data[SecretKey])
		if err == nil {
			err = accept(config)
		}
		refused <- err
	}()
	select {
	case err := <-refused:
		for _, field := range []string{"tokenFile", "client-certificate", "client-key", "certificate-authority"} {
			if err == nil || !strings.Contains(err.Error(), field) {
				t.Errorf("got %v, want an error about %s", err, field)
			}
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it reads a file that a Secret names")
	}
	for _, what := range []any{&corev1.Secret{}, &corev1.Secret{Data: map[string][]byte{SecretKey: []byte("{")}}, cache.DeletedFinalStateUnknown{}} {
		if same, err := withoutFiles(what); err != nil || !reflect.DeepEqual(same, what) {
			t.Errorf("%v became %v: %v", what, same, err)
		}
	}
}
