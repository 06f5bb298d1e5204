// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/cmd/vw/listing"
	"vworkspace.io/fleet/cmd/vw/safe"
)

// runClusters shows where each cluster of an Operation stands.
func (g *get) runClusters(ctx context.Context) error {
	r, err := g.env.newReader()
	if err != nil {
		return err
	}
	c, err := g.env.Client()
	if err != nil {
		return err
	}
	wanted := g.names
	if g.of == "" {
		g.of, wanted = g.names[0], nil
	}
	run, err := listing.ReadRun(ctx, c, r, g.namespace, g.of)
	if err != nil {
		return err
	}
	planned := len(run.Clusters)
	run.Clusters = slices.DeleteFunc(run.Clusters, func(c listing.Cluster) bool {
		return !g.filter.Has(string(c.State)) || len(wanted) > 0 && !slices.Contains(wanted, c.Cluster)
	})
	if !g.output.Own() {
		doc, err := document("RunClusters", run)
		if err != nil {
			return err
		}
		doc.SetName(run.Name)
		doc.SetNamespace(run.Namespace)
		return g.output.Print(g.env.Out, doc)
	}
	g.env.notes(run.Notes)
	if len(run.Clusters) == 0 {
		_, err := fmt.Fprintf(g.env.ErrOut, "No cluster of operation %s is as you ask for; it has %d.\n", run.Name, planned)
		return err
	}
	return g.output.PrintTable(g.env.Out, clusterTable(run, g.env.Now(), g.output.Wide()), false)
}

// shownMessage is how much of a message a table shows; -o wide shows all of it.
const shownMessage = 90

func clusterTable(run *listing.Run, now time.Time, full bool) *metav1.Table {
	table := newTable("Group", "Cluster", "State", "Reason", "Instances", "Started", "Took", "Message", "+Attempt", "+Work")
	for i := range run.Clusters {
		c := &run.Clusters[i]
		message := safe.Line(c.Message)
		if !full {
			message = cut(message, shownMessage)
		}
		addRow(table, c.Group, c.Cluster, string(c.State), orDash(c.Reason), orDash(c.Progress()),
			since(c.StartedAt, now), lasted(c.Took(now)), orDash(message), c.Attempt, cmp.Or(c.Work, "-"))
	}
	return table
}

// cut a text to so many characters, with a mark where it was cut.
func cut(text string, to int) string {
	runes := []rune(text)
	if len(runes) <= to {
		return text
	}
	return string(runes[:to-1]) + "…"
}
