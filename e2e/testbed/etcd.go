// SPDX-License-Identifier: Apache-2.0

package testbed

import (
	"context"
	"fmt"
)

// startEtcd starts the one etcd that every control plane shares, each below a prefix of its own. It does not fsync: what a fleet stores is worth nothing once its processes are gone.
func (f *Fleet) startEtcd(ctx context.Context) error {
	_, err := f.sup.launch(ctx, func() (Command, probe, error) {
		ports, err := freePorts(2)
		if err != nil {
			return Command{}, nil, err
		}
		url := "http://" + address(ports[0])
		f.EtcdURL = url
		peer := "http://" + address(ports[1])
		return Command{
			Name: "etcd",
			Path: f.bin.path(etcdServer),
			Args: []string{
				"--name=testbed",
				"--data-dir=" + f.dir.data("etcd", fmt.Sprint(ports[0])), // a second attempt starts empty
				"--listen-client-urls=" + url, "--advertise-client-urls=" + url,
				"--listen-peer-urls=" + peer, "--initial-advertise-peer-urls=" + peer, "--initial-cluster=testbed=" + peer,
				"--unsafe-no-fsync",
				"--snapshot-count=10000",
				"--quota-backend-bytes=8589934592", // a benchmark of 10,000 clusters outgrows the default of 2 GiB
				"--log-level=warn",
			},
			Env: f.childEnv(),
		}, httpReady(url + "/readyz"), nil
	})
	return err
}
