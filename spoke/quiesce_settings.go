// SPDX-License-Identifier: Apache-2.0

package spoke

import (
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines"
)

const (
	// Bounds on a step. While a command or a request takes its time, so does one of the agent's workers.
	defaultQuiesceTimeout = time.Minute
	defaultEngineTimeout  = 5 * time.Minute
	maxQuiesceTimeout     = 10 * time.Minute

	// maxSetting bytes of an annotation are taken: settings are kept in the Operation's status.
	maxSetting = 4 << 10
)

var quiesceAnnotations = []string{
	opsv1alpha1.CapabilityQuiesce, opsv1alpha1.AnnotationQuiesceTimeout,
	opsv1alpha1.AnnotationQuiescePods, opsv1alpha1.AnnotationQuiesceContainer,
	opsv1alpha1.AnnotationQuiesceCommand, opsv1alpha1.AnnotationUnquiesceCommand,
	opsv1alpha1.AnnotationQuiesceURL, opsv1alpha1.AnnotationUnquiesceURL,
	opsv1alpha1.AnnotationQuiesceParameters, opsv1alpha1.AnnotationUnquiesceParameters,
}

var (
	commandKeys = map[quiesceStep]string{
		stepQuiesce: opsv1alpha1.AnnotationQuiesceCommand, stepUnquiesce: opsv1alpha1.AnnotationUnquiesceCommand,
	}
	urlKeys = map[quiesceStep]string{
		stepQuiesce: opsv1alpha1.AnnotationQuiesceURL, stepUnquiesce: opsv1alpha1.AnnotationUnquiesceURL,
	}
	parameterKeys = map[quiesceStep]string{
		stepQuiesce: opsv1alpha1.AnnotationQuiesceParameters, stepUnquiesce: opsv1alpha1.AnnotationUnquiesceParameters,
	}
)

// unknownSetting is an annotation that looks like one of these and is none, such as a misspelt one.
func unknownSetting(annotations map[string]string) *settingError {
	for _, key := range slices.Sorted(maps.Keys(annotations)) {
		ours := strings.HasPrefix(key, opsv1alpha1.CapabilityQuiesce) || strings.HasPrefix(key, opsv1alpha1.CapabilityPrefix+"unquiesce")
		if ours && !slices.Contains(quiesceAnnotations, key) {
			return misset(key, "is unknown: check the spelling, or remove it")
		}
	}
	return nil
}

// quiesceSettings are the annotations of a target, by their keys.
type quiesceSettings map[string]string

// way is what the settings describe. A wrong one is named.
func (q quiesce) way(settings quiesceSettings) (quiescer, *settingError) {
	kind := settings[opsv1alpha1.CapabilityQuiesce]
	if kind == "" {
		return nil, misset(opsv1alpha1.CapabilityQuiesce, "is missing, and spec.parameters.quiesce asks for it: set it to %s or to an engine that does a %s "+
			"(docs/how-to/quiesce.md), or leave the parameter out in a new Operation", opsv1alpha1.QuiesceExec, opsv1alpha1.TypeRunCommand)
	}
	for _, key := range slices.Sorted(maps.Keys(settings)) {
		if len(settings[key]) > maxSetting {
			return nil, misset(key, "has %d bytes: at most %d are taken", len(settings[key]), maxSetting)
		}
	}
	switch {
	case kind != opsv1alpha1.QuiesceExec:
		return q.byEngine(opsv1alpha1.OperationEngine(kind), settings)
	case settings[opsv1alpha1.AnnotationQuiesceURL] != "" || settings[opsv1alpha1.AnnotationUnquiesceURL] != "":
		return q.byRequest(settings)
	default:
		return q.byCommand(settings)
	}
}

// only is the first setting that does not belong to a way.
func (s quiesceSettings) only(way string, belong ...string) *settingError {
	belong = append(belong, opsv1alpha1.CapabilityQuiesce, opsv1alpha1.AnnotationQuiesceTimeout)
	for _, key := range slices.Sorted(maps.Keys(s)) {
		if !slices.Contains(belong, key) {
			return misset(key, "does not go with %s: remove it", way)
		}
	}
	return nil
}

func (s quiesceSettings) timeout(byDefault time.Duration) (time.Duration, *settingError) {
	raw, ok := s[opsv1alpha1.AnnotationQuiesceTimeout]
	if !ok {
		return byDefault, nil
	}
	d, err := time.ParseDuration(raw)
	if err != nil || d < time.Second || d > maxQuiesceTimeout {
		return 0, misset(opsv1alpha1.AnnotationQuiesceTimeout, "must be a duration from 1s to %s, such as 90s", maxQuiesceTimeout)
	}
	return d, nil
}

func (q quiesce) byCommand(s quiesceSettings) (quiescer, *settingError) {
	if wrong := s.only("a command", opsv1alpha1.AnnotationQuiescePods, opsv1alpha1.AnnotationQuiesceContainer,
		opsv1alpha1.AnnotationQuiesceCommand, opsv1alpha1.AnnotationUnquiesceCommand); wrong != nil {
		return nil, wrong
	}
	c := quiesceCommand{deleted: q.target == nil, container: s[opsv1alpha1.AnnotationQuiesceContainer], commands: map[quiesceStep][]string{}}
	raw := strings.TrimSpace(s[opsv1alpha1.AnnotationQuiescePods])
	if raw == "" {
		return nil, misset(opsv1alpha1.AnnotationQuiescePods, "is missing: set a label selector of the application's pods, such as "+
			"app.kubernetes.io/instance=web, or set %s and %s", opsv1alpha1.AnnotationQuiesceURL, opsv1alpha1.AnnotationUnquiesceURL)
	}
	var err error
	if c.pods, err = labels.Parse(raw); err != nil {
		return nil, misset(opsv1alpha1.AnnotationQuiescePods, "is not a label selector: %v", err)
	}
	for _, step := range quiesceSteps {
		var command []string
		key := commandKeys[step]
		if json.Unmarshal([]byte(s[key]), &command) != nil || len(command) == 0 || command[0] == "" {
			return nil, misset(key, `must be a JSON array of strings, such as ["maintenance", "on"]; no shell splits it`)
		}
		c.commands[step] = command
	}
	var wrong *settingError
	if c.timeout, wrong = s.timeout(defaultQuiesceTimeout); wrong != nil {
		return nil, wrong
	}
	return c, nil
}

// serviceURL is SERVICE:PORT/PATH. The path is appended to the Service's path at the API server and must not lead out of it: so there are neither
// escapes nor queries in it, and no segment of dots (dotted).
var (
	serviceURL = regexp.MustCompile(`^([a-z](?:[-a-z0-9]{0,61}[a-z0-9])?):([a-z0-9](?:[-a-z0-9]{0,13}[a-z0-9])?)((?:/[A-Za-z0-9._~-]*)+)?$`)
	dotted     = regexp.MustCompile(`/\.\.?(/|$)`)
)

func (q quiesce) byRequest(s quiesceSettings) (quiescer, *settingError) {
	if wrong := s.only("a request", opsv1alpha1.AnnotationQuiesceURL, opsv1alpha1.AnnotationUnquiesceURL); wrong != nil {
		return nil, wrong
	}
	r := quiesceRequest{endpoints: map[quiesceStep]endpoint{}}
	for _, step := range quiesceSteps {
		key := urlKeys[step]
		parts := serviceURL.FindStringSubmatch(s[key])
		if parts == nil || dotted.MatchString(parts[3]) {
			return nil, misset(key, "must be SERVICE:PORT/PATH of a Service in the same namespace, such as web:8080/maintenance/on, "+
				"with neither scheme, query nor escapes")
		}
		r.endpoints[step] = endpoint{service: parts[1] + ":" + parts[2], path: parts[3]}
	}
	var wrong *settingError
	if r.timeout, wrong = s.timeout(defaultQuiesceTimeout); wrong != nil {
		return nil, wrong
	}
	return r, nil
}

func (q quiesce) byEngine(name opsv1alpha1.OperationEngine, s quiesceSettings) (quiescer, *settingError) {
	engine, err := q.registry.Get(name)
	if err != nil || engine.Parameters(opsv1alpha1.TypeRunCommand) == nil {
		return nil, misset(opsv1alpha1.CapabilityQuiesce, "is %q: set it to %s or to an engine that does a %s: %s",
			name, opsv1alpha1.QuiesceExec, opsv1alpha1.TypeRunCommand, strings.Join(commanders(q.registry), ", "))
	}
	if wrong := s.only("engine "+string(name), opsv1alpha1.AnnotationQuiesceParameters, opsv1alpha1.AnnotationUnquiesceParameters); wrong != nil {
		return nil, wrong
	}
	e := quiesceEngine{target: q.target, engine: engine, parameters: map[quiesceStep]*runtime.RawExtension{}}
	for _, step := range quiesceSteps {
		var object map[string]any
		key := parameterKeys[step]
		if json.Unmarshal([]byte(s[key]), &object) != nil || object == nil {
			return nil, misset(key, "must be a JSON object: the parameters of engine %s", name)
		}
		if _, nested := object["quiesce"]; nested {
			return nil, misset(key, "has the parameter quiesce: a quiesce has none of its own")
		}
		e.parameters[step] = &runtime.RawExtension{Raw: []byte(s[key])}
	}
	var wrong *settingError
	if e.timeout, wrong = s.timeout(defaultEngineTimeout); wrong != nil {
		return nil, wrong
	}
	return e, nil
}

// commanders are the engines that do a RunCommand.
func commanders(registry *engines.Registry) []string {
	var names []string
	for _, name := range registry.Names() {
		if e, err := registry.Get(name); err == nil && e.Parameters(opsv1alpha1.TypeRunCommand) != nil {
			names = append(names, fmt.Sprint(name))
		}
	}
	return names
}
