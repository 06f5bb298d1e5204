// SPDX-License-Identifier: Apache-2.0

package telemetry

import (
	"io"
	"log/slog"

	"github.com/go-logr/logr"
)

// Keys of log lines, the same on hub and spoke, so that one query finds a run on all clusters.
const (
	// KeyOperation is the NAMESPACE/NAME of the Operation that a line is about, on the side that writes the line.
	KeyOperation = "operation"
	// KeyInstance is the NAMESPACE/NAME of an ApplicationInstance: the one that is reconciled, or the target of the Operation.
	KeyInstance = "instance"
	// KeyCluster is the name of the ManagedCluster.
	KeyCluster = "cluster"
)

// NewLogger writes one JSON object per line; verbose includes what only a developer wants to know.
func NewLogger(w io.Writer, verbose bool) logr.Logger {
	level := slog.LevelInfo
	if verbose {
		level = slog.LevelDebug
	}
	return logr.FromSlogHandler(slog.NewJSONHandler(w, &slog.HandlerOptions{Level: level}))
}
