// SPDX-License-Identifier: Apache-2.0

package faults

import (
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// task is what an engine is given to do on a fleet. Three kinds of stories are told of it: it is done; it fails; it is cancelled.
type task struct {
	name string
	// before makes what the task needs, and a Placement.
	before func(*World) error
	// stock is what of that its executor keeps under kinds of its own; nil for nothing.
	stock      func(*World) error
	typ        opsv1alpha1.OperationType
	parameters map[string]any
	// runs are how many instances of the near cluster it runs on.
	runs int
	// at is the kind of object at which its executor is held, and cancelled or failed.
	at string
	// early says that a cancel before the executor has begun takes another way than one after.
	early bool
	// after is what has to hold in the end besides; nil for nothing.
	after func(*World) error
}

var tasks = []task{
	{
		name: "job", before: instances(opsv1alpha1.EngineJob), typ: opsv1alpha1.TypeRunCommand,
		parameters: map[string]any{"image": "registry.example.com/tool:1"}, runs: 2, at: "Job",
	},
	{
		name: "workflow", before: instances(opsv1alpha1.EngineWorkflow), stock: workflowTemplate, typ: opsv1alpha1.TypeRunbook,
		parameters: map[string]any{"workflowTemplate": "tidy"}, runs: 2, at: "Workflow", early: true,
	},
	{
		name: "velero", before: instances(opsv1alpha1.EngineVelero), stock: storage, typ: opsv1alpha1.TypeBackup, runs: 2, at: "Backup", early: true,
	},
	{
		name: "volsync", before: both(instances(opsv1alpha1.EngineVolsync), volume), typ: opsv1alpha1.TypeBackup,
		parameters: map[string]any{"pvc": "data", "repository": map[string]any{"secretName": "restic"}, "copyMethod": "Direct"}, runs: 2, at: "ReplicationSource",
	},
	{
		name: "helm", before: both(released(opsv1alpha1.EngineHelm, "a", "b"), everywhere), typ: opsv1alpha1.TypeUpgrade,
		parameters: map[string]any{"targetVersion": "1.1.0"}, runs: 2, at: "HelmRelease",
	},
	{
		name: "helmHookJob", before: both(released(opsv1alpha1.EngineHelmHookJob, "a"), everywhere, record("a")), typ: opsv1alpha1.TypeMigration,
		parameters: map[string]any{"hookName": "migrate"}, runs: 1, at: "Job",
	},
	{
		// A Restore suspends the release before, and resumes it after.
		name: "restore", before: both(released(opsv1alpha1.EngineVelero, "a"), everywhere), stock: both(storage, saved), typ: opsv1alpha1.TypeRestore,
		parameters: map[string]any{"backupName": "saved"}, runs: 1, at: "Restore",
	},
	{
		// A Job before the Backup, and one after.
		name: "quiesce", before: both(quiesced("a"), everywhere), stock: storage, typ: opsv1alpha1.TypeBackup,
		parameters: map[string]any{"quiesce": true}, runs: 1, at: "Backup",
	},
	{
		// A request to the application before the Backup, and one after. No object stands for either.
		name: "quiesce by request", before: both(asked("a"), everywhere), stock: storage, typ: opsv1alpha1.TypeBackup,
		parameters: map[string]any{"quiesce": true}, runs: 1, at: "Backup", after: func(w *World) error { return w.play.app.restored() },
	},
}

// told are all stories about a task.
func (t task) told() []Story {
	all := []Story{t.story("", t.done), t.story(" fails", t.failing(t.at)), t.story(" cancelled", t.cancelled((*World).Hold))}
	if t.early {
		all = append(all, t.story(" cancelled early", t.cancelled((*World).Idle)))
	}
	return all
}

func (t task) story(what string, tell func(*World) error) Story {
	return Story{Name: t.name + what, Before: both(t.before, t.supply), Tell: both(tell, t.check)}
}

func (t task) supply(w *World) error {
	if t.stock == nil {
		return nil
	}
	return t.stock(w)
}

func (t task) check(w *World) error {
	if t.after == nil {
		return nil
	}
	return t.after(w)
}

func (t task) operation() *opsv1alpha1.Operation {
	return Fleetwide("op", "everywhere", t.typ, t.parameters)
}

func (t task) done(w *World) error {
	return inTurn(
		w.Installed, // or an upgrade is of what was never there before
		func() error { return w.Create(OnHub, t.operation()) },
		func() error { return w.Reaches("op", opsv1alpha1.PhaseSucceeded, opsv1alpha1.ReasonAllSucceeded) },
	)
}

// failing is when what its executor does at objects of a kind fails.
func (t task) failing(kind string) func(*World) error {
	return func(w *World) error {
		return inTurn(
			w.Installed, // before anything fails
			func() error { w.Fail(kind); return w.Create(OnHub, t.operation()) },
			func() error { return w.Reaches("op", opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonSomeFailed) },
		)
	}
}

// cancelled is when it is cancelled while its executor is stuck. Some executors can be stopped, and others go on: either way that is the end.
func (t task) cancelled(stuck func(w *World, kinds ...string)) func(*World) error {
	return func(w *World) error {
		op, err := t.begin(w, stuck)
		if err != nil {
			return err
		}
		return inTurn(
			func() error { return w.Change(OnHub, op, func() { op.Spec.Cancel = true }) },
			func() error { return w.Stopped(t.runs) },
			func() error {
				w.Release()
				return w.Reaches("op", opsv1alpha1.PhaseCancelled, opsv1alpha1.ReasonUserCancelled)
			},
		)
	}
}

// begin it on all clusters, with an executor that is stuck.
func (t task) begin(w *World, stuck func(w *World, kinds ...string)) (*opsv1alpha1.Operation, error) {
	op := t.operation()
	return op, inTurn(
		w.Installed, // what is stuck would not be
		func() error { stuck(w, t.at); return w.Create(OnHub, op) },
		func() error { return w.AtWork(t.runs) },
		w.everywhereAtWork,
	)
}

func taskOf(name string) task {
	for _, t := range tasks {
		if t.name == name {
			return t
		}
	}
	panic("no task is called " + name)
}

func toldOf(tasks []task) (all []Story) {
	for _, t := range tasks {
		all = append(all, t.told()...)
	}
	return all
}
