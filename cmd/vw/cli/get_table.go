// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"cmp"
	"context"
	"fmt"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/duration"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/cmd/vw/light"
	"vworkspace.io/fleet/cmd/vw/listing"
	"vworkspace.io/fleet/cmd/vw/safe"
)

// table of what there is now, for people.
func (g *get) table(ctx context.Context) error {
	r, err := g.env.newReader()
	if err != nil {
		return err
	}
	table, _, err := g.readTable(ctx, r)
	if err != nil {
		return err
	}
	if len(table.Rows) == 0 {
		return g.nothing()
	}
	return g.output.PrintTable(g.env.Out, table, g.all && g.resource.Namespaced)
}

// nothing was found; that is no error, and what is piped stays empty.
func (g *get) nothing() error {
	where := ""
	if g.resource.Namespaced {
		if where = " in namespace " + g.namespace; g.namespace == "" {
			where = " in any namespace"
		}
	}
	_, err := fmt.Fprintf(g.env.ErrOut, "No %s found%s.\n", g.resource.Resource, where)
	return err
}

// readTable and the resource version that it is of.
func (g *get) readTable(ctx context.Context, r *light.Reader) (*metav1.Table, string, error) {
	if g.resource.Kind == listing.Operations {
		return g.operations(ctx, r)
	}
	table, err := r.Table(ctx, g.resource.Kind, g.query(), g.names...)
	if err != nil && strings.HasSuffix(g.resource.Group, "open-cluster-management.io") {
		err = noHub(err)
	}
	if err != nil {
		return nil, "", err
	}
	return table, table.ResourceVersion, nil
}

func (g *get) operations(ctx context.Context, r *light.Reader) (*metav1.Table, string, error) {
	operations, version, err := g.readOperations(ctx, r)
	if err != nil {
		return nil, "", err
	}
	if err := listing.Sort(operations, g.sortBy, g.env.Now()); err != nil {
		return nil, "", err
	}
	table := operationTable()
	for i := range operations {
		if g.filter.Has(operations[i].State()) {
			table.Rows = append(table.Rows, operationRow(&operations[i], g.env.Now()))
		}
	}
	return table, version, nil
}

func (g *get) readOperations(ctx context.Context, r *light.Reader) (operations []listing.Operation, version string, err error) {
	if len(g.names) == 0 {
		return light.List[listing.Operation](ctx, r, listing.Operations, g.query())
	}
	for _, name := range g.names {
		op, err := light.Get[listing.Operation](ctx, r, listing.Operations, g.namespace, name)
		if isMissing(err) {
			c, err := g.env.Client()
			if err != nil {
				return nil, "", err
			}
			return nil, "", noOperation(ctx, c, g.namespace, name)
		}
		if err != nil {
			return nil, "", err
		}
		operations = append(operations, *op)
	}
	return operations, "", nil
}

// operationTable is the head of a table of Operations.
func operationTable() *metav1.Table {
	return newTable("Name", "Type", "Template", "Phase", "Progress", "Reason", "Age", "+Started", "+Took", "+Group", "+Requested by", "+Message")
}

func operationRow(o *listing.Operation, now time.Time) metav1.TableRow {
	return metav1.TableRow{
		Cells: []any{
			o.Metadata.Name, string(o.Spec.Type), orDash(o.Template()), string(o.Phase()), orDash(o.Progress()), orDash(o.Status.Reason),
			since(&o.Metadata.CreationTimestamp, now), since(o.Status.StartedAt, now), lasted(o.Took(now)),
			orDash(o.Status.Rollout.Group), orDash(o.RequestedBy()), orDash(safe.Line(o.Status.Message)),
		},
		Object: rowObject(o.Metadata.Namespace, o.Metadata.Name),
	}
}

// rowObject is where printers find the namespace of a row.
func rowObject(namespace, name string) runtime.RawExtension {
	return runtime.RawExtension{Object: &metav1.PartialObjectMetadata{ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: name}}}
}

func orDash(s string) string { return cmp.Or(s, "-") }

// since a time, as kubectl writes ages; a dash when it is not known.
func since(t *metav1.Time, now time.Time) string {
	if t == nil || t.IsZero() {
		return "-"
	}
	return duration.HumanDuration(max(now.Sub(t.Time), 0))
}

// lasted is a duration for people; a dash for none.
func lasted(d time.Duration) string {
	if d == 0 {
		return "-"
	}
	return duration.HumanDuration(d)
}
