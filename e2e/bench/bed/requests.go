// SPDX-License-Identifier: Apache-2.0

package bed

import (
	"bytes"
	"context"
	"fmt"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	"k8s.io/client-go/kubernetes"
)

// mutating verbs of the API server's own metrics. APPLY is a patch too.
var mutating = map[string]bool{"POST": true, "PUT": true, "PATCH": true, "APPLY": true, "DELETE": true, "DELETECOLLECTION": true}

// Requests that the API server has answered since it began, as it counts them itself.
type Requests struct {
	// Writes by resource, with its subresource: "manifestworks", "manifestworks/status". Reads of every resource together.
	Writes map[string]float64
	Reads  float64
	// CPU seconds of the API server.
	CPU float64
	// Watches that are open.
	Watches float64
}

// Requests reads the API server's metrics.
func (b *Bed) Requests(ctx context.Context) (Requests, error) {
	kube, err := kubernetes.NewForConfig(b.Config)
	if err != nil {
		return Requests{}, err
	}
	raw, err := kube.Discovery().RESTClient().Get().AbsPath("/metrics").Do(ctx).Raw()
	if err != nil {
		return Requests{}, fmt.Errorf("read the API server's metrics: %w", err)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(raw))
	if err != nil {
		return Requests{}, fmt.Errorf("understand the API server's metrics: %w", err)
	}
	r := Requests{Writes: map[string]float64{}}
	for _, m := range families["apiserver_request_total"].GetMetric() {
		at := labelsOf(m)
		if !mutating[at["verb"]] {
			r.Reads += m.GetCounter().GetValue()
			continue
		}
		resource := at["resource"]
		if at["subresource"] != "" {
			resource += "/" + at["subresource"]
		}
		r.Writes[resource] += m.GetCounter().GetValue()
	}
	for _, m := range families["process_cpu_seconds_total"].GetMetric() {
		r.CPU += m.GetCounter().GetValue()
	}
	for _, m := range families["apiserver_longrunning_requests"].GetMetric() {
		r.Watches += m.GetGauge().GetValue()
	}
	return r, nil
}

// ignored is what everybody writes who elects a leader or reviews a right, and what no design decides.
var ignored = map[string]bool{"leases": true, "events": true, "subjectaccessreviews": true, "tokenreviews": true, "serviceaccounts/token": true}

// Since tells the requests between two moments. Events and leases are not among its writes.
func (r Requests) Since(before Requests) Requests {
	out := Requests{Writes: map[string]float64{}, Reads: r.Reads - before.Reads, CPU: r.CPU - before.CPU, Watches: r.Watches}
	for resource, n := range r.Writes {
		if d := n - before.Writes[resource]; d > 0 && !ignored[resource] {
			out.Writes[resource] = d
		}
	}
	return out
}

// Sum of all writes.
func (r Requests) Sum() (sum float64) {
	for _, n := range r.Writes {
		sum += n
	}
	return sum
}

func labelsOf(m *dto.Metric) map[string]string {
	out := map[string]string{}
	for _, l := range m.GetLabel() {
		out[l.GetName()] = l.GetValue()
	}
	return out
}
