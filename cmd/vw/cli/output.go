// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/cli-runtime/pkg/genericclioptions"
	"k8s.io/cli-runtime/pkg/printers"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// documentVersion is the apiVersion of what vw prints with -o json that is no object of the API. It grows, and nothing in it goes away.
const documentVersion = "vw.vworkspace.io/v1alpha1"

const wide = "wide"

// Output is the -o flag of a command that reads: a table for people by default, or what scripts read.
type Output struct {
	flags *genericclioptions.PrintFlags
	more  []string // formats of the command besides
	// NoHeaders leaves the heads of tables out.
	NoHeaders bool
}

// newOutput with formats of the command's own besides kubectl's; wide is one.
func newOutput(more ...string) *Output {
	return &Output{flags: genericclioptions.NewPrintFlags("").WithTypeSetter(scheme), more: more}
}

// AddFlags -o and --no-headers.
func (o *Output) AddFlags(cmd *cobra.Command) {
	o.flags.AddFlags(cmd)
	cmd.PreRunE = func(*cobra.Command, []string) error { return o.Check() }
	formats := o.formats()
	flag := cmd.Flags().Lookup("output")
	flag.Usage = fmt.Sprintf("Output format. One of: (%s).", strings.Join(formats, ", "))
	for _, seldom := range []string{"template", "allow-missing-template-keys", "show-managed-fields"} {
		if f := cmd.Flags().Lookup(seldom); f != nil {
			f.Hidden = true // it works all the same
		}
	}
	cmd.Flags().BoolVar(&o.NoHeaders, "no-headers", false, "Leave the heads of tables out")
	_ = cmd.RegisterFlagCompletionFunc("output", cobra.FixedCompletions(formats, cobra.ShellCompDirectiveNoFileComp))
}

func (o *Output) formats() []string {
	formats := append(o.flags.AllowedFormats(), o.more...)
	slices.Sort(formats)
	return formats
}

// Format that was asked for; empty for a table.
func (o *Output) Format() string { return *o.flags.OutputFormat }

// Own tells whether it is the command's own to print: no format, or one of its own.
func (o *Output) Own() bool { return o.Format() == "" || slices.Contains(o.more, o.Format()) }

// Wide tells whether everything is asked for.
func (o *Output) Wide() bool { return o.Format() == wide }

// Print an object in the format that was asked for, which is not the command's own.
func (o *Output) Print(w io.Writer, object runtime.Object) error {
	printer, err := o.printer()
	if err != nil {
		return err
	}
	return printer.PrintObj(object, w)
}

// Check the format before anything is written: a mistake in it must not be found after.
func (o *Output) Check() error {
	if o.Own() {
		return nil
	}
	_, err := o.printer()
	return err
}

func (o *Output) printer() (printers.ResourcePrinter, error) {
	printer, err := o.flags.ToPrinter()
	switch {
	case genericclioptions.IsNoCompatiblePrinterError(err):
		return nil, fmt.Errorf("--output: %q is not known: it is one of %s", o.Format(), strings.Join(o.formats(), ", "))
	case err != nil:
		return nil, fmt.Errorf("--output: %w", err)
	}
	return printer, nil
}

// PrintTable for people.
func (o *Output) PrintTable(w io.Writer, table *metav1.Table, namespaces bool) error {
	return printers.NewTablePrinter(printers.PrintOptions{Wide: o.Wide(), NoHeaders: o.NoHeaders, WithNamespace: namespaces}).PrintObj(table, w)
}

// newTable of columns; one whose name begins with + is for -o wide alone.
func newTable(columns ...string) *metav1.Table {
	t := &metav1.Table{}
	for _, name := range columns {
		trimmed, isWide := strings.CutPrefix(name, "+")
		c := metav1.TableColumnDefinition{Name: trimmed, Type: "string"}
		if isWide {
			c.Priority = 1
		}
		t.ColumnDefinitions = append(t.ColumnDefinitions, c)
	}
	return t
}

// addRow to a table.
func addRow(t *metav1.Table, cells ...any) { t.Rows = append(t.Rows, metav1.TableRow{Cells: cells}) }

// document is something that vw found out, as an object that every printer takes.
func document(kind string, v any) (*unstructured.Unstructured, error) {
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(v)
	if err != nil {
		return nil, err
	}
	u := &unstructured.Unstructured{Object: content}
	u.SetAPIVersion(documentVersion)
	u.SetKind(kind)
	return u, nil
}
