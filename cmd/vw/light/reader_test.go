// SPDX-License-Identifier: Apache-2.0

package light

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"testing"

	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/watch"
	"k8s.io/client-go/rest"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

var things = Kind{GroupVersionResource: schema.GroupVersionResource{Group: "g.example", Version: "v1", Resource: "things"}, Kind: "Thing", Namespaced: true}

type thing struct {
	Metadata struct {
		Name string `json:"name"`
	} `json:"metadata"`
}

// answering is a reader of an API server that answers always the same.
func answering(t *testing.T, status int, body string) (*Reader, *http.Request) {
	t.Helper()
	asked := &http.Request{}
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		*asked = *r
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprint(w, body)
	}))
	t.Cleanup(server.Close)
	r, err := NewReader(&rest.Config{Host: server.URL})
	if err != nil {
		t.Fatal(err)
	}
	return r, asked
}

func TestList(t *testing.T) {
	r, asked := answering(t, http.StatusOK, `{"metadata":{"resourceVersion":"7"},"items":[{"metadata":{"name":"a","other":1}},{"metadata":{"name":"b"}}]}`)
	items, version, err := List[thing](t.Context(), r, things, Query{Namespace: "ns", Labels: "a=b", Fields: "metadata.name=c"})
	if err != nil || version != "7" || len(items) != 2 || items[1].Metadata.Name != "b" {
		t.Errorf("%v %s %v", items, version, err)
	}
	if got := asked.URL.Path + "?" + asked.URL.Query().Encode(); got != "/apis/g.example/v1/namespaces/ns/things?fieldSelector=metadata.name%3Dc&labelSelector=a%3Db" {
		t.Errorf("asked for %s", got)
	}
}

// TestErrors: what the API server says is what is told.
func TestErrors(t *testing.T) {
	r, _ := answering(t, http.StatusForbidden, `{"kind":"Status","apiVersion":"v1","status":"Failure","reason":"Forbidden","code":403,"message":"user x cannot list things"}`)
	if _, _, err := List[thing](t.Context(), r, things, Query{}); !apierrors.IsForbidden(err) || err.Error() != "user x cannot list things" {
		t.Errorf("%v", err)
	}
	r, _ = answering(t, http.StatusOK, `{"items":[{"metadata":{"name":7}}]}`)
	if _, _, err := List[thing](t.Context(), r, things, Query{}); err == nil {
		t.Error("a name that is no text is taken")
	}
}

func TestWatch(t *testing.T) {
	const events = `{"type":"ADDED","object":{"metadata":{"name":"a"}}}
{"type":"DELETED","object":{"metadata":{"name":"b"}}}
`
	r, asked := answering(t, http.StatusOK, events)
	var seen string
	err := Watch(t.Context(), r, things, Query{}, "7", func(event watch.EventType, o *thing) error {
		seen += string(event) + " " + o.Metadata.Name + ";"
		return nil
	})
	if err != nil || seen != "ADDED a;DELETED b;" || asked.URL.Query().Get("resourceVersion") != "7" {
		t.Errorf("%q %v %s", seen, err, asked.URL)
	}
	r, _ = answering(t, http.StatusOK, `{"type":"ERROR","object":{"kind":"Status","status":"Failure","reason":"Expired","code":410,"message":"too old"}}`)
	if err := Watch(t.Context(), r, things, Query{}, "7", func(watch.EventType, *thing) error { return nil }); !Expired(err) {
		t.Errorf("too old: %v", err)
	}
}

func TestTable(t *testing.T) {
	r, asked := answering(t, http.StatusOK, `{"columnDefinitions":[{"name":"Name"}],"rows":[{"cells":["a"],"object":{"metadata":{"name":"a","namespace":"ns"}}}]}`)
	table, err := r.Table(t.Context(), things, Query{Namespace: "ns"}, "a", "a")
	if err != nil || len(table.Rows) != 2 || len(table.ColumnDefinitions) != 1 {
		t.Fatalf("%+v %v", table, err)
	}
	if o, ok := table.Rows[0].Object.Object.(*metav1.PartialObjectMetadata); !ok || o.Namespace != "ns" {
		t.Errorf("%+v", table.Rows[0].Object)
	}
	if got := asked.Header.Get("Accept"); got != asTable {
		t.Errorf("asked for %s", got)
	}
}
