package resource

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"strconv"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

// AgentContainer is the name of the container in which an agent works.
const AgentContainer = "agent"

// AgentIntent is what a Job of an EtcdSnapshot is made of.
type AgentIntent struct {
	Kind    task.Kind
	Number  int    // of the try
	Request string // that a drill answers
	// Deadline in seconds, after which Kubernetes ends it.
	Deadline int64

	OperatorImage, EtcdRepository string
	// ImagePullSecrets and Metadata are the cluster's.
	ImagePullSecrets []corev1.LocalObjectReference
	Metadata         *v1alpha2.AdditionalMetadata
	// Source is what a Save streams from.
	Source AgentSource
	// EtcdVersion is the one that a drill runs.
	EtcdVersion string
}

// AgentSource is how an agent gets at etcd.
type AgentSource struct {
	Endpoints []task.Endpoint
	Trust     string // ConfigMap with the CAs of members; empty if they speak no TLS
	Client    string // Secret with a client certificate; empty if nobody wants one
	Root      string // Secret with root's password, under the key PasswordKey; empty if nobody wants one
	// PasswordKey is the key of the password in Root.
	PasswordKey string
}

// PasswordKeys are the keys of the passwords in the Secret with what the operator logs in with, the likeliest first.
func PasswordKeys(s *corev1.Secret) (keys []string) {
	for _, key := range []string{rootPassword, rootNext} {
		if s != nil && len(s.Data[key]) > 0 {
			keys = append(keys, key)
		}
	}
	return keys
}

// SnapshotLabel is the value of LabelSnapshot for an EtcdSnapshot of this name.
func SnapshotLabel(name string) string { return cut(name, validation.LabelValueMaxLength) }

// AgentJobName is the name of the Job of a try.
func AgentJobName(snapshot string, kind task.Kind, number int, request string) string {
	suffix := "-" + strconv.Itoa(number)
	switch kind {
	case task.Save:
	case task.Drill:
		suffix = "-drill-" + digest(request, 6) + suffix
	default:
		suffix = "-" + string(kind) + suffix
	}
	return cut(snapshot, validation.DNS1123LabelMaxLength-len(suffix)) + suffix
}

// cut shortens a name. What is cut off is told apart by a digest.
func cut(name string, most int) string {
	if len(name) <= most {
		return name
	}
	return strings.TrimRight(name[:most-9], "-.") + "-" + digest(name, 8)
}

func digest(text string, length int) string {
	sum := sha256.Sum256([]byte(text))
	return hex.EncodeToString(sum[:])[:length]
}

// AgentJob is the Job of a try. It is tried once: whether there is another try is decided by the operator.
func AgentJob(s *v1alpha2.EtcdSnapshot, in AgentIntent) (*batchv1.Job, error) {
	text, err := agentTask(s, in).Encode()
	if err != nil {
		return nil, err
	}
	meta := agentMeta(s, in)
	meta.Name = AgentJobName(s.Name, in.Kind, in.Number, in.Request)
	job := &batchv1.Job{
		ObjectMeta: meta,
		Spec: batchv1.JobSpec{
			BackoffLimit:          new(int32(0)),
			ActiveDeadlineSeconds: new(max(in.Deadline, 1)),
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: maps.Clone(meta.Labels), Annotations: maps.Clone(meta.Annotations)},
				Spec:       agentPod(s, in, text),
			},
		},
	}
	if in.Request != "" {
		metav1.SetMetaDataAnnotation(&job.ObjectMeta, v1alpha2.AnnotationVerify, in.Request)
	}
	owner := metav1.NewControllerRef(s, v1alpha2.GroupVersion.WithKind("EtcdSnapshot"))
	owner.BlockOwnerDeletion = new(false)
	job.OwnerReferences = []metav1.OwnerReference{*owner}
	return job, nil
}

func agentTask(s *v1alpha2.EtcdSnapshot, in AgentIntent) task.Task {
	t := task.Task{Snapshot: s.Name, UID: string(s.UID), Location: s.Spec.Destination, Compression: s.Spec.Compression}
	if in.Kind == task.Save {
		t.Endpoints = in.Source.Endpoints
		return t
	}
	t.Location, t.Exact = task.Exact(s), true
	if s.Status.Artifact != nil {
		t.Expect = *s.Status.Artifact
	}
	if in.Kind == task.Drill {
		t.EtcdVersion = in.EtcdVersion
	}
	return t
}

// agentMeta is the metadata of Job and Pod. No label that is for members is on it, whatever people add: nobody may take an agent for one.
func agentMeta(s *v1alpha2.EtcdSnapshot, in AgentIntent) metav1.ObjectMeta {
	meta := objectMeta(s.Namespace, "", map[string]string{
		labelName:                  "etcd-snapshot",
		labelInstance:              cut(s.Spec.ClusterRef.Name, validation.LabelValueMaxLength),
		labelComponent:             "snapshot",
		labelManagedBy:             "etcd-operator",
		v1alpha2.LabelSnapshot:     SnapshotLabel(s.Name),
		v1alpha2.LabelSnapshotTask: string(in.Kind),
		v1alpha2.LabelAttempt:      strconv.Itoa(in.Number),
	}, in.Metadata)
	for _, ofMembers := range []string{
		v1alpha2.LabelCluster, v1alpha2.LabelClusterUID, v1alpha2.LabelMember, v1alpha2.LabelOrdinal, v1alpha2.LabelRole,
	} {
		delete(meta.Labels, ofMembers)
	}
	return meta
}

// TryNumber is the number of the try that a Job was made for, 0 if it does not say.
func TryNumber(job *batchv1.Job) int {
	n, err := strconv.Atoi(job.Labels[v1alpha2.LabelAttempt])
	if err != nil {
		return 0
	}
	return n
}

// Needs are the objects that the Pods of a Job cannot start without, as "Kind name".
func Needs(job *batchv1.Job) map[string]bool {
	needs := map[string]bool{}
	for _, v := range job.Spec.Template.Spec.Volumes {
		switch {
		case v.PersistentVolumeClaim != nil:
			needs["PersistentVolumeClaim "+v.PersistentVolumeClaim.ClaimName] = true
		case v.Projected != nil:
			for _, source := range v.Projected.Sources {
				if source.Secret != nil {
					needs["Secret "+source.Secret.Name] = true
				}
				if source.ConfigMap != nil {
					needs["ConfigMap "+source.ConfigMap.Name] = true
				}
			}
		}
	}
	for _, c := range job.Spec.Template.Spec.Containers {
		for _, e := range c.Env {
			if e.ValueFrom != nil && e.ValueFrom.SecretKeyRef != nil {
				needs["Secret "+e.ValueFrom.SecretKeyRef.Name] = true
			}
		}
	}
	return needs
}

// DrillVersion is the version of etcd that a drill runs: that of the member that the snapshot was taken from.
func DrillVersion(s *v1alpha2.EtcdSnapshot, c *v1alpha2.EtcdCluster) string {
	version := ""
	if s.Status.Artifact != nil {
		version = s.Status.Artifact.EtcdVersion
	}
	if c != nil {
		version = cmp.Or(version, c.Spec.Version)
	}
	return version
}
