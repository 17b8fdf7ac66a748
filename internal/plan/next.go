package plan

import (
	"fmt"
	"time"
)

// How long to wait before looking again, even if no watch fires.
const (
	now     = time.Duration(0)
	soon    = 200 * time.Millisecond // etcd is about to do something
	retry   = time.Second            // etcd, or somebody else, has to change its mind
	patient = 5 * time.Second        // somebody has to repair something
	rest    = 30 * time.Second       // nothing is expected
)

// AuthAgain is how long to wait before looking at users and roles again where somebody has to repair something.
const AuthAgain = patient

// Settle is how long to wait for the cache to show a write, or for somebody else's write to be over.
const Settle = 10 * time.Millisecond

type rule struct {
	name   string
	doc    string
	decide func(Cluster) (Decision, bool)
}

// rules are tried in order and the first that answers decides: the order is the policy. What was begun is finished before
// anything new begins; pausing outranks every change of the membership; nothing touches the membership unseen.
var rules = []rule{
	{"disabled", "The annotation switches the operator off for this cluster.", disabled},
	{"names-taken", "An object of a needed name that belongs to somebody else is never taken over.", namesTaken},
	{"namesake", "Nothing is founded while objects of an earlier cluster of the same name are still there.", namesake},
	{"restore", "Nothing is made of a cluster that starts from a snapshot before it is known where that is.", restore},
	{"objects", "Services and PodDisruptionBudget are as wanted; the client Service opens once a majority is recorded.", objects},
	{"found", "The founders' names are recorded before the first of them is created; volumes or members without a record stop that.", found},
	{"secure", "No member is created or changed before it is known whom it is to trust.", secure},
	{"form", "All founders are created at once; the cluster ID that they agree on is recorded once.", form},
	{"adopt", "A volume that holds a vote and has no EtcdMember gets it back; one that nobody needs is set aside.", adopt},
	{"recall", "A member that was adopted is recorded as what its volume says.", recall},
	{"record", "A member's ID and volume are recorded as soon as it answers, before it may be promoted.", record},
	{"finish-departure", "What etcd has let go loses its Pod, then its volume, then its EtcdMember.", finishDeparture},
	{"go-back", "What a member does not come up with is recorded as failed, and taken back from all until the spec changes.", goBack},
	{"retain-volumes", "Volumes stay or go with the cluster as the retention policy says.", retainVolumes},
	{"expand", "A volume that is smaller than asked for is expanded where its class allows it, also under a member that is not well.", expand},
	{"rehearse", "What etcd may refuse is tried out on nothing first, beside whatever else is done.", rehearse},
	{"refit", "A member that does not serve is given what it is to have at once, unless it may come back with what it has.", refit},
	{"pause", "replicas 0 parks every member as it is; the leader is told to stop last.", pause},
	{"resume", "Parked members are woken all at once, before anything else is changed.", resume},
	{"barred", "Members that ask who calls, and do not let the operator in, are left as they are.", barred},
	{"no-member-list", "Without a linearizable member list no membership step is taken.", noMemberList},
	{"readdress", "A voter that is listed under a peer URL that nobody asked for is listed where it listens.", readdress},
	{"stranger", "A listed member that is ours and of which nothing is left is removed; one that is not ours stops everything.", stranger},
	{"expelled", "A member that somebody else removed from etcd is cleaned up.", expelled},
	{"cancel-downgrade", "A downgrade ends before anybody is replaced or added, or when the spec asks for something else.", cancelDowngrade},
	{"remove-leaving", "A leaving member hands over leadership and is removed from etcd.", removeLeaving},
	{"replace-lost", "A member that is lost by evidence is put on record, then marked as leaving: one by one, within a budget.", replaceLost},
	{"disarm", "A CORRUPT alarm is taken back when its member is gone and the data of all others are the same.", disarm},
	{"shrink", "With more members than wanted, the one that is missed least is marked as leaving.", shrink},
	{"join", "A new member is listed as a learner, admitted, started, caught up and promoted.", join},
	{"await-removal", "Nothing new begins while a removal is refused, except that the last voter is given a successor.", awaitRemoval},
	{"grow", "With fewer members than wanted, one more is created.", grow},
	{"await-replacement", "A lost member that must not be replaced yet is said, and why.", awaitReplacement},
	{"await-departure", "Pods and volumes of removed members have to go.", awaitDeparture},
	{"await-restart", "A member that is told to restart is waited for, however well its old Pod is.", awaitRestart},
	{"await-trial", "A member that does not come up while nothing leads back is left to people.", awaitTrial},
	{"await-health", "Every member has to be healthy and ready.", awaitHealth},
	{"corrupt", "A CORRUPT alarm whose cause is not known needs a human.", corrupt},
	{"confirm-version", "After a change of the minor etcd has to have agreed on it, on every member.", confirmVersion},
	{"downgrade", "A downgrade is enabled, the data are made ready, and it is over when every member went down.", downgrade},
	{"record-template", "What all members have, while all are well, is recorded to go back to.", recordTemplate},
	{"adapt", "What needs no restart is given to members as they run.", adapt},
	{"await-expansion", "Nobody is restarted in the first minute in which a volume grows.", awaitExpansion},
	{"await-verdict", "Nobody is restarted while it is about to be known whether etcd takes what the spec asks for.", awaitVerdict},
	{"roll", "What a restart takes over is given to one member at a time, to the leader last, while all are healthy.", roll},
	{"renew", "What only a new member can have comes with one: it joins, then one that lacks it goes, the leader last.", renew},
	{"preflight", "Before a change of the minor everything is in order, and a snapshot is taken where it is known where to.", preflight},
	{"expire-volumes", "Volumes that were set aside are deleted after their time, once the cluster is whole.", expireVolumes},
	{"refused-version", "A version that cannot be had is said, with the next one that can.", refusedVersion},
	{"await-rehearsal", "What etcd would refuse is said, and given to no member.", awaitRehearsal},
	{"await-volumes", "Volumes have to be as large as asked for; what keeps them from it is said.", awaitVolumes},
	{"await-deletion", "With the strategy OnDelete, Pods that people are to delete are named.", awaitDeletion},
	{"rollout-failed", "A template that failed is said, and not tried again before the spec changes.", rolloutFailed},
	{"await-auth", "Authentication, users and roles have to be as declared.", awaitAuth},
}

// Next decides.
func Next(c Cluster) Decision {
	for _, r := range rules {
		if d, ok := r.decide(c); ok {
			d.Rule = r.name
			return d
		}
	}
	return Decision{Step: Nothing{}, Rule: "steady", Outlook: Fulfilled, Reason: "AsDesired",
		Message: asDesired(c), Recheck: rest}
}

// step takes a step and looks again at once.
func step(s Step, reason, message string) (Decision, bool) {
	return Decision{Step: s, Outlook: Working, Reason: reason, Message: message, Recheck: now}, true
}

// ask takes a step that etcd may refuse for a while.
func ask(s Step, reason, message string) (Decision, bool) {
	return Decision{Step: s, Outlook: Working, Reason: reason, Message: message, Recheck: soon}, true
}

func wait(reason, message string, recheck time.Duration) (Decision, bool) {
	return Decision{Step: Nothing{}, Outlook: Waiting, Reason: reason, Message: message, Recheck: recheck}, true
}

// hold waits because no forbids a step.
func hold(reason, message string, no Refusal, recheck time.Duration) (Decision, bool) {
	d, ok := wait(reason, message, recheck)
	d.Refusal = no
	return d, ok
}

func stuck(reason, message string) (Decision, bool) {
	return Decision{Step: Nothing{}, Outlook: Stuck, Reason: reason, Message: message, Recheck: patient}, true
}

func silent() (Decision, bool) { return Decision{}, false }

// Refused turns a step that etcd would not take into waiting for etcd.
func Refused(d Decision, why string) Decision {
	return Decision{Step: Nothing{}, Rule: d.Rule, Outlook: Waiting, Reason: d.Reason, Recheck: soon,
		Message: fmt.Sprintf("%s: etcd does not take it yet: %s", d.Message, why), Refusal: Refusal{"AcceptedByEtcd", why}}
}

// Grave says whether people should hear of d although it may pass by itself.
func (d Decision) Grave() bool {
	switch d.Reason {
	case "QuorumLost", "ClusterUnreachable", "BootstrapFailed", "ReplacementRefused", "ReplacementBudgetSpent", "MemberFailing",
		"AuthRequiredNotConfigured", restoreFailed:
		return true
	}
	return false
}
