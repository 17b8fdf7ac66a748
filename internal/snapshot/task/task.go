// Package task is what the operator and its snapshot agents agree on: what an agent is to do, and what it says it did. An agent has no
// access to Kubernetes. It is told by its arguments and its environment, and answers by its termination message.
package task

import (
	"encoding/json"
	"fmt"
	"strings"
	"time"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// Kind is what an agent does.
type Kind string

const (
	// Save streams a snapshot from a member to the store, reads it back, and verifies it.
	Save Kind = "save"
	// Delete deletes what a Save stored, and nothing else.
	Delete Kind = "delete"
	// Fetch brings a stored snapshot to a file, verified.
	Fetch Kind = "fetch"
	// Drill restores a stored snapshot into a throwaway member, and compares.
	Drill Kind = "drill"
)

// Task is the argument of "etcd-operator snapshot <kind> --task=<JSON>". Secrets are not in it.
type Task struct {
	// Snapshot is the name of the EtcdSnapshot, UID its UID: what is stored carries it, and belongs to nobody else.
	Snapshot string `json:"snapshot,omitempty"`
	UID      string `json:"uid,omitempty"`

	// Location is where to: as in the EtcdSnapshot (a prefix) for Save; exact for all others.
	Location v1alpha2.SnapshotLocation `json:"location"`
	// Exact says that Location names the object itself.
	Exact       bool                         `json:"exact,omitempty"`
	Compression v1alpha2.SnapshotCompression `json:"compression,omitempty"`

	// Endpoints of the members that a snapshot may come from. The agent prefers a healthy follower.
	Endpoints []Endpoint `json:"endpoints,omitempty"`
	// ServerName to verify certificates by, where it is not the endpoint's host.
	ServerName string `json:"serverName,omitempty"`

	// Expect is what is known of a stored snapshot. Empty fields are not compared.
	Expect v1alpha2.SnapshotArtifact `json:"expect,omitzero"`
	// EtcdVersion is the version of etcd that is to run on the data (Fetch, Drill). A snapshot of a newer minor is refused.
	EtcdVersion string `json:"etcdVersion,omitempty"`
	// File that Fetch writes, and DataDir: if etcd has its log there already, nothing is fetched.
	File    string `json:"file,omitempty"`
	DataDir string `json:"dataDir,omitempty"`
}

// Encode is the argument. Kubernetes puts environment variables, Secrets among them, where arguments have a $ before a parenthesis: no name
// that people choose may bring one along.
func (t Task) Encode() (string, error) {
	text, err := json.Marshal(t)
	if err != nil {
		return "", fmt.Errorf("encode the task: %w", err)
	}
	return strings.ReplaceAll(string(text), "$", `\u0024`), nil
}

// Endpoint is a member of etcd.
type Endpoint struct {
	Member string `json:"member"`
	URL    string `json:"url"`
}

// Where an agent finds what its Pod mounts. Files that are not there mean that they are not needed.
const (
	// VolumeRoot is where the claim of a PVC location is mounted.
	VolumeRoot = "/snapshots"
	// ScratchRoot is an emptyDir for what does not fit into memory.
	ScratchRoot = "/scratch"
	// EtcdTLSRoot holds ca.crt, and tls.crt and tls.key to show to etcd.
	EtcdTLSRoot = "/etcd-tls"
	// StoreCARoot holds ca.crt for the S3 store.
	StoreCARoot = "/store-ca"
	// EnvEtcdUser and EnvEtcdPassword are etcd's user.
	EnvEtcdUser     = "ETCD_USER"
	EnvEtcdPassword = "ETCD_PASSWORD"
	// ProgressPort is where the agent tells how far it is: GET /progress answers with an api SnapshotProgress as JSON.
	ProgressPort = 8080
	// TerminationPath is where an agent leaves its Report.
	TerminationPath = "/dev/termination-log"
)

// Reason is why an agent did not succeed. It becomes the reason of a condition.
type Reason string

const (
	// NoHealthyMember: no endpoint answered, or none could stream.
	NoHealthyMember Reason = "NoHealthyMember"
	// StreamBroken: the stream ended early, or its sha256 trailer does not fit.
	StreamBroken Reason = "StreamBroken"
	// EtcdAccessDenied: etcd did not accept the credentials.
	EtcdAccessDenied Reason = "EtcdAccessDenied"
	// StoreUnreachable: the store does not answer, or the connection broke.
	StoreUnreachable Reason = "StoreUnreachable"
	// StoreAccessDenied: the store does not accept the credentials, or they may not do this.
	StoreAccessDenied Reason = "StoreAccessDenied"
	// StoreMissing: the bucket is not there.
	StoreMissing Reason = "StoreMissing"
	// StoreFull: no space is left.
	StoreFull Reason = "StoreFull"
	// StoreFailed: anything else that the store says.
	StoreFailed Reason = "StoreFailed"
	// ForeignObject: something else is stored under the name. It is left alone. Trying again does not help.
	ForeignObject Reason = "ForeignObject"
	// ReadBackDiffers: what is stored is not what was sent.
	ReadBackDiffers Reason = "ReadBackDiffers"
	// SnapshotMissing: nothing is stored there.
	SnapshotMissing Reason = "SnapshotMissing"
	// SnapshotDamaged: what is stored is not a whole snapshot, or not the one that was saved.
	SnapshotDamaged Reason = "SnapshotDamaged"
	// SnapshotTooNew: it is of a newer minor than the etcd that is to run on it.
	SnapshotTooNew Reason = "SnapshotTooNew"
	// ScratchFull: the node has no space for the copy.
	ScratchFull Reason = "ScratchFull"
	// DrillFailed: the restored member has other data than the snapshot recorded.
	DrillFailed Reason = "DrillFailed"
	// Interrupted: the Pod was stopped, or ended without a word.
	Interrupted Reason = "Interrupted"
	// BadTask: the task itself cannot be carried out. Trying again does not help.
	BadTask Reason = "BadTask"
)

// Final says that trying again does not help.
func (r Reason) Final() bool { return r == ForeignObject || r == BadTask }

// Damning says that what is stored is not what was saved.
func (r Reason) Damning() bool {
	return r == SnapshotMissing || r == SnapshotDamaged || r == ReadBackDiffers || r == DrillFailed
}

// Report is an agent's last word. Artifact is set if and only if it succeeded in saving. It fits in the 4096 bytes of a termination
// message.
type Report struct {
	Succeeded bool                       `json:"succeeded"`
	Reason    Reason                     `json:"reason,omitempty"`
	Message   string                     `json:"message,omitempty"`
	Artifact  *v1alpha2.SnapshotArtifact `json:"artifact,omitempty"`
	EndedAt   time.Time                  `json:"endedAt,omitzero"`
}

// maxMessage leaves room for the rest in a termination message.
const maxMessage = 1024

// Encode is the termination message. It holds no secret: messages come from errors, which name places and never credentials.
func (r Report) Encode() ([]byte, error) {
	if len(r.Message) > maxMessage {
		r.Message = r.Message[:maxMessage]
	}
	text, err := json.Marshal(r)
	if err != nil {
		return nil, fmt.Errorf("encode the report: %w", err)
	}
	return text, nil
}

// ParseReport reads a termination message. An agent that left none was interrupted.
func ParseReport(message string) Report {
	var r Report
	if err := json.Unmarshal([]byte(message), &r); err != nil {
		return Report{Reason: Interrupted, Message: "the agent ended without a report"}
	}
	return r
}
