// SPDX-License-Identifier: Apache-2.0

package enginetest

import (
	"sync"

	"k8s.io/apimachinery/pkg/runtime"

	appsv1alpha1 "vworkspace.io/fleet/api/apps/v1alpha1"
	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
	"vworkspace.io/fleet/engines/executors"
)

// newScheme knows every kind that an engine of this project reads or plans. It is made once: that costs more than a case.
var newScheme = sync.OnceValue(func() *runtime.Scheme {
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		executors.AddToScheme, opsv1alpha1.AddToScheme, appsv1alpha1.AddToScheme,
	} {
		if err := add(s); err != nil {
			panic(err) // two packages claim one kind: nothing a test could do about
		}
	}
	return s
})
