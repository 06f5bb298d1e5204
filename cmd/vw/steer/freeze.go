// SPDX-License-Identifier: Apache-2.0

package steer

import (
	"fmt"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

// Until is a time that a person writes as a length from now (2h, 90m), as a time of the day, the next one (18:00), or in RFC 3339; nil for an empty text. Times of the
// day are in now's zone.
func Until(text string, now time.Time) (*metav1.Time, error) {
	if text == "" {
		return nil, nil
	}
	at, err := time.Parse(time.RFC3339, text)
	if length, isLength := time.ParseDuration(text); isLength == nil {
		at, err = now.Add(length), nil
	} else if clock, isClock := time.Parse("15:04", text); isClock == nil {
		at, err = time.Date(now.Year(), now.Month(), now.Day(), clock.Hour(), clock.Minute(), 0, 0, now.Location()), nil
		if !at.After(now) {
			at = at.AddDate(0, 0, 1)
		}
	}
	switch {
	case err != nil:
		return nil, fmt.Errorf("--until: %q is not a length of time such as 2h, a time of the day such as 18:00, or one such as 2026-12-01T06:00:00Z", text)
	case !at.After(now):
		return nil, fmt.Errorf("--until: %s is over", at.UTC().Format(time.RFC3339))
	}
	return &metav1.Time{Time: at.UTC().Truncate(time.Second)}, nil
}

// Types of Operations by their names, whatever the capitals; a command's name is taken too.
func Types(names []string) ([]opsv1alpha1.OperationType, error) {
	var types []opsv1alpha1.OperationType
	for _, name := range names {
		t, known := typeOf(name)
		if !known {
			return nil, fmt.Errorf("--types: %q is not one of %s", name, all())
		}
		types = append(types, t)
	}
	return types, nil
}

func typeOf(name string) (opsv1alpha1.OperationType, bool) {
	for _, t := range opsv1alpha1.OperationTypes() {
		if strings.EqualFold(name, string(t)) {
			return t, true
		}
	}
	t, known := map[string]opsv1alpha1.OperationType{"exec": opsv1alpha1.TypeRunCommand, "migrate": opsv1alpha1.TypeMigration}[strings.ToLower(name)]
	return t, known
}

func all() string {
	var names []string
	for _, t := range opsv1alpha1.OperationTypes() {
		names = append(names, string(t))
	}
	return strings.Join(names, ", ")
}
