//go:build e2e

package e2e

import (
	"github.com/onsi/gomega"
	corev1 "k8s.io/api/core/v1"
)

const spread = `[{"maxSkew":1,"topologyKey":"kubernetes.io/hostname","whenUnsatisfiable":"ScheduleAnyway",` +
	`"labelSelector":{"matchLabels":{"tried":"true"}}}]`

const apart = `{"podAntiAffinity":{"preferredDuringSchedulingIgnoredDuringExecution":[{"weight":7,"podAffinityTerm":` +
	`{"topologyKey":"kubernetes.io/hostname","labelSelector":{"matchLabels":{"tried":"true"}}}}]}}`

// trials has a row for every field of the spec that can be changed.
var trials = map[string]trial{
	"replicas": {by: "TestScaleUpAndDownLosesNoWrite"},
	"version":  {by: "TestVersionIsChangedUnderLoad"},

	"storage.size":                     {by: "TestVolumesGrowInPlaceWhereTheirClassCanDoThat"},
	"storage.medium":                   {by: "TestMembersAreReplacedForWhatTheirVolumesCannotBecome"},
	"storage.storageClassName":         {by: "TestMembersAreReplacedForWhatTheirVolumesCannotBecome"},
	"storage.replacedVolumeTTLSeconds": {by: "TestVolumeOfAReplacedMemberIsKeptAsideUntilTheReplacementVotes"},

	"storage.persistentVolumeClaimRetentionPolicy.whenDeleted": on(`"Retain"`, func(w *ward, p *corev1.Pod) {
		w.Expect(w.claim(p.Name).OwnerReferences).To(gomega.BeEmpty())
	}),
	"storage.persistentVolumeClaimRetentionPolicy.whenScaled": {by: "TestVolumesOfMembersThatLeaveAreKeptOnRequest"},

	"resources": on(`{"requests":{"cpu":"11m","memory":"33Mi"}}`, func(w *ward, p *corev1.Pod) {
		w.Expect(p.Spec.Containers[0].Resources.Requests.Memory().String()).To(gomega.Equal("33Mi"))
	}),
	"affinity": on(apart, func(w *ward, p *corev1.Pod) {
		w.Expect(p.Spec.Affinity.PodAntiAffinity.PreferredDuringSchedulingIgnoredDuringExecution[0].Weight).To(gomega.BeEquivalentTo(7))
	}),
	"topologySpreadConstraints": on(spread, func(w *ward, p *corev1.Pod) {
		w.Expect(p.Spec.TopologySpreadConstraints).To(gomega.ContainElement(gomega.HaveField("LabelSelector.MatchLabels",
			gomega.HaveKeyWithValue("tried", "true"))))
	}),
	"imagePullSecrets": on(`[{"name":"tried"}]`, func(w *ward, p *corev1.Pod) {
		w.Expect(p.Spec.ImagePullSecrets).To(gomega.ConsistOf(corev1.LocalObjectReference{Name: "tried"}))
	}),
	"additionalMetadata.labels": on(`{"tried":"true"}`, func(w *ward, p *corev1.Pod) {
		w.Expect(p.Labels).To(gomega.HaveKeyWithValue("tried", "true"))
		w.Expect(w.member(p.Name).Labels).To(gomega.HaveKeyWithValue("tried", "true"))
	}),
	"additionalMetadata.annotations": on(`{"tried":"by settings_test"}`, func(w *ward, p *corev1.Pod) {
		w.Expect(w.member(p.Name).Annotations).To(gomega.HaveKeyWithValue("tried", "by settings_test"))
	}),

	"options.quotaBackendBytes":             flagged(`40000000`, "--quota-backend-bytes=40000000"),
	"options.autoCompactionMode":            flagged(`"revision"`, "--auto-compaction-mode=revision"),
	"options.autoCompactionRetention":       flagged(`"5000"`, "--auto-compaction-retention=5000"),
	"options.snapshotCount":                 flagged(`7000`, "--snapshot-count=7000"),
	"options.heartbeatIntervalMilliseconds": flagged(`150`, "--heartbeat-interval=150"),
	"options.electionTimeoutMilliseconds":   flagged(`1500`, "--election-timeout=1500"),
	"options.logLevel":                      flagged(`"warn"`, "--log-level=warn"),
	"options.maxRequestBytes":               flagged(`1600000`, "--max-request-bytes=1600000"),
	"options.maxTxnOps":                     flagged(`130`, "--max-txn-ops=130"),
	"options.maxConcurrentStreams":          flagged(`1000`, "--max-concurrent-streams=1000"),
	"options.snapshotCatchUpEntries":        flagged(`6000`, "--snapshot-catchup-entries=6000"),
	"options.maxSnapshots":                  flagged(`4`, "--max-snapshots=4"),
	"options.maxWALs":                       flagged(`4`, "--max-wals=4"),
	"options.compactionBatchLimit":          flagged(`900`, "--compaction-batch-limit=900"),
	"options.compactionSleepInterval":       flagged(`"12ms"`, "--compaction-sleep-interval=12ms"),
	"options.backendBatchInterval":          flagged(`"90ms"`, "--backend-batch-interval=90ms"),
	"options.backendBatchLimit":             flagged(`9000`, "--backend-batch-limit=9000"),
	"options.grpcKeepAliveMinTime":          flagged(`"4s"`, "--grpc-keepalive-min-time=4s"),
	"options.grpcKeepAliveInterval":         flagged(`"1h"`, "--grpc-keepalive-interval=1h0m0s"),
	"options.grpcKeepAliveTimeout":          flagged(`"15s"`, "--grpc-keepalive-timeout=15s"),
	"options.watchProgressNotifyInterval":   flagged(`"6s"`, "--watch-progress-notify-interval=6s"),
	"options.warningApplyDuration":          flagged(`"110ms"`, "--warning-apply-duration=110ms"),
	"options.warningUnaryRequestDuration":   flagged(`"310ms"`, "--warning-unary-request-duration=310ms"),
	"options.compactHashCheckTime":          flagged(`"50s"`, "--compact-hash-check-time=50s"),
	"options.corruptCheckTime":              flagged(`"1h"`, "--corrupt-check-time=1h0m0s"),
	"options.metrics":                       flagged(`"extensive"`, "--metrics=extensive"),

	"progressDeadlineSeconds":                      on(`1`, func(*ward, *corev1.Pod) {}),
	"memberReplacement.mode":                       {by: "TestPeopleDecideInManualModeAndMayAlwaysAsk"},
	"memberReplacement.nodeLossGracePeriodSeconds": {by: "TestMembersOfALostNodeAreReplacedAfterTheirGraceAndNotBefore"},
	"memberReplacement.maxPerHour":                 {by: "TestReplacementsWaitWhenTheBudgetIsSpent"},

	"updateStrategy.type": {by: "TestMembersTakeChangesOverWhenPeopleDeleteTheirPods"},

	"tls.client.serverSecretRef":                          {by: "TestCertificatesOfAPersonAreCheckedRenewedAndSwappedUnderLoad"},
	"tls.client.operatorClientSecretRef":                  {by: "TestCertificatesOfAPersonAreCheckedRenewedAndSwappedUnderLoad"},
	"tls.client.acceptPlaintext":                          {by: "TestTLSIsTurnedOnAndOffUnderLoad"},
	"tls.client.certManager.serverIssuerRef.name":         {by: "TestClusterOfCertManagerFormsWhenThatComesAndIsRenewedWithoutARestart"},
	"tls.client.certManager.serverIssuerRef.kind":         {by: "TestClusterOfCertManagerFormsWhenThatComesAndIsRenewedWithoutARestart"},
	"tls.client.certManager.operatorClientIssuerRef.name": {by: "TestClusterOfCertManagerFormsWhenThatComesAndIsRenewedWithoutARestart"},
	"tls.client.certManager.operatorClientIssuerRef.kind": {by: "TestClusterOfCertManagerFormsWhenThatComesAndIsRenewedWithoutARestart"},
	"tls.client.auto.clientAuthentication":                {by: "TestSettingsOfCertificatesAreTakenOver"},
	"tls.client.auto.certificateDuration":                 {by: "TestSettingsOfCertificatesAreTakenOver"},
	"tls.client.auto.caDuration":                          {by: "TestSettingsOfCertificatesAreTakenOver"},
	"tls.peer.secretRef":                                  {by: "TestCertificatesOfAPersonAreCheckedRenewedAndSwappedUnderLoad"},
	"tls.peer.certManager.issuerRef.name":                 {by: "TestClusterOfCertManagerFormsWhenThatComesAndIsRenewedWithoutARestart"},
	"tls.peer.certManager.issuerRef.kind":                 {by: "TestClusterOfCertManagerFormsWhenThatComesAndIsRenewedWithoutARestart"},
	"tls.peer.auto.certificateDuration":                   {by: "TestSettingsOfCertificatesAreTakenOver"},
	"tls.peer.auto.caDuration":                            {by: "TestSettingsOfCertificatesAreTakenOver"},

	"auth.enabled":                      {by: "TestWhoMayDoWhatFollowsTheSpec"},
	"auth.rootCredentialsSecretRef":     {by: "TestWhoMayDoWhatFollowsTheSpec"},
	"auth.users[].name":                 {by: "TestWhoMayDoWhatFollowsTheSpec"},
	"auth.users[].passwordSecretRef":    {by: "TestWhoMayDoWhatFollowsTheSpec"},
	"auth.users[].roles":                {by: "TestWhoMayDoWhatFollowsTheSpec"},
	"auth.roles[].name":                 {by: "TestWhoMayDoWhatFollowsTheSpec"},
	"auth.roles[].permissions[].key":    {by: "TestWhoMayDoWhatFollowsTheSpec"},
	"auth.roles[].permissions[].prefix": {by: "TestWhoMayDoWhatFollowsTheSpec"},
	"auth.roles[].permissions[].access": {by: "TestWhoMayDoWhatFollowsTheSpec"},
}
