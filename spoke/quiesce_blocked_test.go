// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"strings"
	"testing"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

func TestQuiesceIsRefused(t *testing.T) {
	ns := gatedNamespace(t)
	quiescible(t, ns, byWidgets(widgetName))
	for typ, raw := range map[opsv1alpha1.OperationType]string{
		opsv1alpha1.TypeRestore: `{"quiesce":true}`, opsv1alpha1.TypeUpgrade: `{"quiesce":true}`, opsv1alpha1.TypeBackup: `{"quiesce":"yes"}`,
	} {
		op := on(ns, strings.ToLower(string(typ)), "web", typ)
		op.Spec.Parameters = parameters(t, raw)
		create(t, op)
		reaches(t, op, opsv1alpha1.PhaseFailed, opsv1alpha1.ReasonValidationFailed)
		says(t, op, "spec.parameters.quiesce")
	}
	op := on(ns, "asks-not", "web", opsv1alpha1.TypeRestore)
	op.Spec.Parameters = parameters(t, `{"quiesce":false}`)
	create(t, op)
	finish(t, op)
	reaches(t, op, opsv1alpha1.PhaseSucceeded, "")
}

// TestQuiesceBlocked: each message names the annotation and the fix, and the run starts by itself when that is mended.
func TestQuiesceBlocked(t *testing.T) {
	command := map[string]string{
		opsv1alpha1.CapabilityQuiesce: opsv1alpha1.QuiesceExec, opsv1alpha1.AnnotationQuiescePods: "app=web",
		opsv1alpha1.AnnotationQuiesceCommand: `["on"]`, opsv1alpha1.AnnotationUnquiesceCommand: `["off"]`,
	}
	for name, c := range map[string]struct {
		annotations map[string]string
		reason      string
		says        []string
	}{
		"not advertised": {nil, opsv1alpha1.ReasonCapabilityMissing, []string{"ops.vworkspace.io/quiesce is missing", "leave the parameter out"}},
		"unknown engine": {map[string]string{opsv1alpha1.CapabilityQuiesce: "tape"}, opsv1alpha1.ReasonCapabilityMissing,
			[]string{`"tape"`, "job", "workflow"}},
		"misspelt": {map[string]string{opsv1alpha1.CapabilityQuiesce: "exec", "ops.vworkspace.io/quiesce-comand": "[]"},
			opsv1alpha1.ReasonCapabilityMissing, []string{"ops.vworkspace.io/quiesce-comand is unknown"}},
		"engine without its kind": {byWidgets(lateName), opsv1alpha1.ReasonEngineNotInstalled, []string{"Gadget", "quiesce"}},
		"engine refuses the parameters": {with(byWidgets(widgetName), opsv1alpha1.AnnotationUnquiesceParameters, `{"bsy":true}`),
			opsv1alpha1.ReasonCapabilityMissing, []string{"ops.vworkspace.io/unquiesce-parameters", "bsy: Forbidden"}},
		"engine is blocked": {with(byWidgets(widgetName), opsv1alpha1.AnnotationUnquiesceParameters, `{"busy":true}`),
			opsv1alpha1.ReasonFieldConflict, []string{"unquiesce", "the executor is taken"}},
		"no pods": {command, opsv1alpha1.ReasonTargetNotReady, []string{"no Running pod", "ops.vworkspace.io/quiesce-pods (app=web)", "start the application"}},
		"no right to send requests": {map[string]string{
			opsv1alpha1.CapabilityQuiesce:    opsv1alpha1.QuiesceExec,
			opsv1alpha1.AnnotationQuiesceURL: "web:8080/on", opsv1alpha1.AnnotationUnquiesceURL: "web:8080/off",
		}, opsv1alpha1.ReasonRbacProfileMissing, []string{
			"kubectl create role vworkspace-quiesce-request-web-8080 -n", "--verb=create --resource=services/proxy --resource-name=web:8080 &&",
			"kubectl create rolebinding", "--user=system:serviceaccount:vworkspace-agent:vworkspace-agent",
		}},
		"no right to send requests to another Service": {map[string]string{
			opsv1alpha1.CapabilityQuiesce:    opsv1alpha1.QuiesceExec,
			opsv1alpha1.AnnotationQuiesceURL: "api:http/on", opsv1alpha1.AnnotationUnquiesceURL: "web:8080/off",
		}, opsv1alpha1.ReasonRbacProfileMissing, []string{"kubectl create role vworkspace-quiesce-request-api-http-web-8080 -n"}},
	} {
		t.Run(name, func(t *testing.T) {
			if name == "engine without its kind" {
				uninstallGadgets(t)
			}
			ns := gatedNamespace(t)
			quiescible(t, ns, c.annotations)
			op := quiescing(t, ns, "copy")
			create(t, op)
			says(t, op, c.says[0]) // a target that is not Ready yet may have the same reason
			blockedFrom(t, op, c.reason)
			says(t, op, c.says...)
			if len(widgetsOf(t, op)) > 0 || len(op.Status.Preparations) > 0 {
				t.Error("something was done")
			}
			ai := placeholder(ns, "web", "shop")
			patch(t, ai, func() {
				for key := range ai.Annotations {
					if strings.Contains(key, "quiesce") {
						delete(ai.Annotations, key)
					}
				}
				for key, value := range byWidgets(widgetName) {
					ai.Annotations[key] = value
				}
			})
			widgetAs(t, op, stepQuiesce, 1)
		})
	}
}
