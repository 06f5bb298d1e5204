// Package api is the root of the Kubernetes APIs of vWorkspace Fleet.
//
//	api/apps/v1alpha1   ApplicationInstance: what runs where
//	api/ops/v1alpha1    Operation: what shall be done to it
//
// The same two kinds are served by the hub and by every spoke. Types carry
// their rules as CEL and OpenAPI markers; `make generate` turns them into the
// CustomResourceDefinitions of deploy/crds.
package api
