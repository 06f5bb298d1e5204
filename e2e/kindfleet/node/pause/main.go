// SPDX-License-Identifier: Apache-2.0

// Command pause holds the namespaces of a pod: it does nothing until it is told to end, and buries orphans of a pod that shares its processes.
package main

import (
	"os"
	"os/signal"
	"syscall"
)

func main() {
	end, orphan := make(chan os.Signal, 1), make(chan os.Signal, 1)
	signal.Notify(end, syscall.SIGINT, syscall.SIGTERM)
	signal.Notify(orphan, syscall.SIGCHLD)
	for {
		select {
		case <-end:
			return
		case <-orphan:
			for pid := 1; pid > 0; {
				pid, _ = syscall.Wait4(-1, nil, syscall.WNOHANG, nil)
			}
		}
	}
}
