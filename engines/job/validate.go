// SPDX-License-Identifier: Apache-2.0

package job

import (
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apivalidation "k8s.io/apimachinery/pkg/api/validation"
	"k8s.io/apimachinery/pkg/util/validation"
	"k8s.io/apimachinery/pkg/util/validation/field"
)

const (
	maxVolumes      = 16
	maxBackoffLimit = 100
)

// validate finds what the API server would refuse, so that a mistake is told by the Operation's own field names and before anything runs.
func (p *Parameters) validate(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if strings.TrimSpace(p.Image) == "" {
		errs = append(errs, field.Required(at.Child("image"), "name the image to run, such as registry.example.com/tools/backup:1.4"))
	}
	if name := p.ServiceAccountName; name != "" {
		for _, msg := range apivalidation.ValidateServiceAccountName(name, false) {
			errs = append(errs, field.Invalid(at.Child("serviceAccountName"), name, msg))
		}
	}
	errs = append(errs, p.validateLimits(at)...)
	errs = append(errs, validateEnv(p.Env, at.Child("env"))...)
	errs = append(errs, validateVolumes(p.Volumes, at.Child("volumes"))...)
	errs = append(errs, p.SecurityContext.validate(at.Child("securityContext"))...)
	errs = append(errs, apivalidation.ValidateAnnotations(p.PodAnnotations, at.Child("podAnnotations"))...)
	return errs
}

func (p *Parameters) validateLimits(at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for name, seconds := range map[string]*int64{"activeDeadlineSeconds": p.ActiveDeadlineSeconds, "timeoutSeconds": p.TimeoutSeconds} {
		if seconds != nil && *seconds <= 0 {
			errs = append(errs, field.Invalid(at.Child(name), *seconds, "must be at least 1 second; leave it out for no bound"))
		}
	}
	slices.SortFunc(errs, func(a, b *field.Error) int { return strings.Compare(a.Field, b.Field) })
	if a, t := p.ActiveDeadlineSeconds, p.TimeoutSeconds; a != nil && t != nil && *a != *t {
		errs = append(errs, field.Invalid(at.Child("timeoutSeconds"), *t,
			fmt.Sprintf("means the same as activeDeadlineSeconds, which is %d: leave one of them out", *a)))
	}
	if b := p.BackoffLimit; b != nil && (*b < 0 || *b > maxBackoffLimit) {
		errs = append(errs, field.Invalid(at.Child("backoffLimit"), *b, fmt.Sprintf("must be between 0 and %d", maxBackoffLimit)))
	}
	return errs
}

func validateEnv(env []corev1.EnvVar, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	for i, e := range env {
		at := at.Index(i)
		if e.Name == "" {
			errs = append(errs, field.Required(at.Child("name"), "name the environment variable"))
		} else if strings.Contains(e.Name, "=") {
			errs = append(errs, field.Invalid(at.Child("name"), e.Name, "must not contain \"=\""))
		}
		if e.ValueFrom == nil {
			continue
		}
		if e.Value != "" {
			errs = append(errs, field.Forbidden(at.Child("valueFrom"), "set value or valueFrom, not both"))
		}
		errs = append(errs, validateEnvSource(e.ValueFrom, at.Child("valueFrom"))...)
	}
	return errs
}

func validateEnvSource(from *corev1.EnvVarSource, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	sources := 0
	for _, set := range []bool{from.SecretKeyRef != nil, from.ConfigMapKeyRef != nil, from.FieldRef != nil, from.ResourceFieldRef != nil, from.FileKeyRef != nil} {
		if set {
			sources++
		}
	}
	if sources != 1 {
		errs = append(errs, field.Invalid(at, field.OmitValueType{}, "set exactly one source, such as secretKeyRef or configMapKeyRef"))
	}
	if s := from.SecretKeyRef; s != nil && (s.Name == "" || s.Key == "") {
		errs = append(errs, field.Required(at.Child("secretKeyRef"), "set name of the Secret and key in it"))
	}
	if c := from.ConfigMapKeyRef; c != nil && (c.Name == "" || c.Key == "") {
		errs = append(errs, field.Required(at.Child("configMapKeyRef"), "set name of the ConfigMap and key in it"))
	}
	return errs
}

func validateVolumes(volumes []Volume, at *field.Path) field.ErrorList {
	var errs field.ErrorList
	if len(volumes) > maxVolumes {
		errs = append(errs, field.TooMany(at, len(volumes), maxVolumes))
	}
	names, paths := map[string]bool{}, map[string]bool{}
	for i := range volumes {
		v, at := &volumes[i], at.Index(i)
		for _, msg := range validation.IsDNS1123Label(v.Name) {
			errs = append(errs, field.Invalid(at.Child("name"), v.Name, msg))
		}
		if !path.IsAbs(v.MountPath) || strings.Contains(v.MountPath, ":") {
			errs = append(errs, field.Invalid(at.Child("mountPath"), v.MountPath, "must be an absolute path in the container, without \":\""))
		}
		if names[v.Name] {
			errs = append(errs, field.Duplicate(at.Child("name"), v.Name))
		}
		if clean := path.Clean(v.MountPath); paths[clean] {
			errs = append(errs, field.Duplicate(at.Child("mountPath"), v.MountPath))
		}
		names[v.Name], paths[path.Clean(v.MountPath)] = true, true
		errs = append(errs, v.validateSource(at)...)
	}
	return errs
}

func (v *Volume) validateSource(at *field.Path) field.ErrorList {
	named := map[string]string{}
	if v.Secret != nil {
		named["secret.secretName"] = v.Secret.SecretName
	}
	if v.ConfigMap != nil {
		named["configMap.name"] = v.ConfigMap.Name
	}
	if v.PersistentVolumeClaim != nil {
		named["persistentVolumeClaim.claimName"] = v.PersistentVolumeClaim.ClaimName
	}
	if v.EmptyDir != nil {
		named["emptyDir"] = "unnamed"
	}
	if len(named) != 1 {
		return field.ErrorList{field.Invalid(at, v.Name, "set exactly one of secret, configMap, persistentVolumeClaim and emptyDir")}
	}
	var errs field.ErrorList
	for _, child := range slices.Sorted(maps.Keys(named)) {
		if named[child] == "" {
			errs = append(errs, field.Required(at.Child(child), "name the object, in the Operation's namespace"))
		}
	}
	return errs
}

func (s *SecurityContext) validate(at *field.Path) field.ErrorList {
	if s == nil {
		return nil
	}
	var errs field.ErrorList
	if u := s.RunAsUser; u != nil && *u <= 0 {
		errs = append(errs, field.Invalid(at.Child("runAsUser"), *u, "must be above 0: a Job never runs as root"))
	}
	for _, id := range []struct {
		name string
		id   *int64
	}{{"runAsGroup", s.RunAsGroup}, {"fsGroup", s.FSGroup}} {
		if id.id != nil && *id.id < 0 {
			errs = append(errs, field.Invalid(at.Child(id.name), *id.id, "must be 0 or above"))
		}
	}
	return errs
}
