// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// AnnotationChartCapabilities set to "true" lets the chart of an instance's release say what may be done with the instance: an annotation of its Chart.yaml such as
// ops.vworkspace.io/backup goes before the instance's own of that name. Without it, or with "false", a chart says nothing.
const AnnotationChartCapabilities = "apps.vworkspace.io/chart-capabilities"

// ChartMayAdvertise tells whether the chart may say what may be done with the instance.
func (ai *ApplicationInstance) ChartMayAdvertise() bool {
	return ai.Annotations[AnnotationChartCapabilities] == "true"
}
