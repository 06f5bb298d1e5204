// SPDX-License-Identifier: Apache-2.0

package hosted

import (
	"errors"
	"fmt"

	"k8s.io/client-go/rest"
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

// unlimited leaves the pace to the API server's priority and fairness, as the agent of one cluster does.
func unlimited(config *rest.Config) error {
	if config.QPS == 0 {
		config.QPS = -1
	}
	return nil
}
