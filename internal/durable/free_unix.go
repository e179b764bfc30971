//go:build unix

package durable

import (
	"io/fs"
	"sync"
	"syscall"
)

// umask is read once: the call that reads it also sets it.
var umask = sync.OnceValue(func() fs.FileMode {
	m := syscall.Umask(0o022)
	syscall.Umask(m)
	return fs.FileMode(m)
})

// Free is the number of bytes that this user may still write in the file system of dir.
func Free(dir string) (int64, error) {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return 0, Explain(err, dir)
	}
	return int64(s.Bavail) * int64(s.Bsize), nil
}
