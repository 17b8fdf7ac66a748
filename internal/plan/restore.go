package plan

import "fmt"

// Reasons of a restore, as in package v1alpha2.
const (
	restoring     = "Restoring"
	restoreFailed = "RestoreFailed"
	tooNew        = "SnapshotTooNew"
)

// Source is the EtcdSnapshot that a cluster is to start from.
type Source struct {
	Name        string
	Found       bool
	Failed      bool
	Leaving     bool   // it is being deleted
	Complete    bool   // and says what it holds
	Said        string // by itself, about its state
	EtcdVersion string // it was taken from; empty if nobody knows
	Refuted     bool   // a drill has found other data in it
	Finding     string // of that drill
}

// Usable says whether a cluster of this version of etcd can start from a snapshot. What is not known of it is left to the agent, which
// reads the snapshot itself.
func (s Source) Usable(etcdVersion string) Restore {
	obstacle := func(reason, format string, args ...any) Restore {
		return Restore{Wanted: true, Reason: reason, Obstacle: fmt.Sprintf(format, args...)}
	}
	said := s.Said
	if said != "" {
		said = ": " + said
	}
	switch {
	case !s.Found:
		return obstacle(restoring, "waiting for EtcdSnapshot %s, which spec.bootstrap.restore.snapshotRef names and which is not there", s.Name)
	case s.Failed:
		return obstacle(restoreFailed, "EtcdSnapshot %s has failed, and holds nothing to start from%s", s.Name, said)
	case s.Leaving:
		return obstacle(restoring, "EtcdSnapshot %s is being deleted: waiting for another one of that name", s.Name)
	case !s.Complete:
		return obstacle(restoring, "waiting for EtcdSnapshot %s to be complete%s", s.Name, said)
	case newerMinor(s.EtcdVersion, etcdVersion):
		return obstacle(tooNew, "EtcdSnapshot %s was taken from etcd %s, which %s cannot read: create the cluster with spec.version %s or newer",
			s.Name, s.EtcdVersion, etcdVersion, s.EtcdVersion)
	case s.Refuted:
		return obstacle(restoreFailed, "EtcdSnapshot %s was tried, and does not hold what was saved: %s; to start from it all the same, name "+
			"its place in spec.bootstrap.restore.source", s.Name, s.Finding)
	}
	return Restore{Wanted: true}
}

// newerMinor says whether etcd of version than cannot read what version written has written.
func newerMinor(written, than string) bool {
	a, known := ParseVersion(written)
	b, also := ParseVersion(than)
	return known && also && b.LessMinor(a)
}

// restore comes before anything is made: a snapshot that cannot be used leaves nothing behind.
func restore(c Cluster) (Decision, bool) {
	paused := c.Want == 0 && len(c.Founders) == 0
	switch {
	case c.formed(), !c.Restore.Wanted, c.Restore.Obstacle == "", len(c.Members) > 0, paused:
		return silent()
	case c.Restore.Reason == restoring:
		return wait(restoring, c.Restore.Obstacle, patient)
	}
	return stuck(c.Restore.Reason, c.Restore.Obstacle)
}

// awaitRestore waits for the one member that starts from the snapshot. It is never started over: what became of its data is not known
// to anybody but its volume.
func awaitRestore(c Cluster) (Decision, bool) {
	message := fmt.Sprintf("waiting for %s to start from the snapshot%s", names(c.Members), troubles(c.Members))
	is := func(reason string) bool { return c.count(func(m Member) bool { return m.Loss == reason }) > 0 }
	switch {
	case c.Barred():
		return wait("AuthRequiredNotConfigured", snapshotBars, patient)
	case is(tooNew):
		return stuck(tooNew, message)
	case c.count(func(m Member) bool { return m.Hopeless }) > 0:
		return stuck(restoreFailed, message+"; the snapshot is as it was: delete this EtcdCluster, and create it again")
	case is(restoreFailed):
		return wait(restoreFailed, message, patient)
	case c.overdue():
		return wait("BootstrapFailed", message, retry)
	}
	return wait(restoring, message, soon)
}

const snapshotBars = "authentication is on in the snapshot, and etcd does not let the operator in: the Secret that " +
	"spec.auth.rootCredentialsSecretRef names has to hold the password that root had when the snapshot was taken, and spec.tls.client " +
	"has to be set; the condition AuthReady says more"
