// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"errors"
	"fmt"
	"io"
	"time"
)

// DefaultTimeout is how long Up waits for a fleet whose binaries exist.
const DefaultTimeout = 3 * time.Minute

// maxClusters is a typing error's distance: a spoke takes about 0.7 GB.
const maxClusters = 50

// Options says what fleet Up starts.
type Options struct {
	// Dir is the fleet's folder; a new temporary one, which Down removes, if empty. It may hold a dead fleet, which
	// is removed, but nothing else.
	Dir string
	// Clusters is how many spokes join the hub: spoke1, spoke2, ... A hub alone, with OCM's controllers, if 0.
	Clusters int
	// Engines are those whose executors run on each spoke, of AllEngines; all of them if nil.
	Engines []string
	// Bare leaves every controller out: what runs are etcd and the API servers, with the CRDs of Open Cluster Management and of the engines. It is
	// for tests that play the controllers.
	Bare bool
	// AddOns runs Open Cluster Management's add-on manager on the hub too.
	AddOns bool
	// GRPC is how many of the clusters, the last of them, reach the hub by Open Cluster Management's gRPC server and not by its API server: their
	// agents register, report and get their works there, and have no kubeconfig of the hub. See grpc.go.
	GRPC int
	// Charts are folders of Helm charts to serve: a chart, FOLDER/NAME or FOLDER/NAME/VERSION.
	Charts []string
	// Progress gets a line for everything that is built or becomes ready; nil for none.
	Progress io.Writer
	// Timeout bounds the start, without the time to build binaries; DefaultTimeout if 0.
	Timeout time.Duration
}

// complete checks the options and fills in defaults.
func (o *Options) complete() error {
	if o.Clusters < 0 || o.Clusters > maxClusters {
		return fmt.Errorf("clusters: %d is not between 0 and %d", o.Clusters, maxClusters)
	}
	if o.GRPC < 0 || o.GRPC > o.Clusters {
		return fmt.Errorf("grpc: %d is not between 0 and the %d clusters that there are", o.GRPC, o.Clusters)
	}
	if o.GRPC > 0 && o.Bare {
		return errors.New("grpc: a bare fleet has no agents to reach the hub; leave one of the two out")
	}
	if o.Engines == nil {
		o.Engines = AllEngines
	}
	if err := checkEngines(o.Engines); err != nil {
		return err
	}
	if o.Timeout < 0 {
		return errors.New("timeout: must not be negative")
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	return nil
}
