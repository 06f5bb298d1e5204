// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"os"
	"testing"

	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/apiserver"
	"vworkspace.io/fleet/hub"
)

// One real API server for the tests that need one.
var (
	apiConfig *rest.Config
	api       client.Client // reads and writes past every cache
)

func TestMain(m *testing.M) { os.Exit(apiserver.Main(m, setUp)) }

func setUp(s *apiserver.Server) (err error) {
	apiConfig = s.Config
	api, err = client.New(apiConfig, client.Options{Scheme: hub.NewScheme()})
	return err
}
