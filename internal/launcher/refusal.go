package launcher

import (
	"encoding/json"
	"fmt"
)

// Reason is why a member must not start.
type Reason string

// The reasons, as the operator reads them.
const (
	ForeignData    Reason = "ForeignData"    // the data of another member, cluster or volume
	DataLost       Reason = "DataLost"       // the member's own data is not there, or not all of it
	DataUnreadable Reason = "DataUnreadable" // nobody can tell: the volume cannot be read or written
	RestoreFailed  Reason = "RestoreFailed"  // the data could not be made from the snapshot; nothing has been touched

	RehearsalFailed Reason = "RehearsalFailed" // etcd does not start with what it is given; no member is concerned
)

// ExitCode is what the container ends with.
func (r Reason) ExitCode() int {
	switch r {
	case ForeignData:
		return 41
	case DataLost:
		return 42
	case DataUnreadable:
		return 43
	case RestoreFailed:
		return 44
	case RehearsalFailed:
		return 45
	}
	return 1
}

// Refusal is the answer that a member must not start on its volume.
type Refusal struct {
	Reason  Reason `json:"reason"`
	Message string `json:"message"`
	Volume  string `json:"volume"` // UID of the volume that the member was given
}

func (r *Refusal) Error() string { return fmt.Sprintf("%s: %s", r.Reason, r.Message) }

// Line is r as one line of JSON, for the termination message.
func (r *Refusal) Line() []byte {
	line, err := json.Marshal(r)
	if err != nil { // three strings always encode
		panic(err)
	}
	return append(line, '\n')
}

func refuse(reason Reason, format string, args ...any) error {
	return &Refusal{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// unreadable turns an error of the file system into a refusal that keeps its text.
func unreadable(err error) error { return refuse(DataUnreadable, "%v", err) }
