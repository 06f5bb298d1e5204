// SPDX-License-Identifier: Apache-2.0

package crowd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"
	"time"

	dto "github.com/prometheus/client_model/go"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"vworkspace.io/fleet/e2e/install"
	"vworkspace.io/fleet/e2e/testbed"
	"vworkspace.io/fleet/spoke/hosted"
)

// leaseOf a cluster is called so.
const leaseOf = "cluster-"

// Replica is a process that serves its share.
type Replica struct {
	*testbed.Process
	Replica string
	metrics string
}

// Start a replica of `spoke --hosted`.
func (c *Crowd) Start(ctx context.Context, spoke, name string) (*Replica, error) {
	address, err := install.FreeAddress()
	if err != nil {
		return nil, err
	}
	p, err := install.HostedReplica(ctx, c.Fleet, spoke, name, "--metrics-bind-address="+address)
	if err != nil {
		return nil, err
	}
	return &Replica{Process: p, Replica: name, metrics: "http://" + address + "/metrics"}, nil
}

// Held is what a Lease says: who serves the cluster, and since when.
type Held struct {
	Replica string
	Since   time.Time
}

// Holders says for every cluster whose Lease is held by whom it is.
func (c *Crowd) Holders(ctx context.Context) (map[string]Held, error) {
	var all coordinationv1.LeaseList
	if err := c.Hub.List(ctx, &all, client.InNamespace(hosted.DefaultNamespace)); err != nil {
		return nil, err
	}
	held := map[string]Held{}
	for _, l := range all.Items {
		cluster, ok := strings.CutPrefix(l.Name, leaseOf)
		replica, _, _ := strings.Cut(ptr.Deref(l.Spec.HolderIdentity, ""), "_")
		if ok && replica != "" {
			held[cluster] = Held{replica, ptr.Deref(l.Spec.AcquireTime, metav1.MicroTime{}).Time}
		}
	}
	return held, nil
}

// Serves is how many clusters a replica says that it serves and that answer it.
func (r *Replica) Serves(ctx context.Context) (int, error) {
	m, err := scrape(ctx, http.DefaultClient, r.metrics)
	if err != nil {
		return 0, err
	}
	return int(m.sum("vworkspace_agent_clusters", "available", "true")), nil
}

// Usage of a process.
type Usage struct {
	// RSS, and of that Heap and Stacks in use, in bytes.
	RSS, Heap, Stacks float64
	// Goroutines is how many there are.
	Goroutines float64
	// CPU time so far.
	CPU time.Duration
}

// Usage of the replica now.
func (r *Replica) Usage(ctx context.Context) (Usage, error) {
	m, err := scrape(ctx, http.DefaultClient, r.metrics)
	if err != nil {
		return Usage{}, err
	}
	rss, err := residentOf(r.PID())
	return Usage{
		RSS: rss, Heap: m.sum("go_memstats_heap_inuse_bytes", "", ""), Stacks: m.sum("go_memstats_stack_inuse_bytes", "", ""), Goroutines: m.sum("go_goroutines", "", ""),
		CPU: time.Duration(m.sum("process_cpu_seconds_total", "", "") * float64(time.Second)),
	}, err
}

// residentOf a process, in bytes.
func residentOf(pid int) (float64, error) {
	status, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", pid))
	if err != nil {
		return 0, err
	}
	_, rest, _ := strings.Cut(string(status), "VmRSS:")
	line, _, _ := strings.Cut(rest, "kB")
	kib, err := strconv.ParseFloat(strings.TrimSpace(line), 64)
	return kib * 1024, err
}

// metrics are a page of them.
type metrics map[string]*dto.MetricFamily

func scrape(ctx context.Context, by *http.Client, url string) (metrics, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, url, nil)
	if err != nil {
		return nil, err
	}
	res, err := by.Do(req)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusOK {
		said, _ := io.ReadAll(res.Body)
		return nil, fmt.Errorf("%s: %s: %s", url, res.Status, said)
	}
	parser := expfmt.NewTextParser(model.UTF8Validation)
	return parser.TextToMetricFamilies(res.Body)
}

// sum of all of a name that have a label's value, or of all of them.
func (m metrics) sum(name, label, value string) (sum float64) {
	for _, one := range m[name].GetMetric() {
		fits := label == ""
		for _, l := range one.GetLabel() {
			fits = fits || l.GetName() == label && l.GetValue() == value
		}
		if fits {
			sum += one.GetGauge().GetValue() + one.GetCounter().GetValue()
		}
	}
	return sum
}
