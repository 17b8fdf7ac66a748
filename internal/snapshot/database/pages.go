package database

import (
	"os"

	"go.etcd.io/bbolt"
	"golang.org/x/sys/unix"
)

// pages are those of a file that is mapped into memory. Whoever has read it to its end would seem to need all of them.
type pages struct {
	address, size uintptr
	since         int // bytes read since they were given back
}

// giveBackAfter is how much of a file may count as the memory of this process.
const giveBackAfter = 8 << 20

func newPages(tx *bbolt.Tx) *pages {
	p := &pages{address: tx.DB().Info().Data, size: uintptr(tx.Size())}
	p.size -= p.size % uintptr(os.Getpagesize())
	p.advise(unix.MADV_NORMAL) // bbolt asks for single pages, as etcd reads; this reads all in about the order of the file
	return p
}

// passed gives the pages back now and then. They stay in the cache of the node, and come back if they are needed.
func (p *pages) passed(bytes int) {
	if p.since += bytes; p.since >= giveBackAfter {
		p.since = 0
		p.advise(unix.MADV_DONTNEED)
	}
}

func (p *pages) advise(what uintptr) {
	_, _, _ = unix.Syscall(unix.SYS_MADVISE, p.address, p.size, what) // no more than advice
}
