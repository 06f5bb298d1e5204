// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"sync"
)

// FakeOdoo stands for a plain Odoo with one channel of Discuss, spoken to by JSON-2 and by JSON-RPC. It is a fake: it knows the three methods that the hub calls, and takes their
// arguments as Odoo's source says, and no others. Serve it with net/http/httptest.
type FakeOdoo struct {
	// Database, Login and APIKey that are taken.
	Database, Login, APIKey string
	// Channel that there is.
	Channel int64
	// OneID answers the id of what was posted, as Odoo did before 19, and not a list of it.
	OneID bool
	// Fault is asked before a call is carried out, with its MODEL.METHOD. Nil for none.
	Fault func(call string) ReceiverFault

	mu       sync.Mutex
	messages []FakeMessage
	calls    []string
	wrong    []string
}

// FakeMessage is a mail.message in the channel.
type FakeMessage struct {
	ID        int64  `json:"id"`
	MessageID string `json:"message_id"`
	Body      string `json:"-"`
	ParentID  int64  `json:"-"`
	// Edits is how often its body was written since.
	Edits int `json:"-"`
}

// odooUser is the number of the one user.
const odooUser = 7

// odooFailure is an exception of Odoo.
type odooFailure struct {
	status        int
	name, message string
}

func (e *odooFailure) Error() string { return e.name + ": " + e.message }

func odooInvalid(format string, args ...any) error {
	return &odooFailure{status: http.StatusUnprocessableEntity, name: "werkzeug.exceptions.UnprocessableEntity", message: fmt.Sprintf(format, args...)}
}

// ServeHTTP implements http.Handler.
func (f *FakeOdoo) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // the client went away
	}
	if path, is := strings.CutPrefix(r.URL.Path, "/json/2/"); is {
		f.serveJSON2(w, r, path, body)
		return
	}
	if r.URL.Path == "/jsonrpc" {
		f.serveRPC(w, r, body)
		return
	}
	f.complain("%s %s", r.Method, r.URL.Path)
	http.NotFound(w, r)
}

func (f *FakeOdoo) complain(format string, args ...any) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.wrong = append(f.wrong, fmt.Sprintf(format, args...))
}

func answerOdoo(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func odooException(w http.ResponseWriter, e *odooFailure) {
	answerOdoo(w, e.status, map[string]any{
		"name": e.name, "message": e.message, "arguments": []any{e.message}, "context": map[string]any{}, "debug": "Traceback (most recent call last):\n  a fake",
	})
}

func (f *FakeOdoo) serveJSON2(w http.ResponseWriter, r *http.Request, path string, body []byte) {
	kind, key, _ := strings.Cut(r.Header.Get("Authorization"), " ")
	model, method, _ := strings.Cut(path, "/")
	switch {
	case r.Method != http.MethodPost || method == "" || strings.Contains(method, "/"):
		f.complain("JSON-2: %s %s", r.Method, r.URL.Path)
		odooException(w, &odooFailure{status: http.StatusNotFound, name: "werkzeug.exceptions.NotFound", message: "Did you mean POST /json/2/<model>/<method>?"})
		return
	case r.Header.Get("X-Odoo-Database") != f.Database:
		odooException(w, &odooFailure{status: http.StatusNotFound, name: "werkzeug.exceptions.NotFound", message: "no such database"})
		return
	case !strings.EqualFold(kind, "bearer") || key != f.APIKey:
		odooException(w, &odooFailure{status: http.StatusUnauthorized, name: "werkzeug.exceptions.Unauthorized", message: "Invalid apikey"})
		return
	case !strings.HasPrefix(r.Header.Get("Content-Type"), "application/json"):
		f.complain("JSON-2: content type %q", r.Header.Get("Content-Type"))
		odooException(w, &odooFailure{status: http.StatusBadRequest, name: "werkzeug.exceptions.BadRequest", message: "the content type must be application/json"})
		return
	}
	named := map[string]json.RawMessage{}
	if err := json.Unmarshal(body, &named); err != nil {
		f.complain("JSON-2: %v", err)
		odooException(w, &odooFailure{status: http.StatusBadRequest, name: "werkzeug.exceptions.BadRequest", message: "could not parse the body as json"})
		return
	}
	var ids []int64
	if raw, there := named["ids"]; there {
		if err := json.Unmarshal(raw, &ids); err != nil {
			f.complain("JSON-2: ids are %s", raw)
		}
		delete(named, "ids")
	}
	delete(named, "context")
	fault := f.fault(model + "." + method)
	if !fault.Took && fault.do(w) {
		return
	}
	result, err := f.call(model, method, ids, named)
	if fault.do(w) {
		return
	}
	if err != nil {
		odooException(w, err.(*odooFailure)) //nolint:errorlint // call returns nothing else
		return
	}
	answerOdoo(w, http.StatusOK, result)
}

func (f *FakeOdoo) fault(call string) ReceiverFault {
	f.mu.Lock()
	f.calls = append(f.calls, call)
	f.mu.Unlock()
	if f.Fault == nil {
		return ReceiverFault{}
	}
	return f.Fault(call)
}

// rpcRequest is a request of JSON-RPC 2.0.
type rpcRequest struct {
	JSONRPC string `json:"jsonrpc"`
	Method  string `json:"method"`
	ID      any    `json:"id"`
	Params  struct {
		Service string            `json:"service"`
		Method  string            `json:"method"`
		Args    []json.RawMessage `json:"args"`
	} `json:"params"`
}

func (f *FakeOdoo) serveRPC(w http.ResponseWriter, r *http.Request, body []byte) {
	var request rpcRequest
	if err := json.Unmarshal(body, &request); err != nil || request.JSONRPC != "2.0" || request.Method != "call" || r.Method != http.MethodPost ||
		!strings.HasPrefix(r.Header.Get("Content-Type"), "application/json") {
		f.complain("JSON-RPC: %s", r.Header.Get("Content-Type"))
		w.WriteHeader(http.StatusBadRequest)
		return
	}
	name := request.Params.Service + "." + request.Params.Method
	if request.Params.Method == "execute_kw" && len(request.Params.Args) > 4 {
		name = odooText(request.Params.Args[3]) + "." + odooText(request.Params.Args[4])
	}
	fault := f.fault(name)
	if !fault.Took && fault.do(w) {
		return
	}
	result, err := f.rpc(request)
	if fault.do(w) {
		return
	}
	reply := map[string]any{"jsonrpc": "2.0", "id": request.ID}
	if err != nil {
		e := err.(*odooFailure) //nolint:errorlint // rpc returns nothing else
		reply["error"] = map[string]any{"code": 200, "message": "Odoo Server Error", "data": map[string]any{"name": e.name, "message": e.message, "debug": "Traceback"}}
	} else {
		reply["result"] = result
	}
	answerOdoo(w, http.StatusOK, reply)
}

func odooText(raw json.RawMessage) (s string) {
	_ = json.Unmarshal(raw, &s)
	return s
}

func (f *FakeOdoo) rpc(request rpcRequest) (any, error) {
	args := request.Params.Args
	switch {
	case request.Params.Service == "common" && request.Params.Method == "authenticate" && len(args) == 4:
		if odooText(args[0]) != f.Database || odooText(args[1]) != f.Login || odooText(args[2]) != f.APIKey {
			return false, nil
		}
		return odooUser, nil
	case request.Params.Service == "object" && request.Params.Method == "execute_kw" && len(args) == 7:
		if odooText(args[0]) != f.Database || string(args[1]) != fmt.Sprint(odooUser) || odooText(args[2]) != f.APIKey {
			return nil, &odooFailure{name: "odoo.exceptions.AccessDenied", message: "Access Denied"}
		}
		return f.execute(args)
	default:
		f.complain("JSON-RPC: %s.%s with %d arguments", request.Params.Service, request.Params.Method, len(args))
		return nil, odooInvalid("%s.%s", request.Params.Service, request.Params.Method)
	}
}

// execute a method with its arguments as execute_kw has them: the ids first, then those that have a name.
func (f *FakeOdoo) execute(args []json.RawMessage) (any, error) {
	var positional []json.RawMessage
	named := map[string]json.RawMessage{}
	if json.Unmarshal(args[5], &positional) != nil || json.Unmarshal(args[6], &named) != nil || len(positional) > 1 {
		f.complain("execute_kw: args %s, kwargs %s", args[5], args[6])
		return nil, odooInvalid("args and kwargs")
	}
	var ids []int64
	if len(positional) == 1 && json.Unmarshal(positional[0], &ids) != nil {
		f.complain("execute_kw: ids are %s", positional[0])
	}
	return f.call(odooText(args[3]), odooText(args[4]), ids, named)
}

// Messages of the channel, in order.
func (f *FakeOdoo) Messages() []FakeMessage {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.messages)
}

// Calls that were made, as MODEL.METHOD.
func (f *FakeOdoo) Calls() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.calls)
}

// Wrong is what it was sent that Odoo does not understand.
func (f *FakeOdoo) Wrong() []string {
	f.mu.Lock()
	defer f.mu.Unlock()
	return slices.Clone(f.wrong)
}
