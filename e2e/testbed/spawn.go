// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"os/exec"
	"runtime"
	"sync"
)

// Linux sends a child its parent-death signal when the *thread* that started it ends, and Go ends threads as it
// likes. So one goroutine starts every child: it keeps its thread, and lives as long as this process.
var spawner struct {
	once     sync.Once
	requests chan spawnRequest
}

type spawnRequest struct {
	cmd *exec.Cmd
	err chan<- error
}

// spawn starts cmd on the thread that all children share.
func spawn(cmd *exec.Cmd) error {
	spawner.once.Do(func() {
		spawner.requests = make(chan spawnRequest)
		go func() {
			runtime.LockOSThread()
			for r := range spawner.requests {
				r.err <- r.cmd.Start()
			}
		}()
	})
	err := make(chan error, 1)
	spawner.requests <- spawnRequest{cmd, err}
	return <-err
}
