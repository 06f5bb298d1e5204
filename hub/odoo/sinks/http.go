// SPDX-License-Identifier: Apache-2.0

package sinks

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

const (
	// requestTimeout bounds one request.
	requestTimeout = 30 * time.Second
	// maxAnswer bytes of an answer are read.
	maxAnswer = 4 << 20
	// maxRetryAfter seconds are the longest that a receiver can ask to be left alone: a day.
	maxRetryAfter = 24 * 60 * 60
)

// answerError is an answer that is not one of success. It names nothing of what was sent, nor of what came back.
type answerError struct {
	status int
	after  time.Duration
}

func (e *answerError) Error() string {
	return fmt.Sprintf("it answers %d %s", e.status, http.StatusText(e.status))
}

// RetryAfter is how long it asks to be left alone; 0 when it does not.
func (e *answerError) RetryAfter() time.Duration { return e.after }

// newHTTPClient trusts the certificates in ca, in PEM, or those of the system when there are none. It follows no redirection: what it sends is for one endpoint.
func newHTTPClient(ca []byte) (*http.Client, error) {
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.TLSClientConfig = &tls.Config{MinVersion: tls.VersionTLS12}
	if len(ca) > 0 {
		pool := x509.NewCertPool()
		if !pool.AppendCertsFromPEM(ca) {
			return nil, errors.New("key ca.crt of the Secret: it holds no certificate in PEM; put the certificate there that the endpoint's comes from")
		}
		transport.TLSClientConfig.RootCAs = pool
	}
	return &http.Client{
		Transport: transport, Timeout: requestTimeout,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}, nil
}

// post a body, and return what is answered when that is success.
func post(ctx context.Context, c *http.Client, to string, header http.Header, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, to, bytes.NewReader(body))
	if err != nil {
		return nil, fmt.Errorf("spec: the endpoint is no URL: %w", err)
	}
	request.Header = header
	answer, err := c.Do(request)
	if err != nil {
		var where *url.Error
		if errors.As(err, &where) {
			err = where.Err // without the URL, which may have a token in its query
		}
		return nil, fmt.Errorf("it does not answer: %w", err)
	}
	defer answer.Body.Close()
	data, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer))
	if answer.StatusCode < 200 || answer.StatusCode > 299 {
		return data, &answerError{status: answer.StatusCode, after: retryAfter(answer.Header, time.Now())}
	}
	if err != nil {
		return nil, fmt.Errorf("its answer broke off: %w", err)
	}
	return data, nil
}

// retryAfter of an answer: in seconds, or a date (RFC 9110, section 10.2.3). 0 when there is none, or it cannot be read.
func retryAfter(h http.Header, now time.Time) time.Duration {
	value := h.Get("Retry-After")
	if seconds, err := strconv.Atoi(value); err == nil {
		return time.Duration(min(max(0, seconds), maxRetryAfter)) * time.Second
	}
	if date, err := http.ParseTime(value); err == nil {
		return min(max(0, date.Sub(now)), maxRetryAfter*time.Second)
	}
	return 0
}
