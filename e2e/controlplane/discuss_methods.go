// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"encoding/json"
	"net/http"
	"slices"
)

// call a method of a model. It returns a odooFailure and no other.
func (f *FakeOdoo) call(model, method string, ids []int64, named map[string]json.RawMessage) (any, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	var result any
	var err error
	switch model + "." + method {
	case "discuss.channel.message_post":
		result, err = f.post(ids, named)
	case "mail.message.write":
		result, err = f.write(ids, named)
	case "mail.message.search_read":
		result, err = f.search(ids, named)
	default:
		err = &odooFailure{status: http.StatusNotFound, name: "werkzeug.exceptions.NotFound", message: "the fake knows no " + model + "." + method}
	}
	if err != nil {
		f.wrong = append(f.wrong, err.Error())
		return nil, err
	}
	return result, nil
}

// odooArguments reads arguments by name. One that is not known, or has another type, is an error.
func odooArguments(named map[string]json.RawMessage, into map[string]any) error {
	for name, raw := range named {
		to, known := into[name]
		if !known {
			return odooInvalid("got an unexpected keyword argument %q", name)
		}
		if err := json.Unmarshal(raw, to); err != nil {
			return odooInvalid("argument %s: %v", name, err)
		}
	}
	return nil
}

func (f *FakeOdoo) post(ids []int64, named map[string]json.RawMessage) (any, error) {
	var m FakeMessage
	var kind, subtype string
	var html bool
	if err := odooArguments(named, map[string]any{
		"body": &m.Body, "body_is_html": &html, "message_type": &kind, "subtype_xmlid": &subtype, "message_id": &m.MessageID, "parent_id": &m.ParentID,
	}); err != nil {
		return nil, err
	}
	switch {
	case len(ids) != 1:
		return nil, odooInvalid("expected singleton: discuss.channel%v", ids)
	case ids[0] != f.Channel:
		return nil, &odooFailure{status: http.StatusNotFound, name: "odoo.exceptions.MissingError", message: "Record does not exist or has been deleted."}
	case !html || m.Body == "" || kind != "comment" || subtype != "mail.mt_comment":
		return nil, odooInvalid("a message of type %q and subtype %q, html %v", kind, subtype, html)
	case m.ParentID != 0 && f.find(m.ParentID) == nil:
		return nil, &odooFailure{status: http.StatusNotFound, name: "odoo.exceptions.MissingError", message: "the parent does not exist"}
	}
	m.ID = int64(100 + len(f.messages))
	f.messages = append(f.messages, m)
	if f.OneID {
		return m.ID, nil
	}
	return []int64{m.ID}, nil
}

func (f *FakeOdoo) find(id int64) *FakeMessage {
	i := slices.IndexFunc(f.messages, func(m FakeMessage) bool { return m.ID == id })
	if i < 0 {
		return nil
	}
	return &f.messages[i]
}

func (f *FakeOdoo) write(ids []int64, named map[string]json.RawMessage) (any, error) {
	var vals struct {
		Body *string `json:"body"`
	}
	if err := odooArguments(named, map[string]any{"vals": &vals}); err != nil {
		return nil, err
	}
	if len(ids) != 1 || vals.Body == nil {
		return nil, odooInvalid("write on %v", ids)
	}
	m := f.find(ids[0])
	if m == nil {
		return nil, &odooFailure{status: http.StatusNotFound, name: "odoo.exceptions.MissingError", message: "Record does not exist or has been deleted."}
	}
	m.Body, m.Edits = *vals.Body, m.Edits+1
	return true, nil
}

func (f *FakeOdoo) search(ids []int64, named map[string]json.RawMessage) (any, error) {
	var domain [][]json.RawMessage
	var fields []string
	var limit int
	var order string
	if err := odooArguments(named, map[string]any{"domain": &domain, "fields": &fields, "limit": &limit, "order": &order}); err != nil {
		return nil, err
	}
	if len(ids) > 0 {
		return nil, odooInvalid("cannot call mail.message.search_read with ids")
	}
	var channel int64
	var wanted []string
	for _, term := range domain {
		if len(term) != 3 {
			return nil, odooInvalid("a domain's term has three parts")
		}
		switch odooText(term[0]) + odooText(term[1]) {
		case "model=":
			if odooText(term[2]) != "discuss.channel" {
				return nil, odooInvalid("model %s", term[2])
			}
		case "res_id=":
			_ = json.Unmarshal(term[2], &channel)
		case "message_idin":
			_ = json.Unmarshal(term[2], &wanted)
		default:
			return nil, odooInvalid("the fake knows no term %s %s", term[0], term[1])
		}
	}
	found := []FakeMessage{}
	for _, m := range f.messages {
		if channel == f.Channel && slices.Contains(wanted, m.MessageID) && (limit == 0 || len(found) < limit) {
			found = append(found, m)
		}
	}
	return found, nil
}
