package plan

import "fmt"

// Space is what the database may take, and what there is, in bytes. 0 means that it is not known.
type Space struct{ Quota, Volume int64 }

// roomForDatabase is how much of a volume the database may take, in percent: the log and snapshots take the rest.
const roomForDatabase = 80

// QuotaNearVolumeSize says whether a volume may be full before etcd's quota stops writes.
func QuotaNearVolumeSize(s Space) Verdict {
	if s.Quota == 0 || s.Volume == 0 || s.Quota <= s.Volume/100*roomForDatabase {
		return Verdict{}
	}
	return Verdict{true, "QuotaLeavesNoRoom", fmt.Sprintf("options.quotaBackendBytes is %d %% of the smallest volume (%d of %d bytes); "+
		"the write-ahead log and snapshots need room too, and etcd stops where a volume is full: make it at most %d %%, or the volume larger",
		s.Quota*100/s.Volume, s.Quota, s.Volume, roomForDatabase)}
}
