package integration_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

func TestAClusterIsRefusedWithAdvice(t *testing.T) {
	ns := newNamespace(t)
	for _, tc := range []struct{ claim, spec, want string }{
		{"no version", `{replicas: 3}`, "spec.version: Required value"},
		{"a version without a patch", `{version: "3.6"}`, "version must be MAJOR.MINOR.PATCH without a leading v, for example 3.6.16"},
		{"a version with a v", `{version: v3.6.16}`, "version must be MAJOR.MINOR.PATCH without a leading v, for example 3.6.16"},
		{"a version with a suffix", `{version: 3.6.16-rc.1}`, "version must be MAJOR.MINOR.PATCH"},
		{"an old minor", `{version: 3.4.30}`, "version must be of a supported minor: 3.5, 3.6 or 3.7"},
		{"a minor to come", `{version: 3.8.0}`, "version must be of a supported minor: 3.5, 3.6 or 3.7"},
		{"another major", `{version: 4.5.0}`, "version must be of a supported minor: 3.5, 3.6 or 3.7"},
		{"negative replicas", `{version: 3.6.16, replicas: -1}`, "replicas must be 0 (paused) or more"},
		{"no space", `{version: 3.6.16, storage: {size: "0"}}`, "storage.size must be greater than zero, for example 1Gi"},
		{"negative space", `{version: 3.6.16, storage: {size: -1Gi}}`, "storage.size must be greater than zero, for example 1Gi"},
		{"no space in memory", `{version: 3.6.16, storage: {medium: Memory, size: 0}}`, "storage.size must be greater than zero"},
		{"an unknown medium", `{version: 3.6.16, storage: {medium: Disk}}`,
			`storage.medium must be "" (a PersistentVolumeClaim) or "Memory" (tmpfs)`},
		{"a memory cluster that is paused", `{version: 3.6.16, replicas: 0, storage: {medium: Memory}}`,
			"a Memory cluster would lose its data"},
		{"tls from nowhere", `{version: 3.6.16, tls: {client: {}}}`, "tls.client needs exactly one source"},
		{"tls from two sources", `{version: 3.6.16, tls: {client: {serverSecretRef: {name: s}, auto: {}}}}`,
			"tls.client needs exactly one source"},
		{"peer tls from nowhere", `{version: 3.6.16, tls: {peer: {}}}`, "tls.peer needs exactly one source"},
		{"an operator's certificate beside auto", `{version: 3.6.16, tls: {client: {auto: {}, operatorClientSecretRef: {name: s}}}}`,
			"operatorClientSecretRef belongs to serverSecretRef"},
		{"an issuer of a kind that there is not", `{version: 3.6.16, tls: {peer: {certManager: {issuerRef: {name: i, kind: X}}}}}`,
			"Unsupported value"},
		{"certificates of seconds", `{version: 3.6.16, tls: {peer: {auto: {certificateDuration: 30s}}}}`,
			"certificateDuration must be at least 1m"},
		{"certificates that outlive half their CA", `{version: 3.6.16, tls: {client: {auto: {certificateDuration: 2h, caDuration: 3h}}}}`,
			"caDuration must be at least twice certificateDuration"},
		{"a duration in days", `{version: 3.6.16, tls: {peer: {auto: {caDuration: 30d}}}}`, "should match"},
		{"authentication without credentials", `{version: 3.6.16, tls: {client: {auto: {}}}, auth: {enabled: true}}`,
			"auth.enabled needs auth.rootCredentialsSecretRef"},
		{"authentication with credentials from nowhere",
			`{version: 3.6.16, tls: {client: {auto: {}}}, auth: {enabled: true, rootCredentialsSecretRef: {name: ""}}}`,
			"auth.enabled needs auth.rootCredentialsSecretRef"},
		{"authentication in plain", `{version: 3.6.16, tls: {peer: {auto: {}}}, auth: {enabled: true, rootCredentialsSecretRef: {name: r}}}`,
			"auth.enabled and auth.users need tls.client"},
		{"users in plain", `{version: 3.6.16, auth: {users: [{name: u, passwordSecretRef: {name: s}}]}}`,
			"auth.enabled and auth.users need tls.client"},
		{"user root", `{version: 3.6.16, tls: {client: {auto: {}}}, auth: {users: [{name: root, passwordSecretRef: {name: s}}]}}`,
			"user root is the operator's"},
		{"a user without a password", `{version: 3.6.16, tls: {client: {auto: {}}}, auth: {users: [{name: u, passwordSecretRef: {}}]}}`,
			"passwordSecretRef needs the name of a Secret with the key password"},
		{"a user twice", `
version: 3.6.16
tls: {client: {auto: {}}}
auth: {users: [{name: u, passwordSecretRef: {name: s}}, {name: u, passwordSecretRef: {name: t}}]}`, "Duplicate value"},
		{"a user of blanks", `{version: 3.6.16, tls: {client: {auto: {}}}, auth: {users: [{name: " ", passwordSecretRef: {name: s}}]}}`,
			"should match"},
		{"role root", `{version: 3.6.16, auth: {roles: [{name: root}]}}`, "role root is etcd's own"},
		{"a permission for nothing", `{version: 3.6.16, auth: {roles: [{name: r, permissions: [{access: Read}]}]}}`,
			"exactly one of key and prefix"},
		{"a permission for two things", `{version: 3.6.16, auth: {roles: [{name: r, permissions: [{key: k, prefix: p, access: Read}]}]}}`,
			"exactly one of key and prefix"},
		{"a permission for the empty key", `{version: 3.6.16, auth: {roles: [{name: r, permissions: [{key: "", access: Read}]}]}}`,
			"should be at least 1 chars long"},
		{"a permission without access", `{version: 3.6.16, auth: {roles: [{name: r, permissions: [{key: k}]}]}}`, "Required value"},
		{"an access that is none", `{version: 3.6.16, auth: {roles: [{name: r, permissions: [{key: k, access: All}]}]}}`,
			`supported values: "Read", "Write", "ReadWrite"`},
		{"a restore from nowhere", `{version: 3.6.16, bootstrap: {restore: {}}}`, "restore needs exactly one of source and snapshotRef"},
		{"a restore from two places", `
version: 3.6.16
bootstrap: {restore: {snapshotRef: {name: s}, source: {pvc: {claimName: c, subPath: p}}}}`,
			"restore needs exactly one of source and snapshotRef"},
		{"a source that is none", `{version: 3.6.16, bootstrap: {restore: {source: {}}}}`, "name exactly one of s3 and pvc"},
		{"a snapshot without a name", `{version: 3.6.16, bootstrap: {restore: {snapshotRef: {name: ""}}}}`,
			"snapshotRef.name must name an EtcdSnapshot"},
		{"a claim without a file", `{version: 3.6.16, bootstrap: {restore: {source: {pvc: {claimName: c}}}}}`,
			"source.pvc.subPath must be the exact file of the snapshot"},
		{"a bucket without a key", `{version: 3.6.16, bootstrap: {restore: {source: {s3: {endpoint: "http://s3:9000", bucket: bbb}}}}}`,
			"source.s3.key must be the exact key of the snapshot"},
		{"a file elsewhere", `{version: 3.6.16, bootstrap: {restore: {source: {pvc: {claimName: c, subPath: ../p}}}}}`,
			"subPath must be relative and must not contain .."},
		{"a revision that goes back", `{version: 3.6.16, bootstrap: {restore: {snapshotRef: {name: s}, revisionBump: -1}}}`,
			"should be greater than or equal to 0"},
		{"no time at all", `{version: 3.6.16, progressDeadlineSeconds: 0}`, "should be greater than or equal to 1"},
		{"a negative quota", `{version: 3.6.16, options: {quotaBackendBytes: -1}}`, "should be greater than or equal to 0"},
		{"no snapshot count", `{version: 3.6.16, options: {snapshotCount: 0}}`, "should be greater than or equal to 1"},
		{"an unknown compaction", `{version: 3.6.16, options: {autoCompactionMode: daily}}`, `supported values: "periodic", "revision"`},
		{"a retention that is no duration", `{version: 3.6.16, options: {autoCompactionRetention: 5 minutes}}`,
			"options.autoCompactionRetention must be an integer"},
		{"a duration of revisions", `{version: 3.6.16, options: {autoCompactionMode: revision, autoCompactionRetention: 30m}}`,
			"options.autoCompactionRetention must be an integer"},
		{"an election before the fifth heartbeat", `{version: 3.6.16, options: {heartbeatIntervalMilliseconds: 300}}`,
			"must be at least 5 times heartbeatIntervalMilliseconds"},
		{"an election that is short", `{version: 3.6.16, options: {electionTimeoutMilliseconds: 499}}`,
			"must be at least 5 times heartbeatIntervalMilliseconds"},
		{"an election that is late", `{version: 3.6.16, options: {electionTimeoutMilliseconds: 50001}}`,
			"should be less than or equal to 50000"},
		{"no heartbeat", `{version: 3.6.16, options: {heartbeatIntervalMilliseconds: 0}}`, "should be greater than or equal to 10"},
		{"an unknown log level", `{version: 3.6.16, options: {logLevel: fatal}}`, `supported values: "debug", "info", "warn", "error"`},
		{"no request at all", `{version: 3.6.16, options: {maxRequestBytes: 0}}`, "should be greater than or equal to 1024"},
		{"streams beyond what etcd counts", `{version: 3.6.16, options: {maxConcurrentStreams: 4294967296}}`,
			"should be less than or equal to 4294967295"},
		{"a negative duration", `{version: 3.6.16, options: {warningApplyDuration: -1s}}`, "should match"},
		{"a duration without a unit", `{version: 3.6.16, options: {backendBatchInterval: "100"}}`, "should match"},
		{"a batch of no time", `{version: 3.6.16, options: {backendBatchInterval: 0s}}`, "must be from 1ms to 1m"},
		{"no time between hash checks", `{version: 3.6.16, options: {compactHashCheckTime: 0s}}`,
			"options.compactHashCheckTime must be at least 1s"},
		{"metrics that are none", `{version: 3.6.16, options: {metrics: all}}`, `supported values: "basic", "extensive"`},
		{"an option that 3.5 lacks", `{version: 3.5.35, options: {warningUnaryRequestDuration: 1s}}`,
			"etcd 3.5 does not know options.warningUnaryRequestDuration"},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			expectRefusal(t, kube.Create(t.Context(), object(t, "EtcdCluster", ns, "refused", tc.spec)), tc.want)
		})
	}
}

func TestAClusterIsAccepted(t *testing.T) {
	ns := newNamespace(t)
	for _, tc := range []struct{ claim, spec string }{
		{"with only a version", `{version: 3.6.16}`},
		{"of each supported minor, oldest", `{version: 3.5.35}`},
		{"of each supported minor, newest", `{version: 3.7.3}`},
		{"of one member", `{version: 3.6.16, replicas: 1}`},
		{"of an even size", `{version: 3.6.16, replicas: 4}`},
		{"paused from the start", `{version: 3.6.16, replicas: 0}`},
		{"in memory", `{version: 3.6.16, storage: {medium: Memory, size: 256Mi}}`},
		{"with an empty medium", `{version: 3.6.16, storage: {medium: "", size: 2Gi, storageClassName: fast}}`},
		{"with a size in bytes", `{version: 3.6.16, storage: {size: 1073741824}}`},
		{"with a quota of 95 % of its volume", `{version: 3.6.16, storage: {size: 1Gi}, options: {quotaBackendBytes: 1020054732}}`},
		{"with periodic compaction", `{version: 3.6.16, options: {autoCompactionMode: periodic, autoCompactionRetention: 1h30m}}`},
		{"with compaction in hours", `{version: 3.6.16, options: {autoCompactionRetention: "8"}}`},
		{"with compaction by revisions", `{version: 3.6.16, options: {autoCompactionMode: revision, autoCompactionRetention: "1000"}}`},
		{"with every option", `
version: 3.6.16
options:
  quotaBackendBytes: 4294967296
  heartbeatIntervalMilliseconds: 200
  electionTimeoutMilliseconds: 1000
  logLevel: debug
  maxRequestBytes: 10485760
  maxTxnOps: 1024
  maxConcurrentStreams: 4294967295
  snapshotCatchUpEntries: 10000
  maxSnapshots: 0
  maxWALs: 0
  compactionBatchLimit: 100
  compactionSleepInterval: 1.5ms
  backendBatchInterval: 1ms
  backendBatchLimit: 1
  grpcKeepAliveMinTime: 5s
  grpcKeepAliveInterval: 0s
  grpcKeepAliveTimeout: 1m30s
  watchProgressNotifyInterval: 1s
  warningApplyDuration: 1s
  warningUnaryRequestDuration: 1s
  compactHashCheckTime: 1m
  corruptCheckTime: 1h
  metrics: extensive`},
		{"secured by cert-manager", `
version: 3.6.16
tls:
  client: {certManager: {serverIssuerRef: {name: i}, operatorClientIssuerRef: {name: i, kind: ClusterIssuer}}}
  peer: {certManager: {issuerRef: {name: i}}}`},
		{"with authentication", `
version: 3.6.16
tls: {client: {auto: {}}}
auth:
  enabled: true
  rootCredentialsSecretRef: {name: root}
  users: [{name: app, passwordSecretRef: {name: app}, roles: [app, root]}, {name: "system:reader@x", passwordSecretRef: {name: app}}]
  roles:
  - {name: app, permissions: [{prefix: /app/, access: ReadWrite}, {key: one, access: Read}, {prefix: "", access: Write}]}
  - {name: none}`},
		{"with credentials before they are needed", `{version: 3.6.16, auth: {rootCredentialsSecretRef: {name: root}, roles: [{name: r}]}}`},
		{"from a snapshot", `{version: 3.6.16, bootstrap: {restore: {snapshotRef: {name: s}}}}`},
		{"from a file", `{version: 3.6.16, bootstrap: {restore: {revisionBump: 0, source: {pvc: {claimName: c, subPath: a/p.db.zst}}}}}`},
		{"from a bucket", `
version: 3.6.16
bootstrap: {restore: {source: {s3: {endpoint: "https://s3:9000", bucket: bbb, key: a/b.db, credentialsSecretRef: {name: s}}}}}`},
		{"with an affinity of its own", `
version: 3.6.16
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
    - topologyKey: kubernetes.io/hostname
      labelSelector: {matchLabels: {app.kubernetes.io/name: etcd}}
topologySpreadConstraints:
- {maxSkew: 1, topologyKey: topology.kubernetes.io/zone, whenUnsatisfiable: DoNotSchedule}
resources: {requests: {cpu: 1, memory: 1Gi}, limits: {memory: 1Gi}}
additionalMetadata: {labels: {team: a}, annotations: {note: b}}
imagePullSecrets: [{name: pull}]`},
	} {
		t.Run(tc.claim, func(t *testing.T) {
			name := "accepted-" + strings.NewReplacer(" ", "-", ",", "", "%", "", ".", "").Replace(tc.claim)
			create(t, object(t, "EtcdCluster", ns, name, tc.spec))
		})
	}
}

func TestAClusterChangesOnlyWhereTheOperatorCanFollow(t *testing.T) {
	ns := newNamespace(t)
	for _, tc := range []struct{ name, before, change, want string }{
		{"shrink-storage", `{version: 3.6.16, storage: {size: 2Gi}}`, `storage: {size: 1Gi}`, "cannot be less than the volumes have"},
		{"drop-storage", `{version: 3.6.16, storage: {size: 2Gi}}`, `storage: null`, "cannot be less than the volumes have"},
		{"other-version", `{version: 3.6.14}`, `version: 3.6.16`, ""},
		{"pause-memory", `{version: 3.6.16, storage: {medium: Memory}}`, `replicas: 0`, "a Memory cluster would lose its data"},
		{"tls-later", `{version: 3.6.16}`, `tls: {peer: {secretRef: {name: s}}}`, ""},
		{"tls-never-more", `{version: 3.6.16, tls: {peer: {auto: {}}}}`, `tls: null`, ""},
		{"clients-too", `{version: 3.6.16, tls: {peer: {auto: {}}}}`, `tls: {client: {auto: {}, acceptPlaintext: true}}`, ""},
		{"other-peer-source", `{version: 3.6.16, tls: {peer: {auto: {}}}}`, `tls: {peer: {auto: null, secretRef: {name: s}}}`, ""},
		{"other-client-source", `{version: 3.6.16, tls: {client: {auto: {}}}}`, `tls: {client: {auto: null, serverSecretRef: {name: s}}}`, ""},
		{"no-client-certificates", `{version: 3.6.16, tls: {client: {auto: {}}}}`, `tls: {client: {auto: {clientAuthentication: None}}}`, ""},
		{"from-cert-manager", `{version: 3.6.16, tls: {peer: {certManager: {issuerRef: {name: i}}}}}`,
			`tls: {peer: {certManager: null, secretRef: {name: s}}}`, ""},
		{"client-issuer", `{version: 3.6.16, tls: {client: {certManager: {serverIssuerRef: {name: i}}}}}`,
			`tls: {client: {certManager: {operatorClientIssuerRef: {name: i}}}}`, ""},
		{"auth-later", `{version: 3.6.16, tls: {client: {auto: {}}}}`, `auth: {enabled: true, rootCredentialsSecretRef: {name: s}}`, ""},
		{"auth-no-more", `{version: 3.6.16, tls: {client: {auto: {}}}, auth: {enabled: true, rootCredentialsSecretRef: {name: s}}}`,
			`auth: null`, ""},
		{"auth-without-tls", `{version: 3.6.16}`, `auth: {enabled: true, rootCredentialsSecretRef: {name: s}}`, "need tls.client"},
		{"tls-that-auth-needs", `{version: 3.6.16, tls: {client: {auto: {}}}, auth: {enabled: true, rootCredentialsSecretRef: {name: s}}}`,
			`tls: null`, "need tls.client"},
		{"other-duration", `{version: 3.6.16, tls: {peer: {auto: {}}}}`, `tls: {peer: {auto: {certificateDuration: 1h}}}`, ""},
		{"other-secret", `{version: 3.6.16, tls: {peer: {secretRef: {name: s}}}}`, `tls: {peer: {secretRef: {name: t}}}`, ""},
		{"restore-later", `{version: 3.6.16}`, `bootstrap: {restore: {snapshotRef: {name: s}}}`, "bootstrap cannot be changed"},
		{"restore-another", `{version: 3.6.16, bootstrap: {restore: {snapshotRef: {name: s}}}}`,
			`bootstrap: {restore: {snapshotRef: {name: t}}}`, "bootstrap cannot be changed"},
		{"restore-no-more", `{version: 3.6.16, bootstrap: {restore: {snapshotRef: {name: s}}}}`,
			`bootstrap: null`, "bootstrap cannot be changed"},
		{"scale-restored", `{version: 3.6.16, bootstrap: {restore: {snapshotRef: {name: s}}}}`, `replicas: 1`, ""},

		{"other-medium", `{version: 3.6.16}`, `storage: {medium: Memory}`, ""},
		{"class-appears", `{version: 3.6.16}`, `storage: {storageClassName: fast}`, ""},
		{"class-changes", `{version: 3.6.16, storage: {storageClassName: slow}}`, `storage: {storageClassName: fast}`, ""},
		{"class-goes", `{version: 3.6.16, storage: {storageClassName: slow}}`, `storage: {storageClassName: null}`, ""},
		{"by-hand", `{version: 3.6.16}`, `updateStrategy: {type: OnDelete}`, ""},
		{"grow-storage", `{version: 3.6.16}`, `storage: {size: 2Gi}`, ""},
		{"same-size", `{version: 3.6.16, storage: {size: 1Gi}}`, `storage: {size: 1024Mi}`, ""},
		{"scale", `{version: 3.6.16}`, `replicas: 5`, ""},
		{"pause", `{version: 3.6.16}`, `replicas: 0`, ""},
		{"spelled-medium", `{version: 3.6.16}`, `storage: {medium: ""}`, ""},
		{"slower-timers", `{version: 3.6.16}`, `options: {heartbeatIntervalMilliseconds: 300, electionTimeoutMilliseconds: 3000}`, ""},
		{"timers-that-are-far", `{version: 3.6.16}`, `options: {electionTimeoutMilliseconds: 5001}`, "by at most a factor of 5 at a time"},
		{"timers-that-are-far-back", `{version: 3.6.16, options: {electionTimeoutMilliseconds: 6000}}`, `options: null`,
			"by at most a factor of 5 at a time"},
		{"timers-that-do-not-mix", `{version: 3.6.16}`,
			`options: {heartbeatIntervalMilliseconds: 400, electionTimeoutMilliseconds: 4000}`, "also between old and new timers"},
		{"no-timers-any-more", `{version: 3.6.16, options: {heartbeatIntervalMilliseconds: 200, electionTimeoutMilliseconds: 2000}}`,
			`options: null`, ""},
		{"other-options", `{version: 3.6.16}`, `options: {snapshotCount: 5000}`, ""},
	} {
		t.Run(tc.name, func(t *testing.T) {
			o := object(t, "EtcdCluster", ns, tc.name, tc.before)
			create(t, o)
			err := change(t, o, tc.change)
			if tc.want != "" {
				expectRefusal(t, err, tc.want)
			} else if err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestAClusterNameFitsIntoTheNamesMadeFromIt(t *testing.T) {
	ns := newNamespace(t)
	for name, valid := range map[string]bool{
		"a": true, "demo-2": true, strings.Repeat("x", 56): true,
		strings.Repeat("x", 57): false, "2demo": false, "with.dot": false,
	} {
		t.Run(name, func(t *testing.T) {
			err := kube.Create(t.Context(), object(t, "EtcdCluster", ns, name, `{version: 3.6.16}`))
			if !valid {
				expectRefusal(t, err, "metadata.name must be a DNS-1035 label of at most 56 characters")
			} else if err != nil {
				t.Errorf("refused: %v", err)
			}
		})
	}
}

func TestDefaultsAreWrittenOut(t *testing.T) {
	for claim, c := range map[string]client.Object{
		"from YAML": object(t, "EtcdCluster", newNamespace(t), "demo", `{version: 3.6.16}`),
		"from a Go program, whose zero values are not sent": &v1alpha2.EtcdCluster{
			ObjectMeta: metav1.ObjectMeta{Namespace: newNamespace(t), Name: "demo"},
			Spec:       v1alpha2.EtcdClusterSpec{Version: "3.6.16"},
		},
	} {
		t.Run(claim, func(t *testing.T) {
			create(t, c)
			var got v1alpha2.EtcdCluster
			if err := kube.Get(t.Context(), client.ObjectKeyFromObject(c), &got); err != nil {
				t.Fatal(err)
			}
			if got.Spec.Replicas == nil || *got.Spec.Replicas != 3 {
				t.Errorf("replicas: want 3, got %v", got.Spec.Replicas)
			}
			if got.Spec.Storage.Size.Cmp(resource.MustParse("1Gi")) != 0 {
				t.Errorf("storage.size: want 1Gi, got %s", got.Spec.Storage.Size.String())
			}
			if got.Spec.ProgressDeadlineSeconds == nil || *got.Spec.ProgressDeadlineSeconds != 600 {
				t.Errorf("progressDeadlineSeconds: want 600, got %v", got.Spec.ProgressDeadlineSeconds)
			}
			if got.Status.ObservedGeneration != -1 {
				t.Errorf("status.observedGeneration: want -1, got %d", got.Status.ObservedGeneration)
			}
		})
	}
}
