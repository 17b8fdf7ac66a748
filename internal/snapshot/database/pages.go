package database

import (
	"os"
	"unsafe"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// pages are those of a file that is mapped into memory. Whoever has read it to its end would seem to need all of them.
type pages struct {
	address, size uintptr
	last          uintptr // the last span that was read
	since         int     // bytes that were mapped since they were given back
}

const (
	// giveBackAfter is how much of a file may count as the memory of this process.
	giveBackAfter = 8 << 20
	// span is what Linux maps around a byte that is read, if it is in the cache of the node: small values that lie scattered cost that each.
	span = 64 << 10
)

func newPages(tx *bbolt.Tx) *pages {
	p := &pages{address: tx.DB().Info().Data, size: uintptr(tx.Size())}
	p.size -= p.size % uintptr(os.Getpagesize())
	p.advise(unix.MADV_NORMAL)     // bbolt asks for single pages, as etcd reads; this reads all in about the order of the file
	p.advise(unix.MADV_NOHUGEPAGE) // else it may be 2 MiB instead of a span
	return p
}

// passed gives the pages back now and then. They stay in the cache of the node, and come back if they are needed. A value lies behind its
// key.
func (p *pages) passed(key, value []byte) {
	first := uintptr(unsafe.Pointer(unsafe.SliceData(key))) / span //nolint:gosec // an address, to count with
	last := first + uintptr(len(key)+len(value))/span
	if first != p.last {
		p.since += span
	}
	p.since += int(last-first) * span
	p.last = last
	if p.since >= giveBackAfter {
		p.since = 0
		p.advise(unix.MADV_DONTNEED)
	}
}

func (p *pages) advise(what uintptr) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, p.address, p.size, what) // no more than advice
}
