package plan

import "time"

// Part is everything that the realization of one member may depend on: its EtcdMember, its volume and its Pod.
type Part struct {
	Wanted    bool // the EtcdMember and the EtcdCluster that owns it are there, and neither is being deleted
	Disabled  bool // reconciling was switched off for the cluster
	Memory    bool // the volume is the Pod's memory: it comes and goes with the Pod
	Founder   bool // it forms the cluster: from its first start on others count on its vote
	Recorded  bool // its incarnation is recorded: it may vote
	Adopted   bool // its EtcdMember was created again for a volume that was there: the data must be on it
	Admitted  bool // its initial cluster is frozen: its Pod may start
	Dormant   bool // it is parked
	Confirmed bool // etcd has let it go for good
	KeepAside bool // its volume is kept aside when it goes

	GrantUsed    bool   // a Pod may have started on the empty volume
	Lacking      string // certificates that its Pod would mount and that are not there; empty if it lacks none
	Stale        bool   // its Pod was made with something else than the EtcdMember says now
	Unproven     bool   // its container has ended, for a reason that counts as proof when it ends so once more
	NeverStarted bool   // the Pod that the grant was used for is known to have ended before etcd was started in it
	Restoring    bool   // its first data are to be made from a snapshot, and the cluster has not formed
	Unsourced    string // what its snapshot is fetched with and that is not there; empty if nothing is missing, or nothing fetched
	Refetch      bool   // its snapshot could not be fetched, and what it is fetched with has changed since its Pod was made

	Volume PartVolume
	Pod    PartPod
}

// PartVolume is the claim of a member; the zero value is one that does not exist.
type PartVolume struct {
	Name   string
	Exists bool
	Ours   bool // it belongs to this cluster and this member
	Going  bool // it is being deleted
	Fresh  bool // it was made for this very EtcdMember, not for an earlier one of the same name
	Known  bool // it is the volume that the grant was used for, or that is on record
	Lost   bool // what was behind the claim is gone
	Aside  bool // it was taken out of use: it is neither used nor touched any more

	Labelled bool // it has the labels that it should have, and says whose vote it holds
	Unasked  bool // it is smaller than the member is to have, and its claim does not ask for that size
}

// PartPod is the Pod of a member; the zero value is one that does not exist.
type PartPod struct {
	Name     string
	Exists   bool
	Ours     bool // the EtcdMember owns it
	Left     bool // an earlier EtcdMember of the same name owned it
	Going    bool // it is being deleted
	Ended    bool // it has failed or succeeded: none of its containers will run again
	Held     bool // it waits behind the gate, and has never been scheduled
	Granted  bool // it may start on an empty volume
	Charged  bool // the used grant names it
	OnVolume bool // it was made for the volume that is there
	Labelled bool // it has the labels that it should have, and names the certificates that it should show
	NodeDead bool // its node is gone, or was said to be shut down: nothing can be running there
	NodeDown bool // nobody hears of its node, and it may be running
}

// PartStep is one write for one member.
type PartStep string

// The steps for one member.
const (
	Rest             PartStep = ""
	CreateVolume     PartStep = "CreateVolume"
	CreatePod        PartStep = "CreatePod"        // its data must be there
	CreateGrantedPod PartStep = "CreateGrantedPod" // behind the gate: it may start empty once the grant is used for it
	UseGrant         PartStep = "UseGrant"         // record that the Pod may have started on the empty volume
	ReopenGrant      PartStep = "ReopenGrant"      // record that the grant may be used once more
	ReleasePod       PartStep = "ReleasePod"       // take the gate away
	LabelPod         PartStep = "LabelPod"
	LabelVolume      PartStep = "LabelVolume"
	DeletePod        PartStep = "DeletePod"
	ForceDeletePod   PartStep = "ForceDeletePod" // without a word from its node
	SetVolumeAside   PartStep = "SetVolumeAside"
	DeleteVolume     PartStep = "DeleteVolume"
	ExpandVolume     PartStep = "ExpandVolume" // its claim asks for the size that the member is to have
)

// Failures that the facts of one member show by themselves.
const (
	VolumeMissing = "VolumeMissing"
	VolumeLost    = "VolumeLost"
	MemoryLost    = "MemoryLost"
	NameTaken     = "NameTaken"
)

// Realization is the step to take for one member.
type Realization struct {
	Step    PartStep
	Failure string // why the member cannot be made real, empty if it can
	Message string // for people; says what is waited for, or what is wrong
	// Recheck is how long to wait before looking again even if nothing changes; zero means until something does.
	Recheck time.Duration
}

// Realize decides the next step that makes one member real. It decides nothing about membership.
//
// The grant to start on an empty volume is given once: a Pod that holds it is created behind a gate, the grant is recorded
// as used for that Pod, and only then the gate goes. So a grant that is not recorded as used was never acted upon,
// wherever a crash cuts this off; and one that is, is given again only where nobody can have counted on the first start.
func Realize(p Part) Realization {
	r := enlarge(p, realize(p))
	if r.Step == Rest && p.Restoring && p.Wanted && !p.Disabled { // what a snapshot is fetched with is not watched
		r.Recheck = patient
	}
	return r
}

func realize(p Part) Realization {
	switch {
	case !p.Wanted, p.Disabled:
		return Realization{}
	case p.Pod.mine() && p.Pod.NodeDead:
		return Realization{Step: ForceDeletePod, Message: "the Pod's node is gone, or shut down"}
	case p.Confirmed:
		return dismantle(p)
	case p.Pod.Left:
		return Realization{Message: "waiting for the Pod to go that an earlier EtcdMember of this name had"}
	case p.taken() != "":
		return Realization{Failure: NameTaken, Message: p.taken() + " belongs to somebody else: delete or rename it"}
	case p.Volume.unlabelled():
		return Realization{Step: LabelVolume, Message: "the PersistentVolumeClaim's labels differ"}
	case p.Dormant:
		return park(p)
	case p.Pod.Exists:
		return tend(p)
	default:
		return provide(p)
	}
}

// taken is the object of a needed name that somebody else has, empty if nobody does.
func (p Part) taken() string {
	switch {
	case p.Pod.Exists && !p.Pod.Ours:
		return "the Pod " + p.Pod.Name
	case p.Volume.Exists && !p.Volume.Ours:
		return "the PersistentVolumeClaim " + p.Volume.Name
	default:
		return ""
	}
}

// dismantle takes the Pod first: a volume must not go while somebody writes to it. The Pod of a node that nobody hears of
// may be running on, and it does no harm any more: etcd does not listen to it, and nobody else uses its name or its volume.
func dismantle(p Part) Realization {
	switch {
	case p.Pod.mine() && p.Pod.NodeDown:
		return Realization{Step: ForceDeletePod, Message: "etcd has let the member go, and its node is down"}
	case p.Pod.Left, p.Pod.mine() && p.Pod.Going:
		return Realization{Message: "waiting for the Pod to stop"}
	case p.Pod.mine():
		return Realization{Step: DeletePod, Message: "etcd has let the member go"}
	case !p.Volume.Exists, !p.Volume.Ours, p.Volume.Going, p.Volume.Aside:
		return Realization{}
	case p.KeepAside:
		return Realization{Step: SetVolumeAside, Message: "etcd has let the member go, and its volume is kept for a while"}
	default:
		return Realization{Step: DeleteVolume, Message: "etcd has let the member go"}
	}
}

// park never stops a member in memory: that would be the end of its data.
func park(p Part) Realization {
	switch {
	case !p.Pod.Exists || p.Memory:
		return Realization{}
	case p.Pod.Going:
		return Realization{Message: "waiting for the Pod to stop"}
	default:
		return Realization{Step: DeletePod, Message: "the member is parked"}
	}
}

// tend looks after a Pod that is there.
func tend(p Part) Realization {
	switch {
	case p.Pod.Going:
		return Realization{Message: "waiting for the Pod to stop"}
	case p.volumeLost():
		return p.missing()
	case p.Pod.Ended:
		return tendEnded(p)
	case p.Pod.Held:
		return tendHeld(p)
	case p.Pod.Granted && !p.Pod.Charged:
		return tendEscaped(p)
	case p.Refetch:
		return Realization{Step: DeletePod, Message: "the snapshot could not be fetched, and what it is fetched with has changed"}
	case !p.Pod.Labelled:
		return Realization{Step: LabelPod, Message: "the Pod's labels differ, or its certificates have changed"}
	default:
		return restart(p)
	}
}

// restart decides about a Pod that has nothing else to be done about it. A member in memory would lose its data.
func restart(p Part) Realization {
	switch {
	case p.Memory:
		return Realization{}
	case p.Stale:
		return Realization{Step: DeletePod, Message: "the member is to be started with something else than its Pod was made with"}
	case p.Unproven && p.Recorded:
		return Realization{Step: DeletePod, Message: "another start, sooner than the kubelet would try it, shows whether the data can be used"}
	default:
		return Realization{}
	}
}

func tendEnded(p Part) Realization {
	if p.Memory && (p.GrantUsed || p.Recorded) && !p.NeverStarted {
		return memoryLost()
	}
	return Realization{Step: DeletePod, Message: "the Pod has ended and will not run again"}
}

// tendEscaped decides about a Pod with a grant that somebody else took the gate from.
func tendEscaped(p Part) Realization {
	if p.GrantUsed {
		return Realization{Step: DeletePod, Message: "the Pod holds a second grant to start empty"}
	}
	return Realization{Step: UseGrant, Message: "somebody else let the Pod start"}
}

// tendHeld decides about a Pod that has never been scheduled: deleting it costs nothing.
func tendHeld(p Part) Realization {
	switch {
	case p.Pod.Charged, !p.Pod.Granted:
		return Realization{Step: ReleasePod, Message: "the Pod may start"}
	case p.Pod.OnVolume && p.mayStartEmpty():
		return Realization{Step: UseGrant, Message: "the Pod is about to start on the empty volume"}
	default:
		return Realization{Step: DeletePod, Message: "the grant that the Pod holds is no longer good"}
	}
}

// provide makes what a member without a Pod lacks.
func provide(p Part) Realization {
	switch {
	case p.mayReopen():
		return Realization{Step: ReopenGrant, Message: "nobody can have counted on the first start"}
	case p.Memory && (p.GrantUsed || p.Recorded):
		return memoryLost()
	case p.volumeLost():
		return p.missing()
	case !p.Memory && !p.Volume.Exists:
		return Realization{Step: CreateVolume, Message: "the member needs a volume"}
	case p.awaited() != "":
		return Realization{Message: "waiting for " + p.awaited()}
	case p.Unsourced != "":
		return Realization{Failure: restoreFailed, Message: "the snapshot cannot be fetched without " + p.Unsourced}
	case p.mayStartEmpty():
		return Realization{Step: CreateGrantedPod, Message: "the member starts for the first time"}
	default:
		return Realization{Step: CreatePod, Message: "the member starts on its data"}
	}
}

// awaited is what the Pod is not made without, empty if that is there.
func (p Part) awaited() string {
	switch {
	case p.Volume.Going:
		return "the PersistentVolumeClaim " + p.Volume.Name + " to be deleted"
	case !p.Admitted:
		return "etcd to list the member"
	case p.Lacking != "":
		return "the certificates of the member: " + p.Lacking
	default:
		return ""
	}
}

// mayStartEmpty says whether the member's data may be absent. A volume that an earlier EtcdMember of this name had is never
// taken for empty.
func (p Part) mayStartEmpty() bool {
	return !p.GrantUsed && !p.Recorded && !p.Adopted && (p.Memory || p.Volume.Exists && p.Volume.Fresh)
}

// mayReopen says whether a used grant may be given again now that its Pod is gone. A founder counts from its first start, so
// there must not have been one. A learner's word counts for nothing until it is recorded; but its volume must be the same, for
// etcd does not take it back empty.
func (p Part) mayReopen() bool {
	unheard := !p.Founder && !p.Memory && p.Volume.Exists && p.Volume.Known && !p.Volume.Going && !p.Volume.useless()
	return p.GrantUsed && !p.Recorded && (p.NeverStarted || unheard)
}

func (p PartPod) mine() bool { return p.Exists && p.Ours }

// unlabelled volumes are put right, but for those that nobody touches any more.
func (v PartVolume) unlabelled() bool { return v.Exists && !v.Aside && !v.Labelled }

// useless says whether a volume that is there cannot be started on, be it for the first time.
func (v PartVolume) useless() bool { return v.Exists && (v.Aside || v.Lost) }

// replaced says whether the volume is not the one that the member has started on.
func (p Part) replaced() bool {
	return p.Volume.Exists && !p.Volume.Known && (p.GrantUsed || p.Recorded)
}

// volumeLost says whether the volume that holds the member's vote is gone, or as good as gone.
func (p Part) volumeLost() bool {
	gone := !p.Volume.Exists || p.Volume.Going && !p.Pod.Exists
	return !p.Memory && (p.Volume.useless() || p.replaced() || (p.GrantUsed || p.Recorded || p.Adopted) && gone)
}

func (p Part) missing() Realization {
	claim := "the PersistentVolumeClaim " + p.Volume.Name
	switch {
	case p.Volume.Aside:
		return Realization{Failure: VolumeMissing, Message: claim + " was set aside"}
	case p.replaced() && !p.Volume.Going:
		return Realization{Failure: VolumeMissing, Message: claim + " was replaced by another one"}
	case p.Volume.Lost:
		return Realization{Failure: VolumeLost, Message: "what was behind " + claim + " is gone"}
	case p.Volume.Going:
		return Realization{Failure: VolumeMissing, Message: claim + " is being deleted"}
	default:
		return Realization{Failure: VolumeMissing, Message: claim + " is gone"}
	}
}

func memoryLost() Realization {
	return Realization{Failure: MemoryLost, Message: "the Pod is gone, and with it the data that it kept in memory"}
}
