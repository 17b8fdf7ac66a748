package machine

import (
	"slices"
	"testing"
)

func TestMountsOfVolumesAreFoundByTheirFolderAndTheirSource(t *testing.T) {
	const info = `24 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda rw
90 24 254:0 /a/volumes /a\040b/volumes rw,relatime shared:7 - ext4 /dev/vda rw
91 90 0:55 / /a\040b/volumes/x rw,relatime shared:8 - tmpfs etcd-operator-testbed rw,size=64k
92 24 0:56 / /other rw,relatime - tmpfs etcd-operator-testbed rw
93 24 0:57 / /a\040b/volumes2 rw,relatime - tmpfs tmpfs rw
`
	if got := findMounts(info, "/a b/volumes"); !slices.Equal(got, []string{"/a b/volumes", "/a b/volumes/x", "/other"}) {
		t.Errorf("found %q", got)
	}
}
