// SPDX-License-Identifier: Apache-2.0

package wire

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode"
)

// Bounds on what is taken from the other side.
const (
	maxAnswer     = 16 << 20
	maxErrorBody  = 64 << 10
	maxErrorText  = 1024
	maxRetryAfter = 24 * time.Hour
)

// answer is what came back for a call.
type answer struct {
	what    call
	resp    *http.Response
	token   string
	foreign bool
}

func answerOf(resp *http.Response, what call, token string) answer {
	mediaType, _, err := mime.ParseMediaType(resp.Header.Get("Content-Type"))
	foreign := err != nil || mediaType != MediaType
	if resp.StatusCode == http.StatusNoContent {
		foreign = false
	}
	return answer{what: what, resp: resp, token: token, foreign: foreign}
}

// read it into what the call is for; an *Error when it is another answer than that.
func (a answer) read() error {
	expected := http.StatusNoContent
	if a.what.into != nil {
		expected = http.StatusOK
	}
	if a.resp.StatusCode != expected {
		return a.refusal()
	}
	if a.what.into == nil {
		return nil
	}
	if a.foreign {
		return &Error{Operation: a.what.String(), Status: a.resp.StatusCode, Foreign: true, Message: a.foreignMessage()}
	}
	body, err := io.ReadAll(io.LimitReader(a.resp.Body, maxAnswer+1))
	if err != nil {
		return fmt.Errorf("%s: read the answer: %w", a.what, err)
	}
	if len(body) > maxAnswer {
		return fmt.Errorf("%s: the answer is larger than %d MiB", a.what, maxAnswer>>20)
	}
	if err := json.Unmarshal(body, a.what.into); err != nil {
		return fmt.Errorf("%s: %w", a.what, unreadable(err))
	}
	return nil
}

// refusal reads an error. What cannot be read of it is left out: the status alone says what to do.
func (a answer) refusal() *Error {
	e := &Error{Operation: a.what.String(), Job: a.what.job, Status: a.resp.StatusCode, Foreign: a.foreign, RetryAfter: retryAfter(a.resp.Header)}
	switch {
	case a.resp.StatusCode >= 300 && a.resp.StatusCode < 400:
		e.Foreign = true
		e.Message = "redirects to " + redirectedTo(a.resp) + ", which is not followed; set endpoint to where the control plane is"
	case a.resp.StatusCode < 300:
		e.Message = "another answer was expected"
	case a.foreign:
		e.Message = a.foreignMessage()
	default:
		a.readProblem(e)
	}
	return e
}

func (a answer) readProblem(e *Error) {
	var problem struct {
		Error     string `json:"error"`
		Message   string `json:"message"`
		RequestID string `json:"requestId"`
	}
	body, err := io.ReadAll(io.LimitReader(a.resp.Body, maxErrorBody))
	if err != nil || json.Unmarshal(body, &problem) != nil {
		e.Message = "its text cannot be read"
		return
	}
	e.Code, e.Message, e.RequestID = a.clean(problem.Error), a.clean(problem.Message), a.clean(problem.RequestID)
}

// clean makes a text of the other side fit for logs and conditions: bounded, on one line, and without our token.
func (a answer) clean(text string) string {
	text = strings.ReplaceAll(text, a.token, "[token]")
	text = strings.Map(func(r rune) rune {
		if !unicode.IsPrint(r) {
			return ' '
		}
		return r
	}, text)
	if len(text) > maxErrorText {
		text = strings.ToValidUTF8(text[:maxErrorText], "") + "..."
	}
	return text
}

func (a answer) foreignMessage() string {
	got := a.clean(a.resp.Header.Get("Content-Type"))
	if got == "" {
		got = "nothing"
	}
	return fmt.Sprintf("with the media type %s instead of %s: endpoint is not that of a control plane, or something on the way has answered", got, MediaType)
}

// redirectedTo names the host only: what else an address holds may be secret.
func redirectedTo(resp *http.Response) string {
	to, err := url.Parse(resp.Header.Get("Location"))
	if err != nil || to.Host == "" {
		return "another path"
	}
	return to.Scheme + "://" + to.Host
}

// retryAfter reads the header: seconds, or a date by the clock of whoever answers.
func retryAfter(header http.Header) time.Duration {
	value := strings.TrimSpace(header.Get("Retry-After"))
	if seconds, err := strconv.ParseUint(value, 10, 31); err == nil {
		return min(time.Duration(seconds)*time.Second, maxRetryAfter)
	}
	until, err := http.ParseTime(value)
	now, nowErr := http.ParseTime(header.Get("Date"))
	if err != nil || nowErr != nil {
		return 0
	}
	return min(max(until.Sub(now), 0), maxRetryAfter)
}

// unreadable says what is wrong with a body without repeating any of it.
func unreadable(err error) error {
	if e, ok := errors.AsType[*json.SyntaxError](err); ok {
		return fmt.Errorf("the answer is not JSON, or not all of it came: at byte %d", e.Offset)
	}
	if e, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		return fmt.Errorf("the answer's field %q must not be a JSON %s", e.Field, e.Value)
	}
	return errors.New("the answer is not as the protocol has it")
}
