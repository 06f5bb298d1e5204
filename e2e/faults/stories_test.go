// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"cmp"
	"fmt"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	clusterv1alpha1 "open-cluster-management.io/api/cluster/v1alpha1"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/velero"
	"vworkspace.io/fleet/hub"
)

// stories are what every fault is tried on: those of tasks, and others. Each runs on three clusters: near with two instances, and two far ones.
var stories = slices.Concat(toldOf(tasks), rolloutStories, []Story{
	{
		// The Job before a Backup fails, so there is none.
		Name: "quiesce fails before", Before: taskOf("quiesce").story("", nil).Before, Tell: taskOf("quiesce").failing("Job"),
	},
	{
		// Velero was about to begin every Backup when it was restarted. The agent's clock is ahead: what has just been changed has been left alone for long.
		Name: "velero forgets", Tell: taskOf("velero").done, Before: both(taskOf("velero").story("", nil).Before, func(w *World) error {
			w.play.forget.set("Backup")
			return nil
		}),
		Engines: func() *engines.Registry {
			return engines.NewRegistry(velero.New("").At(func() time.Time { return time.Now().Add(time.Minute) }))
		},
	},
	{
		// Whatever is said after the first report of a cluster gets lost on its way there: the cancel, and that the work goes.
		Name: "lost changes", Before: both(taskOf("job").before, func(w *World) error {
			w.play.deaf.Store(true)
			return nil
		}),
		Tell: func(w *World) error {
			return inTurn(
				func() error { return taskOf("job").cancelled((*World).Hold)(w) },
				func() error { return w.Delete(OnHub, tool("op")) },
				func() error { return w.Gone(OnHub, "Operation", apps, "op") },
			)
		},
		HubOptions: func(o *hub.Options) { o.RemindAfter = 200 * time.Millisecond },
	},
	{
		Name:   "delete",
		Before: instances(opsv1alpha1.EngineJob),
		Tell: func(w *World) error {
			op, err := taskOf("job").begin(w, (*World).Hold)
			if err != nil {
				return err
			}
			return inTurn(
				func() error { return w.Delete(OnHub, op) },
				func() error { return w.Gone(OnHub, "Operation", apps, "op") },
			)
		},
	},
	{
		Name: "claims",
		Before: both(instances(opsv1alpha1.EngineJob), func(w *World) error {
			return w.Create(OnSpoke, object("cluster.open-cluster-management.io/v1alpha1", "ClusterClaim", "", "wiki.app.vworkspace.io", map[string]any{
				"spec": map[string]any{"value": "somebody else's"},
			}))
		}),
		Tell: func(w *World) error {
			shops := func(count string) func() error {
				return func() error {
					return w.await("the claim to say "+cmp.Or(count, "nothing"), func() string {
						is := ""
						if o := w.mirror.get(OnSpoke, "ClusterClaim", "", "shop.app.vworkspace.io"); o != nil {
							is = text(o, "spec", "value")
						}
						if is != count {
							return "it says " + is
						}
						return ""
					})
				}
			}
			wiki := Placeholder("wiki", opsv1alpha1.EngineJob)
			wiki.Spec.AppRef.CatalogID = "wiki"
			return inTurn(
				shops("2"),
				func() error { return w.Delete(OnSpoke, Placeholder("a", opsv1alpha1.EngineJob)) },
				shops("1"),
				func() error { return w.Create(OnSpoke, wiki) },
				func() error { return w.Delete(OnSpoke, Placeholder("b", opsv1alpha1.EngineJob)) },
				shops(""),
			)
		},
	},
	{
		// A claim comes with the request, and counts once: whatever happens on the way, it starts the Operation, and no other of the same name.
		Name:   "approval",
		Before: both(instances(opsv1alpha1.EngineJob), approvalKeys),
		Tell: func(w *World) error {
			return inTurn(
				func() error { return w.Create(OnHub, approvedTool("op")) },
				func() error { return w.Reaches("op", opsv1alpha1.PhaseSucceeded, "") },
				func() error { return w.Delete(OnHub, tool("op")) },
				func() error { return w.Gone(OnHub, "Operation", apps, "op") },
				func() error { return w.Create(OnHub, approvedTool("op")) },
				func() error { return w.Reaches("op", opsv1alpha1.PhasePending, opsv1alpha1.ReasonApprovalInvalid) },
			)
		},
	},
	{
		// Held back before it begins, and then one cluster after the other: none begins before its turn, and none twice.
		Name:   "rollout",
		Before: instances(opsv1alpha1.EngineJob),
		Tell: func(w *World) error {
			op := tool("op")
			op.Spec.Suspend = true
			op.Spec.Rollout = &opsv1alpha1.RolloutSpec{RolloutStrategy: clusterv1alpha1.RolloutStrategy{
				Type: clusterv1alpha1.Progressive, Progressive: &clusterv1alpha1.RolloutProgressive{MaxConcurrency: intstr.FromInt32(1)},
			}}
			return inTurn(
				func() error { return w.Create(OnHub, op) },
				func() error { return w.Reaches("op", opsv1alpha1.PhaseRunning, opsv1alpha1.ReasonRollingOut) },
				func() error { return w.Change(OnHub, op, func() { op.Spec.Suspend = false }) },
				func() error { return w.Reaches("op", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
			)
		},
	},
	rollbackStory,
	odooStory,
	{
		// One instance of a cluster after the other: whatever happens, both have their turn.
		Name:   "turns",
		Before: instances(opsv1alpha1.EngineJob),
		Tell: func(w *World) error {
			op := tool("op")
			op.Spec.Selector.MaxConcurrency = ptr.To[int32](1)
			return inTurn(
				func() error { return w.Create(OnHub, op) },
				func() error { return w.Reaches("op", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
			)
		},
	},
	{
		// While the fleet is frozen nothing begins, and what is asked for meanwhile begins when it is not any more, here and on the clusters.
		Name:   "freeze",
		Before: both(instances(opsv1alpha1.EngineJob), claimed),
		Tell: func(w *World) error {
			freeze := &opsv1alpha1.Freeze{ObjectMeta: metav1.ObjectMeta{Name: "outage"}, Spec: opsv1alpha1.FreezeSpec{Reason: "payments are down"}}
			here := tool("here")
			here.Spec.Placement = nil
			is := func(phase opsv1alpha1.OperationPhase, reason string) error {
				return w.await(fmt.Sprintf("the cluster's own Operation to be %s/%s", phase, reason), func() string {
					if op := w.Operation(OnSpoke, apps, here.Name); op == nil || op.Status.Phase != phase || op.Status.Reason != reason {
						return "it is not"
					}
					return ""
				})
			}
			return inTurn(
				func() error { return w.Create(OnHub, freeze) },
				func() error { return w.arrives("Freeze", "hub.outage", "payments are down") },
				func() error { return w.Create(OnHub, tool("op")) },
				func() error { return w.Create(OnSpoke, here) },
				func() error { return is(opsv1alpha1.PhasePending, opsv1alpha1.ReasonFrozen) },
				func() error { return w.None(OnSpoke, apps, "Job") },
				func() error { return w.Delete(OnHub, freeze) },
				func() error { return w.Reaches("op", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
				func() error { return is(opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
				func() error { return w.Gone(OnSpoke, "Freeze", "", "hub.outage") },
			)
		},
	},
	{
		Name:   "ttl",
		Before: instances(opsv1alpha1.EngineJob),
		Tell: func(w *World) error {
			op := tool("op")
			op.Spec.TTLSecondsAfterFinished = ptr.To[int32](1)
			return inTurn(
				func() error { return w.Create(OnHub, op) },
				func() error { return w.Gone(OnHub, "Operation", apps, "op") },
				func() error { return w.None(OnSpoke, apps, "Operation", "Job") }, // the record of the delivery stays for a while
			)
		},
	},
	{
		// Two Migrations on the same instances, at once: one has to wait for the other.
		Name:   "rivals",
		Before: instances(opsv1alpha1.EngineJob),
		Tell: func(w *World) error {
			return inTurn(
				func() error { return w.Create(OnHub, migration("op"), migration("rival")) },
				func() error { return w.Reaches("op", opsv1alpha1.PhaseSucceeded, "") },
				func() error { return w.Reaches("rival", opsv1alpha1.PhaseSucceeded, "") },
			)
		},
	},
	{
		// The clusters that were chosen when it began are those that it runs on.
		Name:   "placement moves",
		Before: instances(opsv1alpha1.EngineJob),
		Tell: func(w *World) error {
			return inTurn(
				func() error { return w.Create(OnHub, tool("op")) },
				func() error {
					return w.await("the first cluster to be told", func() string {
						if len(w.mirror.all(OnHub, "ManifestWork")) == 0 {
							return "none is"
						}
						return ""
					})
				},
				func() error { return w.Decide("everywhere", far[1]) },
				func() error { return w.Reaches("op", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
			)
		},
	},
	{
		// An instance is delivered, upgraded and taken away, all from the hub.
		Name: "instance",
		Tell: func(w *World) error {
			ai := Release("a", opsv1alpha1.EngineHelm)
			ai.Labels = map[string]string{appsv1alpha1.LabelClusterID: near}
			runs := func(version string) error {
				return w.await("the hub to know that "+version+" runs", func() string {
					o := w.mirror.get(OnHub, "ApplicationInstance", apps, "a")
					if o == nil || text(o, "status", "ready") != "True" || text(o, "status", "lastAppliedChart", "version") != version {
						return "it does not"
					}
					return ""
				})
			}
			return inTurn(
				func() error { return w.Create(OnHub, ai) },
				func() error { return runs("1.0.0") },
				func() error { return w.Change(OnHub, ai, func() { ai.Spec.Chart.Version = "1.1.0" }) },
				func() error { return runs("1.1.0") },
				func() error { return w.Delete(OnHub, ai) },
				func() error { return w.Gone(OnHub, "ApplicationInstance", apps, "a") },
				func() error { return w.None(OnSpoke, apps, "ApplicationInstance", "HelmRelease", "HelmChart") },
			)
		},
	},
	{
		// What a run would do is told first, and then done; each cluster is sent its own parameters, the same however often the plan is made.
		Name:   "expressions",
		Before: instances(opsv1alpha1.EngineJob),
		Tell: func(w *World) error {
			with := func(name string, dryRun bool) *opsv1alpha1.Operation {
				op := Fleetwide(name, "everywhere", opsv1alpha1.TypeRunCommand, map[string]any{
					"image": "registry.example.com/${cluster.name}:1", "backoffLimit": "${cluster.name == '" + near + "' ? 1 : 0}", "args": []any{"echo ${HOME} $${cluster}"},
				})
				op.Spec.DryRun = dryRun
				return op
			}
			return inTurn(
				func() error { return w.Create(OnHub, with("would", true)) },
				func() error { return w.Reaches("would", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonDryRun) },
				func() error { return w.Create(OnHub, with("op", false)) },
				func() error { return w.Reaches("op", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
			)
		},
	},
	catalogStory,
})

func both(all ...func(*World) error) func(*World) error {
	return func(w *World) error {
		for _, one := range all {
			if err := one(w); err != nil {
				return err
			}
		}
		return nil
	}
}

// inTurn does one thing after the other, until one fails.
func inTurn(all ...func() error) error {
	for _, one := range all {
		if err := one(); err != nil {
			return err
		}
	}
	return nil
}

// tool is an Operation that runs a command everywhere.
func tool(name string) *opsv1alpha1.Operation {
	return Fleetwide(name, "everywhere", opsv1alpha1.TypeRunCommand, map[string]any{"image": "registry.example.com/tool:1"})
}

func migration(name string) *opsv1alpha1.Operation {
	op := tool(name)
	op.Spec.Type = opsv1alpha1.TypeMigration
	return op
}
