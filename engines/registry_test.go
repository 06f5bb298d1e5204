// SPDX-License-Identifier: Apache-2.0

package engines

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	opsv1alpha1 "vworkspace.io/fleet/api/ops/v1alpha1"
)

type named struct {
	Engine
	name opsv1alpha1.OperationEngine
}

func (n named) Name() opsv1alpha1.OperationEngine { return n.name }

func TestRegistry(t *testing.T) {
	r := NewRegistry(named{name: "job"}, named{name: "helm"})
	if diff := cmp.Diff([]opsv1alpha1.OperationEngine{"helm", "job"}, r.Names()); diff != "" {
		t.Errorf("names (-want +got):\n%s", diff)
	}
	if e, err := r.Get("job"); err != nil || e.Name() != "job" {
		t.Errorf("Get(job) = %v, %v", e, err)
	}
	_, err := r.Get("cron")
	if err == nil || !strings.Contains(err.Error(), `"cron"`) || !strings.Contains(err.Error(), "helm, job") {
		t.Errorf("the error for an unknown engine should name it and those that are there: %v", err)
	}
}

func TestRegistryRefusesTwoOfAName(t *testing.T) {
	defer func() {
		if recover() == nil {
			t.Error("two engines of one name were taken")
		}
	}()
	NewRegistry(named{name: "job"}, named{name: "job"})
}
