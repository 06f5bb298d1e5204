// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// odoo calls methods of the models of an Odoo.
type odoo interface {
	// call a method of a model on records; named are its arguments by name. What it returns is stored in result.
	call(ctx context.Context, model, method string, ids []int64, named map[string]any, result any) error
}

// OdooAccount is who is spoken for at an Odoo.
type OdooAccount struct {
	// Endpoint is the base URL of the Odoo.
	Endpoint string
	// Database of the Odoo; may be empty for JSON-2 where it has only one.
	Database string
	// Login of the user; for JSON-RPC only.
	Login string
	// APIKey of the user.
	APIKey string
}

// newOdoo speaks the API that is asked for.
func newOdoo(api opsv1alpha1.DiscussAPI, account OdooAccount, client *http.Client) odoo {
	if api == opsv1alpha1.DiscussJSONRPC {
		return &jsonRPC{OdooAccount: account, client: client}
	}
	return &json2{OdooAccount: account, client: client}
}

// odooError is an error as Odoo tells it, without the traceback that it sends along.
type odooError struct {
	// Name of the exception, such as odoo.exceptions.AccessError.
	Name string `json:"name"`
	// Message for people.
	Message string `json:"message"`
}

// named tells the exception and its message, and never the key, which Odoo has from us.
func (e odooError) named(key string) string {
	text := strings.TrimSpace(strings.TrimPrefix(e.Name, "odoo.exceptions.") + ": " + e.Message)
	if key != "" {
		text = strings.ReplaceAll(text, key, "***")
	}
	return opsv1alpha1.Truncate(text, 256)
}

// json2 is the External JSON-2 API: a method has a URL, and its arguments are in the body by their names.
type json2 struct {
	OdooAccount
	client *http.Client
}

func (o *json2) call(ctx context.Context, model, method string, ids []int64, named map[string]any, result any) error {
	body := map[string]any{}
	for name, value := range named {
		body[name] = value
	}
	if len(ids) > 0 {
		body["ids"] = ids
	}
	data, err := json.Marshal(body)
	if err != nil {
		return fmt.Errorf("encode the arguments of %s.%s: %w", model, method, err)
	}
	header := http.Header{"Content-Type": {"application/json; charset=utf-8"}, "Authorization": {"bearer " + o.APIKey}, "User-Agent": {"vworkspace-hub"}}
	if o.Database != "" {
		header.Set("X-Odoo-Database", o.Database)
	}
	to := strings.TrimRight(o.Endpoint, "/") + "/json/2/" + url.PathEscape(model) + "/" + url.PathEscape(method)
	answer, err := post(ctx, o.client, to, header, data)
	if err != nil {
		var told odooError
		if json.Unmarshal(answer, &told) == nil && told.Name != "" {
			return fmt.Errorf("%s.%s: %w: %s", model, method, err, told.named(o.APIKey))
		}
		return fmt.Errorf("%s.%s: %w", model, method, err)
	}
	return decode(model, method, answer, result)
}

func decode(model, method string, answer []byte, result any) error {
	if err := json.Unmarshal(answer, result); err != nil {
		return fmt.Errorf("%s.%s: its answer is not what Odoo answers: %w", model, method, err)
	}
	return nil
}

// jsonRPC is the API before that: everything is a call of execute_kw at one URL, with the user's number and key.
type jsonRPC struct {
	OdooAccount
	client *http.Client
	user   atomic.Int64 // 0 before it is known
	calls  atomic.Int64
}

// errLogin tells that Odoo knows no such user, or not by that key.
var errLogin = &answerError{status: http.StatusUnauthorized}

func (o *jsonRPC) call(ctx context.Context, model, method string, ids []int64, named map[string]any, result any) error {
	user, err := o.login(ctx)
	if err != nil {
		return err
	}
	positional := []any{}
	if len(ids) > 0 {
		positional = append(positional, ids)
	}
	if named == nil {
		named = map[string]any{}
	}
	answer, err := o.rpc(ctx, "object", "execute_kw", o.Database, user, o.APIKey, model, method, positional, named)
	if err != nil {
		return fmt.Errorf("%s.%s: %w", model, method, err)
	}
	return decode(model, method, answer, result)
}

// login finds out the number of the user.
func (o *jsonRPC) login(ctx context.Context) (int64, error) {
	if known := o.user.Load(); known > 0 {
		return known, nil
	}
	answer, err := o.rpc(ctx, "common", "authenticate", o.Database, o.Login, o.APIKey, map[string]any{})
	if err != nil {
		return 0, fmt.Errorf("log in: %w", err)
	}
	var user int64
	if json.Unmarshal(answer, &user) != nil || user <= 0 {
		return 0, fmt.Errorf("log in: %w: the keys login and apiKey of the Secret, and spec.discuss.database, do not go together", errLogin)
	}
	o.user.Store(user)
	return user, nil
}

func (o *jsonRPC) rpc(ctx context.Context, service, method string, args ...any) (json.RawMessage, error) {
	body, err := json.Marshal(map[string]any{
		"jsonrpc": "2.0", "method": "call", "id": o.calls.Add(1), "params": map[string]any{"service": service, "method": method, "args": args},
	})
	if err != nil {
		return nil, fmt.Errorf("encode: %w", err)
	}
	answer, err := post(ctx, o.client, strings.TrimRight(o.Endpoint, "/")+"/jsonrpc", http.Header{"Content-Type": {"application/json"}}, body)
	if err != nil {
		return nil, err
	}
	var reply struct {
		Result json.RawMessage `json:"result"`
		Error  *struct {
			Message string    `json:"message"`
			Data    odooError `json:"data"`
		} `json:"error"`
	}
	if err := json.Unmarshal(answer, &reply); err != nil {
		return nil, errors.New("its answer is not JSON-RPC: is spec.discuss.endpoint the base URL of an Odoo?")
	}
	if reply.Error == nil {
		return reply.Result, nil
	}
	switch reply.Error.Data.Name {
	case "odoo.exceptions.AccessDenied":
		o.user.Store(0)
		return nil, errLogin
	case "odoo.exceptions.AccessError":
		return nil, fmt.Errorf("%w: %s", &answerError{status: http.StatusForbidden}, reply.Error.Data.named(o.APIKey))
	default:
		return nil, errors.New(reply.Error.Data.named(o.APIKey))
	}
}
