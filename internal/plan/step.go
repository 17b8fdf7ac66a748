package plan

import "time"

// Ref names a member: its EtcdMember and its ID in etcd. Steps carry Refs rather than Members, so that two steps are
// equal when they mean the same, whatever else was seen.
type Ref struct {
	Name string
	ID   uint64
}

// Step is one write to the world. A reconcile takes at most one. Steps are comparable.
//
//sumtype:decl
type Step interface{ step() }

type (
	// Nothing leaves the world as it is.
	Nothing struct{}
	// Apply creates or corrects an object that the cluster as a whole owns: a Service or the PodDisruptionBudget.
	Apply struct{ Object ObjectKind }
	// NameFounders records in status the names of the members that will form the cluster.
	NameFounders struct{ Count int }
	// CreateFounder creates the EtcdMember of a recorded founder.
	CreateFounder struct{ Name string }
	// RecordCluster records etcd's cluster ID in status, once and for all.
	RecordCluster struct{ ClusterID uint64 }
	// Record writes what ties a member to its volume, and whether it votes, into its status.
	Record struct {
		Member Ref
		Voter  bool
	}
	// CreateMember creates the EtcdMember of one more member.
	CreateMember struct{}
	// AddLearner makes etcd list a member as a learner.
	AddLearner struct{ Name string }
	// Admit freezes the initial cluster of a listed member, so that its Pod may start.
	Admit struct{ Member Ref }
	// Nudge writes an entry that changes nothing, so that a learner has one to apply.
	Nudge struct{ Member Ref }
	// Promote turns a caught-up learner into a voter.
	Promote struct{ Member Ref }
	// MoveLeader hands leadership from a member that is about to go to one that stays.
	MoveLeader struct{ From, To Ref }
	// Readdress lets etcd list a member under another peer URL, where the others connect to it from then on.
	Readdress struct {
		Member Ref
		URL    string
	}
	// RecordReplacement writes into status that a member will be replaced, before anything is done about it.
	RecordReplacement struct{ Name, Reason string }
	// MarkLeaving records the intent to remove a member, and whether its volume is to be kept aside.
	MarkLeaving struct {
		Name, Reason string
		Keep         bool
	}
	// Remove takes a member out of etcd's member list.
	Remove struct{ Member Ref }
	// ConfirmRemoval records that etcd no longer lists a leaving member, so that its Pod and volume may go.
	ConfirmRemoval struct{ Name string }
	// DeleteMember deletes the EtcdMember of a member whose Pod and volume are gone.
	DeleteMember struct{ Name string }
	// RemoveStranger takes a member that never started and has no EtcdMember out of etcd's list.
	RemoveStranger struct{ ID uint64 }
	// Adopt creates the EtcdMember of a volume again.
	Adopt struct{ Name string }
	// Recall writes into a member's status what its volume says: that it votes, and as whom.
	Recall struct{ Name string }
	// SetAside takes a volume that nobody needs out of use.
	SetAside struct{ Volume string }
	// DropVolume deletes a volume that has been aside long enough.
	DropVolume struct{ Volume string }
	// Disarm takes an alarm back whose cause is gone.
	Disarm struct{ Alarm Alarm }
	// Update writes into a member's EtcdMember what it is to have and a restart takes over, and the peer URL that the spec asks for
	// once etcd lists it there; its Pod is then made again, by hand if people are to decide when.
	Update struct {
		Name   string
		ByHand bool
	}
	// Adapt writes into a member's EtcdMember what it takes over as it runs.
	Adapt struct{ Name string }
	// RecordTemplate writes into status what all members have, to go back to.
	RecordTemplate struct{}
	// RecordFailure writes into status that a member did not come up with the template of the spec.
	RecordFailure struct{ Name, Reason string }
	// Rehearse makes the Pod in which etcd is tried out as the spec asks for.
	Rehearse struct{}
	// RecordRehearsal writes into status what that came to.
	RecordRehearsal struct {
		Result  Trial
		Message string
	}
	// EndRehearsal deletes that Pod.
	EndRehearsal struct{}
	// ExpandVolumeOf writes into a member's EtcdMember the size that the spec asks for; its volume is then expanded in place.
	ExpandVolumeOf struct{ Name string }
	// RetainVolume makes a volume stay when the cluster goes, or go with it.
	RetainVolume Ownership
	// TakeSnapshotNow creates an EtcdSnapshot before the minor changes.
	TakeSnapshotNow struct{}
	// RecordDowngrade writes into status how far a downgrade is; the zero Downgrade is none.
	RecordDowngrade struct{ Downgrade Downgrade }
	// EnableDowngrade makes the cluster ready for the etcd of the minor before.
	EnableDowngrade struct{ Target string }
	// CancelDowngrade ends that.
	CancelDowngrade struct{}
	// Park stops a member's Pod and keeps everything else.
	Park struct{ Name string }
	// Wake lets a parked member start again.
	Wake struct{ Name string }
)

func (Nothing) step()           {}
func (Apply) step()             {}
func (NameFounders) step()      {}
func (CreateFounder) step()     {}
func (RecordCluster) step()     {}
func (Record) step()            {}
func (CreateMember) step()      {}
func (AddLearner) step()        {}
func (Admit) step()             {}
func (Nudge) step()             {}
func (Promote) step()           {}
func (MoveLeader) step()        {}
func (Readdress) step()         {}
func (RecordReplacement) step() {}
func (MarkLeaving) step()       {}
func (Remove) step()            {}
func (ConfirmRemoval) step()    {}
func (DeleteMember) step()      {}
func (RemoveStranger) step()    {}
func (Adopt) step()             {}
func (Recall) step()            {}
func (SetAside) step()          {}
func (DropVolume) step()        {}
func (Disarm) step()            {}
func (Update) step()            {}
func (Adapt) step()             {}
func (RecordTemplate) step()    {}
func (RecordFailure) step()     {}
func (Rehearse) step()          {}
func (RecordRehearsal) step()   {}
func (EndRehearsal) step()      {}
func (ExpandVolumeOf) step()    {}
func (RetainVolume) step()      {}
func (TakeSnapshotNow) step()   {}
func (RecordDowngrade) step()   {}
func (EnableDowngrade) step()   {}
func (CancelDowngrade) step()   {}
func (Park) step()              {}
func (Wake) step()              {}

// Outlook says what has to happen before the spec is fulfilled.
type Outlook int

// Outlooks, from the best to the worst.
const (
	// Fulfilled: nothing; the cluster is as asked for.
	Fulfilled Outlook = iota
	// Working: the operator takes steps.
	Working
	// Waiting: something outside the operator has to happen first, and is expected to.
	Waiting
	// Stuck: only a human can go on.
	Stuck
)

// Decision is the step to take and why. Reason and Message become conditions and events as they are.
type Decision struct {
	Step    Step
	Rule    string // the rule that decided
	Outlook Outlook
	Reason  string  // one CamelCase word
	Message string  // for people: what is done, or what is waited for, with numbers; stable between passes
	Refusal Refusal // what forbids the step that the rule wants, if that is why it waits
	// Recheck is how long to wait before looking again even if nothing changes. Zero means at once.
	Recheck time.Duration
}

// Advances says whether the step brings the cluster nearer to what is wanted.
func (d Decision) Advances() bool {
	_, nudge := d.Step.(Nudge)
	return !nudge && d.Step != Step(Nothing{})
}

func (o Outlook) String() string {
	return [...]string{"fulfilled", "working", "waiting", "stuck"}[o]
}
