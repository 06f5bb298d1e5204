// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"strings"
	"testing"

	"k8s.io/client-go/rest"
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
