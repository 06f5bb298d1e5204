// SPDX-License-Identifier: Apache-2.0

package light

import (
	"context"
	"encoding/json"
	"fmt"

	"k8s.io/apimachinery/pkg/watch"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// asTable asks the API server for rows as it prints them, each with the metadata of its object.
const asTable = "application/json;as=Table;v=v1;g=meta.k8s.io"

// Table of what a query finds; of the objects of these names only, if there are any.
func (r *Reader) Table(ctx context.Context, k Kind, q Query, names ...string) (*metav1.Table, error) {
	if len(names) == 0 {
		return r.table(ctx, k, q, "")
	}
	all := &metav1.Table{}
	for _, name := range names {
		one, err := r.table(ctx, k, Query{Namespace: q.Namespace}, name)
		if err != nil {
			return nil, err
		}
		all.ColumnDefinitions = one.ColumnDefinitions
		all.Rows = append(all.Rows, one.Rows...)
	}
	return all, nil
}

func (r *Reader) table(ctx context.Context, k Kind, q Query, name string) (*metav1.Table, error) {
	raw, err := read(ctx, r.request(k, q, name).SetHeader("Accept", asTable))
	if err != nil {
		return nil, err
	}
	return decodeTable(raw)
}

// WatchTable shows each row as it changes. The columns are those of Table.
func (r *Reader) WatchTable(ctx context.Context, k Kind, q Query, version string, see func(watch.EventType, *metav1.TableRow) error) error {
	return r.watch(ctx, k, q, version, asTable, func(event watch.EventType, raw json.RawMessage) error {
		table, err := decodeTable(raw)
		if err != nil {
			return err
		}
		for i := range table.Rows {
			if err := see(event, &table.Rows[i]); err != nil {
				return err
			}
		}
		return nil
	})
}

// decodeTable with the metadata of the rows' objects as printers want it.
func decodeTable(raw []byte) (*metav1.Table, error) {
	table := &metav1.Table{}
	if err := json.Unmarshal(raw, table); err != nil {
		return nil, fmt.Errorf("read a table: %w", err)
	}
	for i := range table.Rows {
		object := &metav1.PartialObjectMetadata{}
		if err := json.Unmarshal(table.Rows[i].Object.Raw, object); err != nil {
			return nil, fmt.Errorf("read row %d of a table: %w", i, err)
		}
		table.Rows[i].Object.Object = object
	}
	return table, nil
}
