// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/gowebpki/jcs"
)

// call is one request, and what becomes of its answer.
type call struct {
	method string
	// path below /api/agent/, escaped.
	path  string
	query url.Values
	// job that it is about.
	job string
	// body is sent as canonical JSON; none when nil.
	body any
	// into reads the JSON of a 200; a 204 is expected when nil.
	into any
	// wait is how long the other side was asked to.
	wait time.Duration
}

func (c call) String() string { return c.method + " /api/agent/" + c.path }

// do sends a call; once more when the other side doesn't take our time and says its own.
func (c *Client) do(ctx context.Context, what call) error {
	body, err := canonicalBody(what.body)
	if err != nil {
		return fmt.Errorf("%s: %w: %w", what, errInvalid, err)
	}
	learned, err := c.once(ctx, what, body)
	if e, ok := errors.AsType[*Error](err); ok && learned && e.Status == http.StatusUnauthorized && e.Code == CodeClockSkew {
		_, err = c.once(ctx, what, body)
	}
	return err
}

// once sends a call; learned tells whether its answer says the time.
func (c *Client) once(ctx context.Context, what call, body []byte) (learned bool, err error) {
	if err := c.quiet.left(what.String()); err != nil {
		return false, err
	}
	ctx, cancel := context.WithTimeout(ctx, what.wait+c.timeout)
	defer cancel()
	req, err := c.request(ctx, what, body)
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return false, fmt.Errorf("%s: %w", what, unwrapURL(err))
	}
	defer func() { _ = resp.Body.Close() }()
	answer := answerOf(resp, what, c.token)
	if !answer.foreign {
		learned = c.server.learn(resp.Header)
	}
	err = answer.read()
	if e, ok := errors.AsType[*Error](err); ok {
		c.quiet.keep(e)
	}
	return learned, err
}

func (c *Client) request(ctx context.Context, what call, body []byte) (*http.Request, error) {
	address := strings.TrimRight(c.base.String(), "/") + "/api/agent/" + what.path
	if len(what.query) > 0 {
		address += "?" + what.query.Encode()
	}
	req, err := http.NewRequestWithContext(ctx, what.method, address, bytes.NewReader(body))
	if err != nil {
		return nil, unwrapURL(err)
	}
	req.Header.Set("Authorization", "Bearer "+c.token)
	req.Header.Set("Accept", MediaType)
	if len(body) > 0 {
		req.Header.Set("Content-Type", MediaType)
	}
	if c.userAgent != "" {
		req.Header.Set("User-Agent", c.userAgent)
	}
	if c.key != nil && what.method == http.MethodPost {
		timestamp, code := seal(c.key, what.method, req.URL.RequestURI(), c.server.now(), body)
		req.Header.Set(HeaderTimestamp, timestamp)
		req.Header.Set(HeaderHMAC, code)
	}
	return req, nil
}

// canonicalBody is the canonical JSON (RFC 8785) of a body, over which its HMAC goes; nothing for nil.
func canonicalBody(body any) ([]byte, error) {
	if body == nil {
		return nil, nil
	}
	raw, err := json.Marshal(body)
	if err != nil {
		return nil, err
	}
	return jcs.Transform(raw)
}

// unwrapURL leaves out the address, which the error begins with already.
func unwrapURL(err error) error {
	if e, ok := errors.AsType[*url.Error](err); ok {
		return e.Err
	}
	return err
}
