//go:build unix

package npy

import (
	"errors"
	"os"
	"syscall"
)

// mapPages maps a file read-only. The file must not be cut short by someone else while it is mapped: the
// system then stops the process, which is why outputs of ours are only ever replaced whole.
func mapPages(f *os.File, size int64) ([]byte, func() error, error) {
	if size == 0 || int64(int(size)) != size {
		return nil, nil, errors.New("npy: size can't be mapped")
	}
	b, err := syscall.Mmap(int(f.Fd()), 0, int(size), syscall.PROT_READ, syscall.MAP_SHARED)
	if err != nil {
		return nil, nil, err
	}
	return b, func() error { return syscall.Munmap(b) }, nil
}
