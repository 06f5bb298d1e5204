// SPDX-License-Identifier: Apache-2.0

package main

import (
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"vworkspace.io/fleet/e2e/testbed"
)

func newCommand() *cobra.Command {
	root := &cobra.Command{
		Use:   "testbed",
		Short: "A local fleet of real Kubernetes control planes, as plain processes on loopback",
		Long: "A hub and spokes of real Kubernetes, joined by Open Cluster Management, with Flux, Velero,\n" +
			"Argo Workflows and VolSync on each spoke.\n" +
			"No containers and no root; Pods are simulated by KWOK.",
		SilenceUsage:  true,
		SilenceErrors: true,
	}
	root.AddCommand(upCommand(), downCommand(), assetsCommand())
	return root
}

func upCommand() *cobra.Command {
	var o upOptions
	c := &cobra.Command{
		Use:   "up",
		Short: "Start a fleet and supervise it until Ctrl-C",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if o.detach {
				return detach(c.Context(), o, c.OutOrStdout())
			}
			return up(c.Context(), o, c.OutOrStdout())
		},
	}
	c.Flags().StringVar(&o.dir, "dir", "", "the fleet's folder; a temporary one if empty")
	c.Flags().IntVar(&o.clusters, "clusters", 3, "how many spokes join the hub")
	c.Flags().IntVar(&o.grpc, "grpc", 0, "how many of them, the last ones, reach the hub by Open Cluster Management's gRPC server instead of its API server")
	c.Flags().StringSliceVar(&o.charts, "charts", nil, "folders of Helm charts to serve: a chart, NAME or NAME/VERSION below")
	c.Flags().StringSliceVar(&o.engines, "engines", testbed.AllEngines, "engines whose executors run on each spoke; --engines= for none")
	c.Flags().DurationVar(&o.timeout, "timeout", testbed.DefaultTimeout, "how long the start may take, without building")
	c.Flags().BoolVar(&o.detach, "detach", false, "return when the fleet is up, and leave it running until `testbed down`")
	c.Flags().BoolVar(&o.detached, detachedFlag, false, "this is the background process of --detach")
	if err := c.Flags().MarkHidden(detachedFlag); err != nil {
		panic(err) // a flag that is not there
	}
	return c
}

func downCommand() *cobra.Command {
	var dir string
	c := &cobra.Command{
		Use:   "down",
		Short: "Stop the fleet in a folder",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			state, err := testbed.ReadState(dir)
			if err != nil {
				return err
			}
			if state == nil {
				return fmt.Errorf("%s holds no fleet", dir)
			}
			if err := testbed.Down(c.Context(), dir); err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), "fleet is down; its logs are in", filepath.Join(dir, "logs"))
			return nil
		},
	}
	c.Flags().StringVar(&dir, "dir", "", "the fleet's folder")
	if err := c.MarkFlagRequired("dir"); err != nil {
		panic(err) // a flag that is not there
	}
	return c
}

func assetsCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "assets",
		Short: "Build every binary of the testbed and print the folder (for KUBEBUILDER_ASSETS)",
		Args:  cobra.NoArgs,
		RunE: func(c *cobra.Command, _ []string) error {
			if err := testbed.Build(c.Context(), c.ErrOrStderr()); err != nil {
				return err
			}
			dir, err := testbed.Assets(c.Context(), c.ErrOrStderr())
			if err != nil {
				return err
			}
			fmt.Fprintln(c.OutOrStdout(), dir)
			return nil
		},
	}
}
