// SPDX-License-Identifier: Apache-2.0

// Package listing knows what is shown of Operations in rows: one for each Operation, and one for each cluster of one of them. It knows no flags and prints nothing.
//
//	Operations                       -> Operations -> rows
//	plan and results beside one of them, ManifestWorks -> Clusters -> rows by the hub's own rules (hub.View)
package listing
