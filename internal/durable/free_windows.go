package durable

import (
	"io/fs"

	"golang.org/x/sys/windows"
)

func umask() fs.FileMode { return 0 }

// Free is the number of bytes that this user may still write on the volume of dir.
func Free(dir string) (int64, error) {
	p, err := windows.UTF16PtrFromString(dir)
	if err != nil {
		return 0, Explain(err, dir)
	}
	var free uint64
	if err := windows.GetDiskFreeSpaceEx(p, &free, nil, nil); err != nil {
		return 0, Explain(err, dir)
	}
	return int64(free), nil
}
