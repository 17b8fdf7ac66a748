package etcdfake

import (
	"crypto/sha1" //nolint:gosec // etcd's own choice; nothing is secured by it
	"encoding/binary"
	"fmt"
	"slices"
	"strings"
	"time"
)

// FounderID is the ID of a member that is there from the start: api/membership.computeMemberID without a time.
func FounderID(token string, peerURLs ...string) uint64 {
	return hashID(append(sorted(peerURLs), token)...)
}

// ClusterID is the ID of the cluster that founders with these IDs form: api/membership.(*RaftCluster).genID.
func ClusterID(founders ...uint64) uint64 {
	var b []byte
	for _, id := range sorted(founders) {
		b = binary.BigEndian.AppendUint64(b, id)
	}
	return hashID(string(b))
}

// addedID is the ID of a member that is added at a time: api/membership.computeMemberID. Adding one URL twice in one
// second gives one ID twice.
func addedID(peerURL string, at time.Time) uint64 {
	return hashID(peerURL, fmt.Sprint(at.Unix()))
}

func hashID(parts ...string) uint64 {
	sum := sha1.Sum([]byte(strings.Join(parts, ""))) //nolint:gosec // see the import
	return binary.BigEndian.Uint64(sum[:8])
}

func sorted[T string | uint64](values []T) []T {
	return slices.Sorted(slices.Values(values))
}
