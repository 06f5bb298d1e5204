// SPDX-License-Identifier: Apache-2.0

// Package crowd gives replicas of `spoke --hosted` a hundred clusters on a machine where a handful of API servers fit, and measures what they take.
//
// Some of the clusters are real: an API server, its controllers and a simulated node each. The others are logical, and a fake: one real API server that is
// reached by a URL, a listener and a TLS connection for each of them, and shows each one namespace as if it were all that there is. What is real of
// them: the API server's answers, watches, resourceVersions, conflicts and admission, the ServiceAccount's token and rights, the Jobs and their
// controller. What is not: they share a storage, the kinds without a namespace, and the fate of that API server; and a request to all namespaces of
// one of them is a request to one.
//
//	view.go     a logical cluster: what is rewritten on the way
//	stream.go   the events of a watch, one by one
//	crowd.go    the clusters, and the Secrets that hand them over
//	replica.go  the processes, who serves what, and what it takes
//	runs.go     an Operation on each cluster, and how often it ran
//	measure.go  the measurement: memory, watches and goroutines by number of clusters, and a replica that is killed
package crowd
