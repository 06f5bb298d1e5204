// SPDX-License-Identifier: Apache-2.0

package transport

import (
	"context"
	"crypto/tls"
	"path/filepath"
	"testing"

	"github.com/cloudevents/sdk-go/v2/binding"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/clientcmd"
	workclient "open-cluster-management.io/api/client/work/clientset/versioned"
	workv1 "open-cluster-management.io/api/work/v1"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/clients/common"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/clients/work/agent/codec"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/clients/work/payload"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/constants"
	grpcoptions "open-cluster-management.io/sdk-go/pkg/cloudevents/generic/options/grpc"
	pbv1 "open-cluster-management.io/sdk-go/pkg/cloudevents/generic/options/grpc/protobuf/v1"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/options/grpc/protocol"
	"open-cluster-management.io/sdk-go/pkg/cloudevents/generic/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// agentFiles is where the agent of the cluster that comes by gRPC keeps what the hub gave it.
func agentFiles(name string) string { return filepath.Join(fleet.Dir(), "data", "spoke2", "hub", name) }

// TestNoKubeRights: what an agent that comes by gRPC was given says nothing to the API server.
func TestNoKubeRights(t *testing.T) {
	config, err := clientcmd.BuildConfigFromFlags("", agentFiles("kubeconfig"))
	if err != nil {
		t.Fatal(err)
	}
	works, err := workclient.NewForConfig(config)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := works.WorkV1().ManifestWorks("spoke2").List(t.Context(), metav1.ListOptions{}); !apierrors.IsUnauthorized(err) {
		t.Errorf("list ManifestWorks with the agent's certificate: got error %v, want Unauthorized", err)
	}
}

// TestOwnOnly: with its certificate a cluster gets its own works and tells of them; of another cluster neither, and without a certificate nobody anything.
func TestOwnOnly(t *testing.T) {
	for _, w := range ways(t) {
		w.settle(t, w.create(t, "rights", orphan)) // or the agent's own reports come in between
	}
	for _, c := range []struct {
		name, cluster      string
		certified, allowed bool
	}{
		{"its own", "spoke2", true, true},
		{"another's", "spoke1", true, false},
		{"without a certificate", "spoke2", false, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			server := dial(t, c.certified)
			for what, try := range map[string]func(context.Context, pbv1.CloudEventServiceClient, string) error{"subscribe": subscribe, "publish": publish} {
				err := try(t.Context(), server, c.cluster)
				if (err == nil) != c.allowed {
					t.Errorf("%s: got error %v, want allowed %t", what, err, c.allowed)
				}
				t.Logf("%s: %v", what, err)
			}
		})
	}
	for _, w := range ways(t) {
		mw := &workv1.ManifestWork{}
		if err := w.hub.Get(t.Context(), client.ObjectKey{Namespace: w.cluster.Name, Name: "rights"}, mw); err != nil {
			t.Fatal(err)
		}
		if heard := meta.FindStatusCondition(mw.Status.Conditions, invented) != nil; heard != (w.name == byGRPC) {
			t.Errorf("the work of %s has what was published of it: %t", w.cluster.Name, heard)
		}
	}
}

// invented is a condition that no agent reports.
const invented = "Invented"

// dial the gRPC server as the agent does; or as one who knows the server's authority and has no certificate of it.
func dial(t *testing.T, certified bool) pbv1.CloudEventServiceClient {
	t.Helper()
	options, err := grpcoptions.BuildGRPCOptionsFromFlags(agentFiles("config.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if !certified {
		options.Dialer.TLSConfig = &tls.Config{RootCAs: options.Dialer.TLSConfig.RootCAs, MinVersion: tls.VersionTLS12}
	}
	connection, err := options.Dialer.Dial()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = connection.Close() })
	return pbv1.NewCloudEventServiceClient(connection)
}

// subscribe to the works of a cluster; nil once the server has agreed.
func subscribe(ctx context.Context, server pbv1.CloudEventServiceClient, cluster string) error {
	stream, err := server.Subscribe(ctx, &pbv1.SubscriptionRequest{
		Source: types.SourceAll, ClusterName: cluster, DataType: payload.ManifestBundleEventDataType.String(),
	})
	if err != nil {
		return err
	}
	header, err := stream.Header()
	if err != nil || len(header.Get(constants.GRPCSubscriptionIDKey)) > 0 {
		return err
	}
	_, err = stream.Recv() // why not
	return err
}

// publish a condition of the work of a cluster.
func publish(ctx context.Context, server pbv1.CloudEventServiceClient, cluster string) error {
	mw := &workv1.ManifestWork{}
	hub, err := client.New(fleet.Hub.Config(), client.Options{Scheme: scheme()})
	if err != nil {
		return err
	}
	if err := hub.Get(ctx, client.ObjectKey{Namespace: cluster, Name: "rights"}, mw); err != nil {
		return err
	}
	mw.Labels = map[string]string{common.CloudEventsOriginalSourceLabelKey: "kube"}
	meta.SetStatusCondition(&mw.Status.Conditions, metav1.Condition{Type: invented, Status: metav1.ConditionTrue, Reason: "ByATest"})
	event, err := codec.NewManifestBundleCodec().Encode(cluster, types.CloudEventsType{
		CloudEventsDataType: payload.ManifestBundleEventDataType, SubResource: types.SubResourceStatus, Action: types.UpdateRequestAction,
	}, mw)
	if err != nil {
		return err
	}
	message := &pbv1.CloudEvent{}
	if err := protocol.WritePBMessage(ctx, (*binding.EventMessage)(event), message); err != nil {
		return err
	}
	_, err = server.Publish(ctx, &pbv1.PublishRequest{Event: message})
	return err
}
