// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"k8s.io/utils/clock"
)

// DefaultTimeout of a request.
const DefaultTimeout = 30 * time.Second

// Options of a Client.
type Options struct {
	// Endpoint is the base URL of the control plane; /api/agent/ lies below it.
	Endpoint string
	// ClusterID is the identity. Not needed to register.
	ClusterID string
	// Token is the bearer token. Not needed to register.
	Token string
	// TLS has the certificates that the other side's must come from, and our own; the system's, and none, when nil.
	TLS *tls.Config
	// UserAgent that requests carry; Go's when empty.
	UserAgent string
	// Clock decides timestamps; the system's when nil. The client corrects it by what the other side says the time is.
	Clock clock.PassiveClock
	// Wrap the transport of requests, such as rest.Config.Wrap does; nil not to.
	Wrap func(http.RoundTripper) http.RoundTripper
	// Timeout of a request, beyond what it asks the other side to wait; DefaultTimeout when 0.
	Timeout time.Duration
}

// Client asks a control plane for jobs and tells it what becomes of them. It is safe for concurrent use.
type Client struct {
	*connection
	clusterID string
	token     string
	key       []byte
}

// connection is what clients of one control plane share.
type connection struct {
	base      *url.URL
	http      *http.Client
	userAgent string
	timeout   time.Duration
	server    serverClock
	quiet     quiet
}

// NewClient returns a client; it asks nothing yet. Errors name the field of Options.
func NewClient(o Options) (*Client, error) {
	conn, err := newConnection(o)
	if err != nil {
		return nil, err
	}
	if o.ClusterID == "" {
		return nil, errors.New("clusterId is missing: it comes with registration")
	}
	c := &Client{connection: conn, clusterID: o.ClusterID}
	if err := c.setToken(o.Token); err != nil {
		return nil, err
	}
	return c, nil
}

// WithToken returns a client with another token that shares connections, and what is known of the control plane's clock.
func (c *Client) WithToken(token string) (*Client, error) {
	other := &Client{connection: c.connection, clusterID: c.clusterID}
	if err := other.setToken(token); err != nil {
		return nil, err
	}
	return other, nil
}

// Now by the control plane's clock, as far as known: it is judge of when a job has expired.
func (c *Client) Now() time.Time { return c.server.now() }

// Close frees the connections that nothing uses.
func (c *Client) Close() { c.http.CloseIdleConnections() }

func (c *Client) setToken(token string) error {
	if err := CheckToken(token); err != nil {
		return err
	}
	key, err := postKey(token)
	if err != nil {
		return fmt.Errorf("derive the key of HMACs: %w", err)
	}
	c.token, c.key = token, key
	return nil
}

func newConnection(o Options) (*connection, error) {
	base, err := parseEndpoint(o.Endpoint)
	if err != nil {
		return nil, err
	}
	if o.Clock == nil {
		o.Clock = clock.RealClock{}
	}
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	var transport http.RoundTripper = newTransport(o.TLS)
	if o.Wrap != nil {
		transport = o.Wrap(transport)
	}
	return &connection{
		base: base, userAgent: o.UserAgent, timeout: o.Timeout,
		server: serverClock{clock: o.Clock}, quiet: quiet{clock: o.Clock},
		http: &http.Client{
			Transport: transport,
			// The token must not follow to where somebody else points; a redirect is an answer that was not asked for.
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
	}, nil
}

func newTransport(config *tls.Config) *http.Transport {
	t := http.DefaultTransport.(*http.Transport).Clone()
	if config != nil {
		t.TLSClientConfig = config.Clone()
	}
	t.MaxIdleConnsPerHost = 16
	// A connection that died without a word is found out by the next ping, not by one request after the other.
	t.HTTP2 = &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second}
	return t
}

func parseEndpoint(endpoint string) (*url.URL, error) {
	const want = "endpoint must be an http or https URL without user, query and fragment, such as https://odoo.example.com"
	base, err := url.Parse(endpoint)
	if err != nil || (base.Scheme != "https" && base.Scheme != "http") || base.Host == "" || base.User != nil || base.RawQuery != "" || base.Fragment != "" {
		return nil, errors.New(want)
	}
	base.Path = strings.TrimRight(base.Path, "/")
	base.RawPath = ""
	return base, nil
}

// CheckToken refuses what no header can carry; the error does not repeat it.
func CheckToken(token string) error {
	if token == "" {
		return errors.New("token is missing")
	}
	for _, r := range token {
		if r <= ' ' || r > '~' {
			return errors.New("token has a space, a line break, or another character that a bearer token cannot have")
		}
	}
	return nil
}
