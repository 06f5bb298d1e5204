// SPDX-License-Identifier: Apache-2.0

// Command ocm is every Open Cluster Management process that the testbed runs, in one binary:
//
//	ocm registration controller    hub: accepts and watches clusters
//	ocm placement controller       hub: Placement -> PlacementDecision
//	ocm work manager               hub: ManifestWork bookkeeping
//	ocm klusterlet agent           spoke: registration and work in one process
//
// Upstream ships these as three images; one binary links the shared packages once.
package main

import (
	"flag"
	"fmt"
	"os"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	utilflag "k8s.io/component-base/cli/flag"
	"k8s.io/component-base/featuregate"
	"k8s.io/component-base/logs"
	ocmfeature "open-cluster-management.io/api/feature"
	"open-cluster-management.io/ocm/pkg/cmd/hub"
	"open-cluster-management.io/ocm/pkg/cmd/spoke"
	"open-cluster-management.io/ocm/pkg/features"
)

// component is one process: its command line, the hub feature gates that it knows, and how to build it.
type component struct {
	group, verb string
	hubGates    map[featuregate.Feature]featuregate.FeatureSpec
	command     func() *cobra.Command
}

var components = []component{
	{"registration", "controller", ocmfeature.DefaultHubRegistrationFeatureGates, hub.NewRegistrationController},
	{"placement", "controller", nil, hub.NewPlacementController},
	{"work", "manager", ocmfeature.DefaultHubWorkFeatureGates, hub.NewWorkController},
	{"klusterlet", "agent", nil, spoke.NewKlusterletAgentCmd},
}

func main() {
	if len(os.Args) < 3 {
		usage()
	}
	for _, c := range components {
		if c.group == os.Args[1] && c.verb == os.Args[2] {
			run(c)
			return
		}
	}
	usage()
}

// run builds only the command that was asked for: the agents' constructors add flags to a feature gate that all of
// them share, which closes it for the others.
func run(c component) {
	pflag.CommandLine.SetNormalizeFunc(utilflag.WordSepNormalizeFunc)
	pflag.CommandLine.AddGoFlagSet(flag.CommandLine)
	logs.AddFlags(pflag.CommandLine)
	logs.InitLogs()
	defer logs.FlushLogs()

	utilruntime.Must(features.HubMutableFeatureGate.Add(c.hubGates))
	features.HubMutableFeatureGate.AddFlag(pflag.CommandLine)

	group := &cobra.Command{Use: c.group}
	group.AddCommand(c.command())
	root := &cobra.Command{Use: "ocm", SilenceUsage: true}
	root.AddCommand(group)
	if err := root.Execute(); err != nil {
		logs.FlushLogs()
		os.Exit(1)
	}
}

func usage() {
	fmt.Fprintln(os.Stderr, "usage: ocm COMPONENT, one of:")
	for _, c := range components {
		fmt.Fprintf(os.Stderr, "  ocm %s %s\n", c.group, c.verb)
	}
	os.Exit(2)
}
