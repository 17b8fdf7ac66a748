package settings

// All is the table.
var All = []Setting{
	{"replicas", Resize, "One member at a time. 0 stops all members and keeps their volumes and identities."},
	{"version", Restart, "After checks, and only one minor up or down: [upgrading](../operations/upgrading.md)."},

	{"storage.size", Grow, "[Volumes](../operations/storage.md) never shrink. A StorageClass with `allowVolumeExpansion` grows volumes " +
		"in place; with any other, and in memory, members are replaced."},
	{"storage.medium", Replace, "From a volume into memory and back, with all data."},
	{"storage.storageClassName", Replace, ""},
	{"storage.replacedVolumeTTLSeconds", Live, "Also of volumes that are aside already."},
	{"storage.persistentVolumeClaimRetentionPolicy", Live,
		"`whenDeleted` counts for all volumes that are there, `whenScaled` for members that leave from then on."},

	{"resources", Restart, ""},
	{"affinity", Restart, ""},
	{"topologySpreadConstraints", Restart, ""},
	{"imagePullSecrets", Restart, ""},
	{"options", Restart, "[Tuning](../operations/tuning.md). What etcd would refuse is found before a member is touched."},
	{"additionalMetadata", Live, "Services, Pods and volumes too. What is taken out of the spec stays on objects that have it."},

	{"tls", Restart, "In stages that understand each other, so that nobody is cut off: [TLS](../operations/tls.md). " +
		"Certificates are renewed without a restart."},
	{"auth", Live, "[Authentication](../operations/authentication.md). Users, roles and passwords that are in Secrets are followed, too."},

	{"memberReplacement", Live, ""},
	{"updateStrategy", Live, "How members come by what needs a restart."},
	{"progressDeadlineSeconds", Live, ""},

	{"bootstrap", Never, "It says how the cluster comes by its first data. Create another EtcdCluster instead."},
}
