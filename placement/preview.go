// SPDX-License-Identifier: Apache-2.0

package placement

import (
	"bytes"
	"encoding/json"
	"fmt"
	"strings"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Outlook is what would become of a cluster if the run began now.
type Outlook string

const (
	// WouldRun as soon as it is the cluster's turn.
	WouldRun Outlook = "Run"
	// WouldWait for what Message says; also what would be given up when it does not come about in time.
	WouldWait Outlook = "Wait"
	// WouldLeaveOut the cluster: it is gone, or has nothing to act on.
	WouldLeaveOut Outlook = "LeaveOut"
)

// Preview is what a dry run foresees for one cluster.
type Preview struct {
	// Cluster by its name.
	Cluster string `json:"cluster"`
	// Order in which the clusters are acted on, from 1.
	Order int `json:"order"`
	// Group by its name, or its number.
	Group string `json:"group"`
	// Would is what would become of it, and Reason, in one word, and Message say why; both are empty where all is well.
	Would   Outlook `json:"would"`
	Reason  string  `json:"reason,omitempty"`
	Message string  `json:"message,omitempty"`
	// Delivered instances, which the hub has brought there itself and the selector picks.
	Delivered int `json:"delivered"`
	// Claimed is how many instances the cluster's agent says that run there, of the applications that the template is for: no more can match. Nil when it says
	// nothing.
	Claimed *int `json:"claimed,omitempty"`
	// Engine and Template; empty where each cluster chooses.
	Engine   opsv1alpha1.OperationEngine `json:"engine,omitempty"`
	Template string                      `json:"template,omitempty"`
	// Parameters that it would be sent, redacted.
	Parameters json.RawMessage `json:"parameters,omitempty"`
	// Omitted says why Parameters are not, or not all, there.
	Omitted string `json:"omitted,omitempty"`
}

const (
	// maxPreview bytes has one cluster's preview: with those of a whole chunk a ConfigMap stays below 1 MiB.
	maxPreview = 1900
	// MaxPreviewParameters of these are for parameters.
	MaxPreviewParameters = 1000
)

// Encode a preview in one line of JSON, of maxPreview bytes at most.
func (p Preview) Encode() (string, error) {
	p.Message = opsv1alpha1.Truncate(p.Message, 400)
	if n := len(p.Parameters); n > MaxPreviewParameters {
		p.Parameters, p.Omitted = nil, fmt.Sprintf("the parameters have %d bytes: see spec.parameters", n)
	}
	for {
		var b bytes.Buffer
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		if err := e.Encode(p); err != nil {
			return "", err
		}
		line := strings.TrimSpace(b.String())
		if len(line) <= maxPreview || p.Message == "" {
			return line, nil
		}
		p.Message = opsv1alpha1.Truncate(p.Message, len(p.Message)/2)
		if len(p.Message) < 16 {
			p.Message = ""
		}
	}
}

// ClusterFacts are what the hub knows of a cluster.
type ClusterFacts struct {
	// There is a ManagedCluster, and it is not being deleted.
	There bool
	// Available, by Open Cluster Management; Message is its word about it.
	Available bool
	Message   string
	// Cordons are the keys of taints that keep Placements from selecting the cluster.
	Cordons []string
	// Agent of ours has made claims.
	Agent bool
	// LacksEngine tells that the agent does not claim the engine.
	LacksEngine bool
	// Delivered and Claimed instances; see Preview.
	Delivered int
	Claimed   *int
}

// Foresee what would become of a cluster, and why.
func Foresee(f ClusterFacts, spec opsv1alpha1.OperationSpec, deadline time.Duration) (would Outlook, reason, message string) {
	switch {
	case !f.There:
		return WouldLeaveOut, opsv1alpha1.ReasonClusterNotFound, "the ManagedCluster does not exist, or is being deleted"
	case !f.Available:
		would, message = WouldWait, fmt.Sprintf("it is not available, and is given up after %s", deadline)
		if Unreachable(spec) == Skipped {
			would, message = WouldLeaveOut, fmt.Sprintf("it is not available, and is left out after %s", deadline)
		}
		if f.Message != "" {
			message += ": " + f.Message
		}
		return would, opsv1alpha1.ReasonClusterUnreachable, message
	case !f.Agent:
		return WouldWait, opsv1alpha1.ReasonAgentMissing, fmt.Sprintf("no vWorkspace agent has made claims there; without one it fails after %s", deadline)
	case f.Delivered == 0 && f.Claimed != nil && *f.Claimed == 0:
		message = "by its agent's claims nothing runs there that the template is for"
		if spec.TargetRef != nil || spec.Selector != nil && spec.Selector.Required {
			return WouldWait, opsv1alpha1.ReasonNoTargets, fmt.Sprintf("%s, and it fails after %s", message, deadline)
		}
		return WouldLeaveOut, opsv1alpha1.ReasonNoTargets, message
	case f.LacksEngine:
		return WouldWait, opsv1alpha1.ReasonEngineNotInstalled, "its agent does not claim the engine: install it"
	case len(f.Cordons) > 0:
		return WouldRun, "", "tainted " + strings.Join(f.Cordons, ", ") + ", which the Placement tolerates or has not seen yet"
	}
	return WouldRun, "", ""
}
