// SPDX-License-Identifier: Apache-2.0

package chain

import (
	"cmp"
	"fmt"
	"time"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/placement"
)

// walk is one walk along a chain.
type walk struct {
	Facts
	nodes []node
}

// Walk says what the links are, and at which of them it stops.
func Walk(f Facts) Chain {
	w := &walk{Facts: f}
	w.operation()
	if f.Cluster != "" && f.Operation.Status.Plan != nil {
		w.plan()
		w.work()
		w.cluster()
		w.workAgent()
		w.delivery()
		w.agent()
	}
	w.below()
	w.blame()
	c := Chain{
		Namespace: f.Operation.Namespace, Operation: f.Operation.Name, Cluster: f.Cluster, Instance: f.Instance, Unseen: w.unseen(),
		Phase: cmp.Or(string(f.Result.State), string(f.Operation.Status.Phase)),
	}
	if f.Below != nil {
		c.Through = f.Below.Through
	}
	return w.conclude(c, w.well())
}

// conclude makes a Chain of the links. Where all is well, nothing stops.
func (w *walk) conclude(c Chain, well bool) Chain {
	c.Links = make([]Link, len(w.nodes))
	for i := range w.nodes {
		c.Links[i] = w.nodes[i].Link
	}
	if at := stopAt(w.nodes); at >= 0 && !well {
		n := w.nodes[at]
		c.Links[at].Stop = true
		c.Stop = &Stop{Link: at, Step: n.Step, State: n.State, Cause: cmp.Or(n.cause, n.Message, n.Phase), Suggestion: n.advice}
	}
	return c
}

func (w *walk) add(n node) {
	n.Message, n.cause = engines.Redact(n.Message), engines.Redact(n.cause) // as the agent does with what executors say
	w.nodes = append(w.nodes, n)
}

// ended tells whether the cluster has ended, as far as anybody knows.
func (w *walk) ended() bool { return w.Result.State.Terminal() || w.Operation.Status.Phase.Terminal() }

// gaveUp tells whether it was the hub that ended it, for want of an answer.
func (w *walk) gaveUp() bool { return w.Result.Withdrawn }

// well tells whether what was followed succeeded: then nothing is in the way, whatever has become of the cluster since. A person who asks about one instance is
// told of that one.
func (w *walk) well() bool {
	if w.Cluster != "" && w.Operation.Status.Plan != nil {
		return w.Result.State == placement.Succeeded
	}
	return w.Operation.Status.Phase == opsv1alpha1.PhaseSucceeded
}

// matters tells whether what is wrong on the way to the cluster is the cause: not once the cluster itself has ended.
func (w *walk) matters() bool { return !w.ended() || w.gaveUp() }

// onTheWay is the state of a link on the way to the cluster that is not as it should be.
func (w *walk) onTheWay(s State) State {
	if w.matters() {
		return s
	}
	return Unknown
}

// spot of the Operation that was asked about.
func (w *walk) spot() spot {
	return spot{namespace: w.Operation.Namespace, fleet: w.Operation.Name, logs: w.logs()}
}

// here is a spot in a namespace of the cluster.
func (w *walk) here(namespace string) spot {
	s := spot{namespace: namespace, fleet: w.Operation.Name, logs: w.logs()}
	if w.Cluster != "" {
		s.on = " on " + w.Cluster
	}
	return s
}

// logs is the command that prints what the run said.
func (w *walk) logs() string {
	command := "vw logs op " + w.Operation.Name
	if w.Cluster != "" {
		command += " --cluster " + w.Cluster
	}
	return command
}

// ago is how long ago it was, for people.
func (w *walk) ago(t time.Time) string { return Short(w.Now.Sub(t)) }

// blame a link for what the hub gave up on, where nothing is wrong with any of them now.
func (w *walk) blame() {
	if !w.gaveUp() {
		return
	}
	at := StepAgent
	if w.Result.Reason == opsv1alpha1.ReasonClusterUnreachable || w.Result.Reason == opsv1alpha1.ReasonClusterNotFound {
		at = StepCluster
	}
	for i := range w.nodes {
		if n := &w.nodes[i]; n.State == Broken && !n.effect && !n.aside {
			return
		}
	}
	for i := range w.nodes {
		if n := &w.nodes[i]; n.Step == at {
			n.State, n.cause = Broken, fmt.Sprintf("the hub gave up on %s: %s", w.Cluster, w.Result.Cause())
			n.advice = advise(w.Result.Reason, w.here(opsv1alpha1.DefaultAgentNamespace))
		}
	}
}

// unseen says what could not be seen.
func (w *walk) unseen() []string {
	var all []string
	for _, why := range []string{w.PlanWhy, w.Work.Why, w.ManagedCluster.Why, w.Lease.Why, w.NoWay} {
		if why == w.NoWay && w.PlanWhy == "" && !w.told() {
			continue // nothing is there yet
		}
		if why != "" {
			all = append(all, why)
		}
	}
	if b := w.Below; b != nil {
		if b.Why != "" {
			all = append(all, b.Why)
		}
		if !b.Proven && w.Cluster != "" {
			all = append(all, fmt.Sprintf("%s is taken for cluster %s, and nothing there proves it: the Operation that was delivered to %s is not there", b.Through, w.Cluster, w.Cluster))
		}
	}
	return all
}

// Short is a duration for people: "4 s", "6 minutes", "3 hours", "2 days".
func Short(d time.Duration) string {
	d = max(d, 0)
	switch {
	case d < 2*time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%d minutes", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%d hours", int(d.Hours()))
	}
	return fmt.Sprintf("%d days", int(d.Hours()/24))
}
