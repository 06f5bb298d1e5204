// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net"
	"strconv"
	"sync"
)

const (
	loopback = "127.0.0.1"
	// Ports are chosen below the range from which Linux takes the local ports of outgoing connections (from 32768
	// on): dozens of controllers connect while others still wait to bind, and would take a port chosen with :0.
	firstPort, lastPort = 20000, 31999
)

// handedOut remembers ports that this process has given to a component that may not have bound them yet.
var handedOut = struct {
	sync.Mutex
	ports map[int]bool
}{ports: map[int]bool{}}

// freePort returns a port on loopback that nobody listens on now, and that this process gives to nobody else.
// Another process may still take it before the component binds; launch then tries again.
func freePort() (int, error) {
	handedOut.Lock()
	defer handedOut.Unlock()
	for range 1000 {
		port := firstPort + rand.IntN(lastPort-firstPort+1)
		if handedOut.ports[port] {
			continue
		}
		l, err := net.Listen("tcp", address(port))
		if err != nil {
			continue
		}
		if err := l.Close(); err != nil {
			return 0, fmt.Errorf("probe port %d: %w", port, err)
		}
		handedOut.ports[port] = true
		return port, nil
	}
	return 0, errors.New("no free port on 127.0.0.1 between 20000 and 31999: stop other fleets first")
}

// FreePort is a port on loopback that nobody listens on, and that is not one of the testbed's own.
func FreePort() (int, error) { return freePort() }

// freePorts returns n different free ports.
func freePorts(n int) ([]int, error) {
	ports := make([]int, n)
	for i := range ports {
		port, err := freePort()
		if err != nil {
			return nil, err
		}
		ports[i] = port
	}
	return ports, nil
}

// address is a loopback port as HOST:PORT.
func address(port int) string {
	return net.JoinHostPort(loopback, strconv.Itoa(port))
}
