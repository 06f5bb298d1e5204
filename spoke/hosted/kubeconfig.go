// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"errors"
	"fmt"
	"os"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/client-go/rest"
	"k8s.io/client-go/tools/clientcmd"
)

// accept refuses a kubeconfig that would run a program in this process' place, or read this process' files: whoever may write a Secret must
// not gain what the process has. Nothing of the kubeconfig is in the error.
func accept(config *rest.Config) error {
	tls := config.TLSClientConfig
	var errs []error
	for _, c := range []struct {
		set        bool
		field, fix string
	}{
		{config.ExecProvider != nil, "users[].user.exec", "give a token or a client certificate; a program is not run here"},
		{config.AuthProvider != nil, "users[].user.auth-provider", "give a token or a client certificate"},
		{config.BearerTokenFile != "", "users[].user.tokenFile", "use token, and put the token itself into the Secret"},
		{tls.CertFile != "", "users[].user.client-certificate", "use client-certificate-data"},
		{tls.KeyFile != "", "users[].user.client-key", "use client-key-data"},
		{tls.CAFile != "", "clusters[].cluster.certificate-authority", "use certificate-authority-data"},
	} {
		if c.set {
			errs = append(errs, fmt.Errorf("kubeconfig: %s cannot be used in a hosted cluster's Secret: %s", c.field, c.fix))
		}
	}
	if config.Host == "" {
		errs = append(errs, errors.New("kubeconfig: clusters[].cluster.server is missing: name the API server, such as https://spoke1.example.com:6443"))
	}
	return errors.Join(errs...)
}

// withoutFiles transforms a Secret on its way into the cache: where its kubeconfig names files, it names others that are harmless. client-go reads and
// opens what a kubeconfig names while it makes a rest.Config of it, before accept is asked; a file that has no end would be the end of this process.
// What accept refuses stays what it refuses.
func withoutFiles(o any) (any, error) {
	secret, ok := o.(*corev1.Secret)
	if !ok {
		return o, nil // a tombstone
	}
	raw, found := secret.Data[SecretKey]
	if !found {
		return o, nil
	}
	kubeconfig, err := clientcmd.Load(raw)
	if err != nil {
		return o, nil //nolint:nilerr // whoever makes a rest.Config of it says so
	}
	harmless := func(path *string) {
		if *path != "" {
			*path = os.DevNull
		}
	}
	for _, c := range kubeconfig.Clusters {
		harmless(&c.CertificateAuthority)
	}
	for _, u := range kubeconfig.AuthInfos {
		harmless(&u.ClientCertificate)
		harmless(&u.ClientKey)
		harmless(&u.TokenFile)
	}
	if raw, err = clientcmd.Write(*kubeconfig); err != nil {
		return nil, fmt.Errorf("kubeconfig: %w", err)
	}
	secret.Data[SecretKey] = raw
	return secret, nil
}

// unlimited leaves the pace to the API server's priority and fairness, as the agent of one cluster does.
func unlimited(config *rest.Config) {
	if config.QPS == 0 {
		config.QPS = -1
	}
}
