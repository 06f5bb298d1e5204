// SPDX-License-Identifier: Apache-2.0

// Command program is small enough for a test to build it often.
package main

import (
	"fmt"
	"os"
	"time"
	_ "time/tzdata"
)

var version = "dev"

func main() {
	if _, err := time.LoadLocation("Europe/Berlin"); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println(version)
}
