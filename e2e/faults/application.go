// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"

	"k8s.io/apimachinery/pkg/types"
)

// sleepService is the port of the Service behind which the played application listens: a POST to /asleep or /awake says what it is to be.
const sleepService = "shop:8080"

// application is a fake of what is behind the API server's proxy: an application that can be put to sleep while it is copied.
type application struct {
	asleep atomic.Bool

	mu     sync.Mutex
	copies map[types.UID]bool // the Backups that were begun, and whether it slept then
}

// answer a request that the API server would pass on; nil when it is the API server's own. What a deposed agent sends, when its successor has long been
// at work, is heard and not obeyed: no application can tell, and docs/how-to/quiesce.md says so.
func (a *application) answer(w *Wire, c Call) *http.Response {
	if c.Resource != "services" || c.Subresource != "proxy" || c.Name != sleepService {
		return nil
	}
	if !w.isUsurped() {
		a.asleep.Store(strings.HasSuffix(c.Request.URL.Path, "/asleep"))
	}
	return &http.Response{
		StatusCode: http.StatusOK, ProtoMajor: 1, ProtoMinor: 1, Header: http.Header{}, Body: http.NoBody, Request: c.Request,
	}
}

// copied takes note that a Backup was begun.
func (a *application) copied(backup types.UID) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.copies == nil {
		a.copies = map[types.UID]bool{}
	}
	if _, begun := a.copies[backup]; !begun {
		a.copies[backup] = a.asleep.Load()
	}
}

// restored is nil when it was asleep while it was copied, and is awake.
func (a *application) restored() error {
	a.mu.Lock()
	defer a.mu.Unlock()
	for backup, slept := range a.copies {
		if !slept {
			return fmt.Errorf("the application was awake while Backup %s was made", backup)
		}
	}
	switch {
	case len(a.copies) == 0:
		return errors.New("the application was not copied")
	case a.asleep.Load():
		return errors.New("the application was left asleep")
	}
	return nil
}
