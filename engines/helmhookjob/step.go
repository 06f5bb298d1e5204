// SPDX-License-Identifier: Apache-2.0

package helmhookjob

import (
	"fmt"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"

	"vworkspace.io/fleet/engines"
	"vworkspace.io/fleet/engines/jobs"
)

// annotationStep on a Job says which hook of how many it runs, such as 1/3.
const annotationStep = "ops.vworkspace.io/hook-step"

// step is one hook of a run's, counted from 1.
type step struct {
	number int
	of     int
}

// name of the step's Job. It depends on nothing but the run and the number, so that a run finds its first Job without knowing the hook.
func (s step) name(run engines.Run) string {
	if s.number <= 1 {
		return run.Name()
	}
	return run.Name(strconv.Itoa(s.number))
}

func (s step) annotations() map[string]string { return map[string]string{annotationStep: s.String()} }

func (s step) String() string { return fmt.Sprintf("%d/%d", s.number, s.of) }

func (s step) last() bool { return s.number >= s.of }

func (s step) next() step { return step{number: s.number + 1, of: s.of} }

// current is the step whose Job was recorded last, or the first: how many there are is not known before its Job was read.
func current(run engines.Run) step {
	at := step{number: 1}
	for run.Recorded(jobs.Kind, run.Namespace(), at.next().name(run)) != "" {
		at = at.next()
	}
	return at
}

// stepOf reads how many steps there are off a Job. One that does not say is taken for the last.
func stepOf(job *batchv1.Job, at step) step {
	_, of, _ := strings.Cut(job.Annotations[annotationStep], "/")
	if n, err := strconv.Atoi(of); err == nil {
		at.of = n
	}
	return at
}
