package snapshot

import "github.com/cozystack/etcd-operator/internal/snapshot/task"

// advice is what people can do about a reason. All of these are tried again by themselves but for ForeignObject.
var advice = map[task.Reason]string{
	task.NoHealthyMember:   "see in the status of the EtcdCluster what its members lack",
	task.StreamBroken:      "see whether the member restarted, and whether its database is damaged",
	task.EtcdAccessDenied:  "correct the Secret with the password of root, or wait for the certificate of the operator",
	task.StoreUnreachable:  "check the endpoint, caSecretRef and forcePathStyle, and whether network policies let Pods of this namespace out",
	task.StoreAccessDenied: "correct the Secret that credentialsSecretRef names, or what its owner may do",
	task.StoreMissing:      "create the bucket, or name another one",
	task.StoreFull:         "make room in the store, or keep fewer snapshots",
	task.StoreFailed:       "see the log of the store",
	task.ForeignObject:     "move it away, or choose another name or prefix",
	task.ReadBackDiffers:   "the store, or the way to it, changes data",
	task.SnapshotMissing:   "see who deletes from the store",
	task.SnapshotDamaged:   "do not rely on this snapshot: take another one",
	task.SnapshotTooNew:    "use an etcd of its minor or a newer one",
	task.ScratchFull:       "the node needs room for a copy of the database",
	task.DrillFailed:       "do not rely on this snapshot: take another one",
}

// most is how much of an error is told, so that the advice has room.
const most = 800

// told is an error for people. Whoever fetches is a member, and its controller has advice of its own.
func told(kind task.Kind, reason task.Reason, err error) string {
	text := err.Error()
	if len(text) > most {
		text = text[:most] + "..."
	}
	if what, known := advice[reason]; known && kind != task.Fetch {
		text += "; " + what
	}
	return text
}
