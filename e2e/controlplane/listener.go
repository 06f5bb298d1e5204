// SPDX-License-Identifier: Apache-2.0

package controlplane

import (
	"net"
	"sync/atomic"
)

// listener keeps its port while the fake is away, so that nobody else gets it, and closes what connects.
type listener struct {
	net.Listener
	away atomic.Bool
}

func (l *listener) Accept() (net.Conn, error) {
	for {
		conn, err := l.Listener.Accept()
		if err != nil || !l.away.Load() {
			return conn, err
		}
		if tcp, ok := conn.(*net.TCPConn); ok {
			// With nothing to linger for, the other side is told of a reset.
			_ = tcp.SetLinger(0)
		}
		_ = conn.Close()
	}
}
