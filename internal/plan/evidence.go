package plan

import (
	"fmt"
	"time"
)

// Remedy is what helps a member.
type Remedy int

const (
	// Heals: it comes back by itself, or when somebody repairs what is around it. It is never replaced for this.
	Heals Remedy = iota
	// Replace: a new member takes its place.
	Replace
)

// Evidence is a class of what can be wrong with a member, and what follows from it. It speaks of members whose peers are well:
// whether the cluster can do without the member is asked of MayRemove.
type Evidence struct {
	Reason string // as in EtcdMemberStatus.Failure, and in package v1alpha2
	Doc    string
	Remedy Remedy
	// Gone says that the data of the member will not come back, whatever anybody does.
	Gone bool
	// Grace is how long it must have been seen. With ByNode it is spec.memberReplacement.nodeLossGracePeriodSeconds instead.
	Grace  time.Duration
	ByNode bool
	// Times is how often the etcd container must have ended so in a row, if the end does not prove it.
	Times int
	// Compared says that a comparison of data must have found a majority that agrees, after the failure was seen.
	Compared bool
	// Missed says that the leader must not hear it.
	Missed bool
	// Plain says that it does not pass by itself: a template that the member was given before is gone back from soon.
	Plain bool
	// Around says that it comes from around the member: no template is gone back from for it.
	Around bool
	// Soft evidence may come from the environment, which a new member would meet too: replacements for it keep a distance in time.
	Soft bool
}

// identical is how often etcd has to end over the same data for the same reason until nobody expects another outcome.
const identical = 2

// EvidenceClasses is everything that a member's failure can be. What is not in it never leads to a replacement.
var EvidenceClasses = []Evidence{
	{Reason: "VolumeMissing", Remedy: Replace, Gone: true, Doc: "The PersistentVolumeClaim is gone, or another one has its name."},
	{Reason: "VolumeTerminating", Remedy: Replace, Around: true, Doc: "The PersistentVolumeClaim was deleted, and goes with the Pod."},
	{Reason: "VolumeLost", Remedy: Replace, Gone: true, Doc: "The PersistentVolume behind the claim is gone (phase Lost)."},
	{Reason: "MemoryLost", Remedy: Replace, Gone: true, Doc: "The Pod that held the data in memory is gone."},
	{Reason: "DataLost", Remedy: Replace, Gone: true, Doc: "The launcher found the volume empty, or without its log (exit code 42)."},
	{Reason: "ForeignData", Remedy: Replace, Gone: true, Doc: "The launcher found the data of another member or volume (exit code 41)."},
	{
		Reason: "CorruptLog", Remedy: Replace, Gone: true, Times: identical,
		Doc: "etcd cannot read its write-ahead log, or lacks a part of it. Once is enough where a checksum or its peers prove it.",
	},
	{
		Reason: "CorruptDatabase", Remedy: Replace, Gone: true, Times: identical,
		Doc: "etcd cannot read its database. Once is enough where neither of its heads is valid.",
	},
	{
		Reason: "DataInconsistent", Remedy: Replace, Gone: true, Times: identical, Compared: true,
		Doc: "etcd's check at start found other data than its peers have, and a majority of them agrees.",
	},
	{Reason: "DataDiverged", Remedy: Replace, Gone: true, Doc: "The comparison of data found that a majority holds other data than it."},
	{
		Reason: "MembershipMoved", Remedy: Replace, Gone: true, Times: identical,
		Doc: "The membership changed before the member's first start; etcd does not let it join with what it knows.",
	},
	{
		Reason: "PeerURLMismatch", Remedy: Replace, Gone: true, Times: identical,
		Doc: "etcd lists the joining member under another peer URL.",
	},
	{Reason: "Requested", Remedy: Replace, Around: true, Doc: "Somebody annotated the EtcdMember with etcd-operator.cozystack.io/replace."},
	{
		Reason: "NodeLost", Remedy: Replace, Around: true, ByNode: true, Missed: true, Soft: true,
		Doc: "The node is gone or down, the leader does not hear the member either, and its data are nowhere else.",
	},
	{
		Reason: "Unreachable", Remedy: Replace, Around: true, ByNode: true, Missed: true, Soft: true,
		Doc: "etcd runs, and neither the operator nor the leader hears it.",
	},
	{
		Reason: "Crashing", Remedy: Replace, Plain: true, Grace: 5 * time.Minute, Times: 5, Soft: true,
		Doc: "etcd ends again and again for a reason that is none of the others.",
	},

	{Reason: "DataUnreadable", Plain: true, Doc: "The launcher could not read or write the volume (exit code 43)."},
	{Reason: "DiskFull", Plain: true, Doc: "The volume is full."},
	{Reason: "OutOfMemory", Plain: true, Doc: "The container was killed at its memory limit."},
	{Reason: "AddressInUse", Around: true, Doc: "Another process has one of etcd's ports."},
	{Reason: "VersionRefused", Plain: true, Doc: "This version of etcd does not take the data of another one."},
	{Reason: "ConfigurationRefused", Plain: true, Doc: "etcd does not take its flags."},
	{Reason: "RemovedFromEtcd", Around: true, Doc: "etcd says that it was removed. The member list decides, not the member."},
	{
		Reason: "NodeDown", Around: true,
		Doc: "The node is down; the member goes on elsewhere once the node is deleted or tainted out-of-service.",
	},
	{Reason: "Unschedulable", Doc: "No node takes the Pod."},
	{Reason: "ImageUnavailable", Plain: true, Doc: "The image cannot be pulled."},
	{
		Reason: restoreFailed, Around: true,
		Doc: "The snapshot could not be fetched or restored. It is tried again; the data directory is as it was.",
	},
	{Reason: tooNew, Around: true, Doc: "The snapshot is of a newer minor of etcd than the cluster."},
	{Reason: "NameTaken", Around: true, Doc: "An object of a needed name belongs to somebody else."},
}

func classOf(reason string) Evidence {
	for _, class := range EvidenceClasses {
		if class.Reason == reason {
			return class
		}
	}
	return Evidence{}
}

// Unproven says whether ends of a container, as many as times in a row, lead to a replacement as soon as there is one more.
func Unproven(reason string, times int) bool {
	return classOf(reason).Times == identical && times == identical-1
}

// Finding is what was seen of a member's failure.
type Finding struct {
	Reason string
	For    time.Duration // how long it has been seen
	Times  int           // how often in a row the container ended so
	Proven bool          // the end proves it: a checksum does not fit, or what was acknowledged is gone
	Agreed bool          // since it was seen, a comparison found a majority of voters that holds the same data
	Missed bool          // the leader was asked and does not hear it, or nobody is there to be heard
	ByNode time.Duration // spec.memberReplacement.nodeLossGracePeriodSeconds
}

// Judgement is what follows from a finding.
type Judgement struct {
	Class Evidence
	Lost  bool // it is time to replace the member
	// Await says what is waited for before the member is replaced; empty if it never is, or if it is time.
	Await string
}

// Judge weighs a finding. A reason that is no known class is one that heals.
func Judge(f Finding) Judgement {
	j := Judgement{Class: classOf(f.Reason)}
	if j.Class.Remedy != Replace {
		return j
	}
	grace := j.Class.Grace
	if j.Class.ByNode {
		grace = f.ByNode
	}
	switch {
	case f.Times < j.Class.Times && !f.Proven:
		j.Await = fmt.Sprintf("replaced after %d such ends in a row", j.Class.Times)
	case j.Class.Missed && !f.Missed:
		j.Await = "not replaced while the leader may hear it"
	case f.For < grace:
		j.Await = fmt.Sprintf("replaced after %s", grace)
	case j.Class.Compared && !f.Agreed:
		j.Await = "replaced once the data of the others are found to agree"
	default:
		j.Lost = true
	}
	return j
}
