// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"context"
	"fmt"
	"time"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// executor plays the controller of a kind. Its step takes an object one step further, and tells whether it has changed it: from nothing to begun,
// and from begun to the end unless that is held back. What it writes is what the real controller writes, as engines/*/testdata has it recorded.
type executor struct {
	// whole is set where the status is no subresource.
	whole bool
	step  func(p *players, o *unstructured.Unstructured) bool
}

var executors = map[string]executor{
	"Job":                    {step: (*players).job},
	"Workflow":               {step: (*players).workflow, whole: true},
	"Backup":                 {step: (*players).backup, whole: true},
	"Restore":                {step: (*players).restore, whole: true},
	"ReplicationSource":      {step: (*players).replication},
	"ReplicationDestination": {step: (*players).replication},
	"VolumeSnapshot":         {step: (*players).snapshot},
	"PersistentVolumeClaim":  {step: (*players).claim},
	"HelmRepository":         {step: (*players).repository},
	"HelmChart":              {step: (*players).chart},
	"HelmRelease":            {step: (*players).release},
}

// execute lets every executor take a step.
func (p *players) execute(ctx context.Context) error {
	for _, o := range p.w.mirror.all(OnSpoke) {
		e, played := executors[o.GetKind()]
		if !played || o.GetDeletionTimestamp() != nil || p.idle.has(o.GetKind()) || !e.step(p, o) {
			continue
		}
		var err error
		if e.whole {
			err = p.w.Spoke.Update(ctx, o)
		} else {
			err = p.w.Spoke.Status().Update(ctx, o)
		}
		if err != nil && !passing(err) {
			return fmt.Errorf("%s %s: %w", o.GetKind(), o.GetName(), err)
		}
	}
	return nil
}

// may tells whether what was begun may end.
func (p *players) may(o *unstructured.Unstructured) bool {
	return !p.hold.has(o.GetKind()) && !p.near.Load()
}

// fails tells whether what ends is to fail.
func (p *players) fails(o *unstructured.Unstructured) bool { return p.fail.has(o.GetKind()) }

func now() string { return time.Now().UTC().Format(time.RFC3339) }

func text(o *unstructured.Unstructured, fields ...string) string {
	s, _, _ := unstructured.NestedString(o.Object, fields...)
	return s
}

func status(o *unstructured.Unstructured) map[string]any {
	s, _, _ := unstructured.NestedMap(o.Object, "status")
	if s == nil {
		s = map[string]any{}
	}
	return s
}

// become merges fields into the status.
func become(o *unstructured.Unstructured, fields map[string]any) bool {
	s := status(o)
	for key, value := range fields {
		s[key] = value
	}
	o.Object["status"] = s
	return true
}

// job plays Kubernetes' Job controller.
func (p *players) job(o *unstructured.Unstructured) bool {
	switch s := status(o); {
	case s["startTime"] == nil:
		return become(o, map[string]any{"startTime": now(), "active": int64(1), "ready": int64(1)})
	case s["conditions"] != nil || !p.may(o):
		return false
	}
	conditions := func(kinds ...string) (all []any) {
		for _, kind := range kinds {
			all = append(all, map[string]any{"type": kind, "status": "True", "reason": "Played", "lastTransitionTime": now(), "lastProbeTime": now()})
		}
		return all
	}
	if p.fails(o) {
		return become(o, map[string]any{"active": int64(0), "ready": int64(0), "failed": int64(1), "conditions": conditions("FailureTarget", "Failed")})
	}
	return become(o, map[string]any{
		"active": int64(0), "ready": int64(0), "succeeded": int64(1), "completionTime": now(), "conditions": conditions("SuccessCriteriaMet", "Complete"),
	})
}

// workflow plays Argo's workflow-controller.
func (p *players) workflow(o *unstructured.Unstructured) bool {
	end := func(phase, message string) bool {
		labels := o.GetLabels()
		labels["workflows.argoproj.io/completed"] = "true"
		o.SetLabels(labels)
		return become(o, map[string]any{"phase": phase, "finishedAt": now(), "progress": "1/1", "message": message})
	}
	phase := text(o, "status", "phase")
	switch shutdown := text(o, "spec", "shutdown"); {
	case phase == "":
		return become(o, map[string]any{"phase": "Running", "startedAt": now(), "progress": "0/1"})
	case phase != "Running":
		return false
	case shutdown != "":
		return end("Failed", "Stopped with strategy '"+shutdown+"'")
	case !p.may(o):
		return false
	case p.fails(o):
		return end("Failed", "disk full")
	}
	return end("Succeeded", "")
}

// backup plays Velero's backup controllers.
func (p *players) backup(o *unstructured.Unstructured) bool {
	if text(o, "status", "phase") == "" {
		p.app.copied(o.GetUID())
	}
	return p.velero(o, map[string]any{"formatVersion": "1.1.0", "version": int64(1), "expiration": "2099-01-01T00:00:00Z"},
		map[string]any{"progress": map[string]any{"itemsBackedUp": int64(7), "totalItems": int64(7)}})
}

// restore plays Velero's restore controllers.
func (p *players) restore(o *unstructured.Unstructured) bool {
	return p.velero(o, nil, map[string]any{"progress": map[string]any{"itemsRestored": int64(7), "totalItems": int64(7)}})
}

func (p *players) velero(o *unstructured.Unstructured, begun, done map[string]any) bool {
	switch phase := text(o, "status", "phase"); {
	case phase == "" && p.forget.has(o.GetKind()):
		return become(o, map[string]any{"phase": "ReadyToStart"})
	case phase == "ReadyToStart" && o.GetAnnotations()[opsv1alpha1.AnnotationReminded] == "":
		return false
	case phase == "", phase == "ReadyToStart":
		become(o, begun)
		return become(o, map[string]any{"phase": "InProgress", "startTimestamp": now()})
	case phase != "InProgress" || !p.may(o):
		return false
	case p.fails(o):
		return become(o, map[string]any{"phase": "Failed", "failureReason": "disk full", "completionTimestamp": now()})
	}
	become(o, done)
	return become(o, map[string]any{"phase": "Completed", "completionTimestamp": now()})
}

// replication plays VolSync with a manual trigger.
func (p *players) replication(o *unstructured.Unstructured) bool {
	synchronizing := func(status, reason string) []any {
		return []any{map[string]any{"type": "Synchronizing", "status": status, "reason": reason, "message": "", "lastTransitionTime": now()}}
	}
	trigger := text(o, "spec", "trigger", "manual")
	paused, _, _ := unstructured.NestedBool(o.Object, "spec", "paused")
	failed := text(o, "status", "latestMoverStatus", "result") == "Failed"
	switch {
	case paused:
		return false
	case status(o)["conditions"] == nil:
		return become(o, map[string]any{"lastSyncStartTime": now(), "conditions": synchronizing("True", "SyncInProgress")})
	case text(o, "status", "lastManualSync") == trigger || !p.may(o) || failed && p.fails(o):
		return false
	case p.fails(o): // of all attempts; it begins anew
		return become(o, map[string]any{"latestMoverStatus": map[string]any{"result": "Failed", "logs": "Fatal: unable to open config file: disk full"}})
	}
	return become(o, map[string]any{
		"lastManualSync": trigger, "lastSyncTime": now(), "lastSyncDuration": "1s", "conditions": synchronizing("False", "WaitingForManual"),
		"latestMoverStatus": map[string]any{"result": "Successful", "logs": "Starting container\nsnapshot 9d0e1f2a saved\nRestic completed in 1s"},
	})
}

// snapshot plays the snapshot-controller with a CSI driver.
func (p *players) snapshot(o *unstructured.Unstructured) bool {
	switch s := status(o); {
	case s["boundVolumeSnapshotContentName"] == nil:
		return become(o, map[string]any{"boundVolumeSnapshotContentName": "snapcontent-" + o.GetName(), "readyToUse": false})
	case s["readyToUse"] == true || !p.may(o):
		return false
	}
	return become(o, map[string]any{"readyToUse": true, "creationTime": now(), "restoreSize": "1Gi"})
}

// claim plays the volume binder.
func (p *players) claim(o *unstructured.Unstructured) bool {
	if text(o, "status", "phase") == "Bound" {
		return false
	}
	return become(o, map[string]any{"phase": "Bound", "accessModes": []any{"ReadWriteOnce"}, "capacity": map[string]any{"storage": "1Gi"}})
}
