// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/watch"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"vworkspace.io/fleet/cmd/vw/light"
	"vworkspace.io/fleet/cmd/vw/listing"
	"vworkspace.io/fleet/cmd/vw/safe"
)

// watchAgain is how long it takes breath before a watch that has ended is begun again.
const watchAgain = time.Second

// follow prints what there is, and each row again as it changes, until it is interrupted. A watch that ends is begun again where it was. When that cannot be, or
// the API server was away, everything is listed anew, and only what is different is printed.
func (g *get) follow(ctx context.Context) error {
	r, err := g.env.newReader()
	if err != nil {
		return err
	}
	f := &follower{get: g, reader: r, printed: map[string]string{}}
	version, err := f.list(ctx)
	if err != nil {
		return err // bad input, or nobody there
	}
	for {
		if version == "" {
			version, err = f.list(ctx)
		} else {
			version, err = f.watch(ctx, version)
		}
		switch {
		case ctx.Err() != nil:
			return nil //nolint:nilerr // interrupted: that is how it ends
		case refused(err):
			return err
		case err != nil:
			version = ""
			fmt.Fprintf(g.env.ErrOut, "Note: %v; trying again.\n", err)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(watchAgain):
		}
	}
}

// refused tells whether trying again does not help.
func refused(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsUnauthorized(err) || apierrors.IsNotFound(err)
}

// follower prints rows that have changed.
type follower struct {
	*get
	reader  *light.Reader
	printed map[string]string // by namespace and name: what was printed last
	widths  []int
	columns []metav1.TableColumnDefinition
}

// list prints what is not as it was printed last, and returns the version from which on to watch.
func (f *follower) list(ctx context.Context) (string, error) {
	q := f.query()
	names := f.names
	f.names = nil // a watch needs the version of a list
	defer func() { f.names = names }()
	if !f.output.Own() {
		operations, version, err := light.List[unstructured.Unstructured](ctx, f.reader, f.resource.Kind, q)
		for i := range operations {
			if err := f.object(&operations[i], names); err != nil {
				return "", err
			}
		}
		return version, err
	}
	table, version, err := f.readTable(ctx, f.reader)
	if err != nil {
		return "", err
	}
	table.Rows = slices.DeleteFunc(table.Rows, func(row metav1.TableRow) bool { return !chosen(nameOfRow(&row), names) })
	f.columns = table.ColumnDefinitions
	if f.widths == nil {
		f.widths = f.measure(table)
		if !f.output.NoHeaders {
			f.line(f.head())
		}
	}
	for i := range table.Rows {
		f.row(&table.Rows[i])
	}
	return version, nil
}

// watch until the server ends it. It returns the version to go on from; empty when it has to be listed again.
func (f *follower) watch(ctx context.Context, version string) (string, error) {
	var err error
	switch {
	case !f.output.Own():
		err = light.Watch(ctx, f.reader, f.resource.Kind, f.query(), version, func(event watch.EventType, o *unstructured.Unstructured) error {
			version = o.GetResourceVersion()
			if event == watch.Deleted {
				return nil
			}
			return f.object(o, f.names)
		})
	case f.resource.Kind == listing.Operations:
		err = light.Watch(ctx, f.reader, f.resource.Kind, f.query(), version, func(event watch.EventType, o *listing.Operation) error {
			version = o.Metadata.ResourceVersion
			if event != watch.Deleted && chosen(o.Metadata.Name, f.names) && f.filter.Has(o.State()) {
				row := operationRow(o, f.env.Now())
				f.row(&row)
			}
			return nil
		})
	default:
		err = f.reader.WatchTable(ctx, f.resource.Kind, f.query(), version, func(event watch.EventType, row *metav1.TableRow) error {
			if o, ok := row.Object.Object.(*metav1.PartialObjectMetadata); ok {
				version = o.ResourceVersion
			}
			if event != watch.Deleted && chosen(nameOfRow(row), f.names) {
				f.row(row)
			}
			return nil
		})
	}
	if light.Expired(err) {
		return "", nil
	}
	return version, err
}

// object in the format that was asked for.
func (f *follower) object(o *unstructured.Unstructured, names []string) error {
	key := o.GetNamespace() + "/" + o.GetName()
	if !chosen(o.GetName(), names) || !f.passes(o) || f.printed[key] == o.GetResourceVersion() {
		return nil
	}
	f.printed[key] = o.GetResourceVersion()
	return f.output.Print(f.env.Out, o)
}

func chosen(name string, names []string) bool { return len(names) == 0 || slices.Contains(names, name) }

func nameOfRow(row *metav1.TableRow) string {
	if o, ok := row.Object.Object.(*metav1.PartialObjectMetadata); ok {
		return o.Name
	}
	return fmt.Sprint(row.Cells[0])
}

// row is printed when it differs from what was printed of it last in more than its age.
func (f *follower) row(row *metav1.TableRow) {
	key := nameOfRow(row)
	if o, ok := row.Object.Object.(*metav1.PartialObjectMetadata); ok {
		key = o.Namespace + "/" + o.Name
	}
	cells, news := f.cells(row), []string{}
	for i, column := range f.shown() {
		if !passing[column.Name] {
			news = append(news, cells[i+len(cells)-len(f.shown())])
		}
	}
	if text := strings.Join(news, "\x00"); f.printed[key] != text {
		f.printed[key] = text
		f.line(cells)
	}
}

// passing are columns that change by themselves as time goes by.
var passing = map[string]bool{"Age": true, "Started": true, "Took": true}

// shown are the columns of the format.
func (f *follower) shown() []metav1.TableColumnDefinition {
	return slices.DeleteFunc(slices.Clone(f.columns), func(c metav1.TableColumnDefinition) bool { return c.Priority > 0 && !f.output.Wide() })
}

func (f *follower) cells(row *metav1.TableRow) []string {
	var cells []string
	if o, ok := row.Object.Object.(*metav1.PartialObjectMetadata); ok && f.all && f.resource.Namespaced {
		cells = append(cells, o.Namespace)
	}
	for i, cell := range row.Cells {
		if i < len(f.columns) && (f.columns[i].Priority == 0 || f.output.Wide()) {
			if cell == nil {
				cell = ""
			}
			cells = append(cells, fmt.Sprint(cell))
		}
	}
	return cells
}

func (f *follower) head() []string {
	var cells []string
	if f.all && f.resource.Namespaced {
		cells = append(cells, "NAMESPACE")
	}
	for _, c := range f.shown() {
		cells = append(cells, strings.ToUpper(c.Name))
	}
	return cells
}

// measure the columns by what is there at first, with room for what phases and reasons may become.
func (f *follower) measure(table *metav1.Table) []int {
	head := f.head()
	widths := make([]int, len(head))
	for i, h := range head {
		if widths[i] = len(h); h == "PHASE" {
			widths[i] = len("Succeeded")
		}
	}
	for i := range table.Rows {
		for j, cell := range f.cells(&table.Rows[i]) {
			widths[j] = max(widths[j], len([]rune(cell)))
		}
	}
	return widths
}

// line of cells, each in its column; one that is too long moves those after it.
func (f *follower) line(cells []string) {
	var b strings.Builder
	for i, cell := range cells {
		cell = safe.Line(cell)
		if b.WriteString(cell); i < len(cells)-1 {
			b.WriteString(strings.Repeat(" ", max(f.widths[i]-len([]rune(cell)), 0)+3))
		}
	}
	fmt.Fprintln(f.env.Out, strings.TrimRight(b.String(), " "))
}
