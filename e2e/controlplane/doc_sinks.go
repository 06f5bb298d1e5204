// SPDX-License-Identifier: Apache-2.0

// Package controlplane has fakes of what the hub talks to outside of Kubernetes: they are for tests, strict, and do what they are told to do wrong.
package controlplane
