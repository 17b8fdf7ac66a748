package plan

import "fmt"

// Reasons of a restore, as in package v1alpha2.
const (
	restoring     = "Restoring"
	restoreFailed = "RestoreFailed"
	tooNew        = "SnapshotTooNew"
)

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
