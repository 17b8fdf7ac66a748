package launcher

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
)

// Grant is the permission that the operator gives to start on a volume without a marker.
type Grant string

const (
	// GrantNone: the member's own data must be there.
	GrantNone Grant = ""
	// GrantEmpty: the volume may be empty, once.
	GrantEmpty Grant = "empty"
	// GrantAdopted: there is data from before there were markers; it becomes this member's.
	GrantAdopted Grant = "adopted"
)

// Launcher is the start of one member.
type Launcher struct {
	Marker   Marker // what the operator says whose data this is
	Volume   Volume
	Grant    Grant
	StateDir string // lives as long as the Pod, whatever becomes of the volume
}

// Admit returns nil if etcd may start, and a *Refusal if not. What must be known at the next start is on the disk when it returns.
func (l Launcher) Admit() error {
	err := l.admit()
	if refusal := (*Refusal)(nil); errors.As(err, &refusal) {
		refusal.Volume = l.Marker.VolumeUID
	}
	return err
}

func (l Launcher) admit() error {
	found, err := l.Volume.inspect()
	if err != nil {
		return err
	}
	begun, err := l.begun()
	if err != nil {
		return err
	}
	switch {
	case !found.log:
		return l.admitWithoutLog(found, begun)
	case found.marker == nil && l.Grant != GrantAdopted:
		return refuse(ForeignData, "the volume holds data without a marker: nobody knows whose")
	case found.marker != nil && *found.marker != l.Marker:
		return refuse(ForeignData, "the volume holds the data of %s, not of %s", *found.marker, l.Marker)
	}
	if err := l.Volume.check(); err != nil {
		return err
	}
	if err := l.Volume.checkDatabase(); err != nil {
		return err
	}
	if err := l.vouch(found); err != nil {
		return err
	}
	return l.begin(begun)
}

// vouch makes the volume say whose data it holds, and nothing else: a restore that was interrupted after its last step has left a canary
// beside the log.
func (l Launcher) vouch(found findings) error {
	if found.virgin {
		if err := l.Volume.settle(); err != nil {
			return err
		}
	}
	if found.marker == nil {
		return l.Volume.mark(l.Marker)
	}
	return nil
}

// admitWithoutLog admits a first start, or one that was interrupted before etcd had created its log.
func (l Launcher) admitWithoutLog(found findings, begun bool) error {
	switch {
	case found.marker != nil && *found.marker != l.Marker:
		return refuse(DataLost, "the volume holds no data, and belongs to %s, not to %s", *found.marker, l.Marker)
	case found.marker != nil && found.virgin:
		if err := l.Volume.check(); err != nil {
			return err
		}
		return l.begin(begun)
	case found.marker != nil:
		return refuse(DataLost, "the write-ahead log is gone: the member has run on this volume before")
	case found.remains:
		return refuse(DataLost, "the write-ahead log and the marker are gone, other data is left")
	case begun:
		return refuse(DataLost, "the volume is empty: it was emptied after this Pod had started for the first time")
	case l.Grant != GrantEmpty:
		return refuse(DataLost, "the volume is empty, and the member has run before")
	}
	if err := l.Volume.prepare(l.Marker); err != nil {
		return err
	}
	return l.begin(begun)
}

func (l Launcher) statePath() string { return filepath.Join(l.StateDir, "begun.json") }

// begun says whether this Pod has been admitted before.
func (l Launcher) begun() (bool, error) {
	_, err := os.Stat(l.statePath())
	if errors.Is(err, fs.ErrNotExist) {
		return false, nil
	}
	if err != nil {
		return false, unreadable(err)
	}
	return true, nil
}

// begin records that this Pod has been admitted.
func (l Launcher) begin(begun bool) error {
	if begun {
		return nil
	}
	return writeDurably(l.statePath(), l.Marker)
}

// String names a marker's owner for people.
func (m Marker) String() string {
	return "member " + m.Member + " of " + m.ClusterToken + " on volume " + m.VolumeUID
}
