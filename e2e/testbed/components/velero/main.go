// SPDX-License-Identifier: Apache-2.0

// Command velero is Velero's own command. It differs in one setting that Velero gives no flag for: its controller manager opens a second
// metrics server on port 8080 of every address, which only one Velero per machine could have.
package main

import (
	"os"

	"github.com/vmware-tanzu/velero/pkg/cmd/velero"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"
)

func main() {
	metricsserver.DefaultBindAddress = "0"
	if err := velero.NewCommand("velero").Execute(); err != nil {
		os.Exit(1)
	}
}
