// SPDX-License-Identifier: Apache-2.0

package job

import (
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"vworkspace.io/fleet/engines"
)

// containerName is the name of the pod's only container.
const containerName = "main"

// build makes the run's Job. It has no TTL: a Job that removes itself between two looks takes its result along. It goes with the
// Operation, which owns it, or when the spoke has stored its result.
func build(run engines.Run, p *Parameters) *batchv1.Job {
	return &batchv1.Job{
		TypeMeta: metav1.TypeMeta{APIVersion: batchv1.SchemeGroupVersion.String(), Kind: "Job"},
		ObjectMeta: metav1.ObjectMeta{
			Name:            run.Name(),
			Namespace:       run.Namespace(),
			Labels:          run.RunnerLabels(),
			OwnerReferences: []metav1.OwnerReference{run.OwnerReference()},
		},
		Spec: batchv1.JobSpec{
			BackoffLimit:          ptr.To(p.backoffLimit()),
			ActiveDeadlineSeconds: p.deadline(),
			// The next attempt waits until the one before has really ended: two copies of a command at once are worse than a late one.
			PodReplacementPolicy: ptr.To(batchv1.Failed),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: run.RunnerLabels(), Annotations: p.PodAnnotations},
				Spec:       p.podSpec(),
			},
		},
	}
}

// podSpec fits the restricted Pod Security Standard.
func (p *Parameters) podSpec() corev1.PodSpec {
	account, token := p.ServiceAccountName, true
	if account == "" {
		account, token = engines.DefaultServiceAccount, false
	}
	spec := corev1.PodSpec{
		RestartPolicy:                corev1.RestartPolicyNever,
		ServiceAccountName:           account,
		AutomountServiceAccountToken: ptr.To(token),
		SecurityContext: &corev1.PodSecurityContext{
			RunAsNonRoot:   ptr.To(true),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault},
		},
		Containers: []corev1.Container{p.container()},
	}
	if s := p.SecurityContext; s != nil {
		spec.SecurityContext.RunAsUser, spec.SecurityContext.RunAsGroup, spec.SecurityContext.FSGroup = s.RunAsUser, s.RunAsGroup, s.FSGroup
	}
	for _, v := range p.Volumes {
		spec.Volumes = append(spec.Volumes, corev1.Volume{Name: v.Name, VolumeSource: corev1.VolumeSource{
			Secret: v.Secret, ConfigMap: v.ConfigMap, PersistentVolumeClaim: v.PersistentVolumeClaim, EmptyDir: v.EmptyDir,
		}})
	}
	return spec
}

func (p *Parameters) container() corev1.Container {
	c := corev1.Container{
		Name:    containerName,
		Image:   p.Image,
		Command: p.Command,
		Args:    p.Args,
		Env:     p.Env,
		// The kubelet then copies the last lines of a failing container's log into the pod's status: nobody needs the right to read logs.
		TerminationMessagePolicy: corev1.TerminationMessageFallbackToLogsOnError,
		SecurityContext: &corev1.SecurityContext{
			AllowPrivilegeEscalation: ptr.To(false),
			Capabilities:             &corev1.Capabilities{Drop: []corev1.Capability{"ALL"}},
		},
	}
	if p.Resources != nil {
		c.Resources = *p.Resources
	}
	for _, v := range p.Volumes {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: v.Name, MountPath: v.MountPath, ReadOnly: v.ReadOnly})
	}
	return c
}
