// SPDX-License-Identifier: Apache-2.0

package bed

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// pages is a client that has so many objects, and gives away no more of them at once than it is asked for.
type pages struct {
	client.WithWatch
	objects int
	lists   int
}

func (p *pages) List(_ context.Context, into client.ObjectList, opts ...client.ListOption) error {
	p.lists++
	asked := (&client.ListOptions{}).ApplyOptions(opts)
	if asked.Limit == 0 {
		return errors.New("asked for all at once")
	}
	from, _ := strconv.Atoi(asked.Continue)
	list := into.(*unstructured.UnstructuredList)
	for i := from; i < min(from+int(asked.Limit), p.objects); i++ {
		o := unstructured.Unstructured{}
		o.SetNamespace(fmt.Sprintf("c%05d", i))
		o.SetName("work")
		list.Items = append(list.Items, o)
	}
	if next := from + int(asked.Limit); next < p.objects {
		list.SetContinue(strconv.Itoa(next))
	}
	return nil
}

// TestPages: what is said of each of many children, though they are never read all at once.
func TestPages(t *testing.T) {
	for _, n := range []int{0, page, 2*page + 1} {
		p := &pages{objects: n}
		b := &Bed{Client: p}
		says, err := b.says(t.Context(), schema.GroupVersionKind{Kind: "Work"}, nil, func(o *unstructured.Unstructured) ([]byte, error) {
			return []byte(o.GetNamespace()), nil
		})
		if err != nil {
			t.Fatal(err)
		}
		if want := max(1, (n+page-1)/page); p.lists != want || len(says) != n {
			t.Errorf("%d of %d in %d pages, want %d", len(says), n, p.lists, want)
		}
		for i, s := range says {
			if want := fmt.Sprintf("c%05d", i); s.child != (client.ObjectKey{Namespace: want, Name: "work"}) || string(s.patch) != want {
				t.Fatalf("the %d-th is %v, want of %s", i, s, want)
			}
		}
	}
}
