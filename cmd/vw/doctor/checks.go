// SPDX-License-Identifier: Apache-2.0

package doctor

// Checks are all that there are, in the order in which one would look: the ground first, and what stands on it after.
func Checks() []Check {
	return []Check{
		{"server", "version of the API server", "admission policies need Kubernetes 1.30", onBoth, checkServer},
		{"clock", "the API server's clock against this machine's", "deadlines, leases, windows and approvals are judged by clocks", onBoth, checkClock},
		{"crds", "CustomResourceDefinitions, their fields and versions", "what the API server does not know is refused, or dropped without a word", onBoth, checkCRDs},
		{"policies", "ValidatingAdmissionPolicies and their bindings", "without them anybody can be written down as the one who asks, and a hub runs nothing (RequesterUnknown)", onBoth, checkPolicies},
		{"webhooks", "webhook configurations, their Services, endpoints and authorities",
			"while nobody answers, no Operation can be created; without a webhook nobody knows who asked, and a hub does not run it (RequesterUnknown)", onBoth, checkWebhooks},
		{"admission", "whether an Operation could be created now, by a dry run", "whoever asks for one is refused otherwise", onBoth, checkAdmission},
		{"hub", "the hub's Deployment and Lease", "nothing new begins and no result is collected while no hub leads; clusters go on with what they have", onHub, checkHub},
		{"agent", "the agent's Deployment, Lease and namespace", "nothing runs on the cluster while no agent does", onSpoke, checkAgent},
		{"versions", "versions of vw and of what is installed", "what one version writes another may not read", onBoth, checkVersions},
		{"ocm", "Open Cluster Management's controllers on the hub", "without them no Placement is decided, and no cluster is heard of", onHub, checkOCM},
		{"clusters", "ManagedClusters: available, heard of, with an agent, with clocks that agree", "a cluster that is not heard of fails with ClusterUnreachable after spec.startDeadline", onHub, checkClusters},
		{"feedback", "what clusters say of what they were sent, and when", "the hub knows of a cluster only what its work agent brings back", onHub, checkFeedback},
		{"lag", "how long the results of the last runs took from clusters to the hub", "rollouts go on, and people learn of failures, that much later", onHub, checkLag},
		{"informers", "how many watches the work agent of each cluster is asked for", "a work agent holds 50; beyond that it polls, without a word, and results come late", onHub, checkInformers},
		{"placements", "Placements, their decisions and ManagedClusterSetBindings", "an Operation whose Placement selects nobody is Blocked, or Failed with NoClusters", onHub, checkPlacements},
		{"receivers", "ControlPlanes and AuditSinks", "jobs do not come and nobody is told while one is not connected; Operations that are deleted stay until they are told of", onHub, checkReceivers},
		{"klusterlet", "Open Cluster Management's agent on this cluster", "nothing from the hub arrives, and nothing goes back, while it is away", onSpoke, checkKlusterlet},
		{"engines", "the engines' kinds and controllers", "an Operation whose engine is not installed is Blocked (EngineNotInstalled), and one whose engine is away does not end", onSpoke, checkEngines},
		{"storage", "Velero's BackupStorageLocations", "Backups and Restores are Blocked, or fail, while none is Available", onSpoke, checkStorage},
		{"profiles", "ClusterRoles of profiles, and what Velero's may do", "runs write with the rights of a profile and are Blocked without them (RbacProfileMissing)", onSpoke, checkProfiles},
		{"executors", "ServiceAccounts by which the hub's deliveries are applied", "the work agent refuses what their rights do not cover", onSpoke, checkExecutors},
		{"namespaces", "the gate label of namespaces with instances", "nothing is done in a namespace without it (NamespaceNotGated)", onSpoke, checkNamespaces},
		{"claims", "ClusterClaims of the agent", "Placements select by them, and the hub knows by them that an agent is there", onSpoke, checkClaims},
		{"catalog", "OperationTemplates", "an Operation without one does not run (NoTemplate)", onBoth, checkCatalog},
		{"freezes", "Freezes that hold", "while one holds, nothing of its types begins", onBoth, checkFreezes},
		{"instances", "ApplicationInstances that are not Ready", "Backups, commands and runbooks wait for their target to be Ready (TargetNotReady)", onBoth, checkInstances},
		{"operations", "Operations that are stuck", "they wait for somebody, and most of them fail by themselves after spec.startDeadline", onBoth, checkOperations},
	}
}
