// SPDX-License-Identifier: Apache-2.0

package install

import (
	"bufio"
	"bytes"
	"errors"
	"io"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilyaml "k8s.io/apimachinery/pkg/util/yaml"
	"sigs.k8s.io/yaml"
)

// workloads are the kinds that a process needs no part of.
var workloads = map[string]bool{"Deployment": true, "Service": true, "NetworkPolicy": true, "PodDisruptionBudget": true}

// webhookConfigurations are asked for where a process answers: without one, nothing could be created any more. See Admission.
var webhookConfigurations = map[string]bool{"MutatingWebhookConfiguration": true, "ValidatingWebhookConfiguration": true}

// withoutWorkloads leaves both out of a YAML stream.
func withoutWorkloads(data []byte) ([]byte, error) {
	var out bytes.Buffer
	reader := utilyaml.NewYAMLReader(bufio.NewReader(bytes.NewReader(data)))
	for {
		document, err := reader.Read()
		if errors.Is(err, io.EOF) {
			return out.Bytes(), nil
		}
		if err != nil {
			return nil, err
		}
		var object metav1.TypeMeta
		if err := yaml.Unmarshal(document, &object); err != nil {
			return nil, err
		}
		if !workloads[object.Kind] && !webhookConfigurations[object.Kind] {
			out.WriteString("---\n")
			out.Write(document)
		}
	}
}
