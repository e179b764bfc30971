//go:build cgo && windows

package ort

import (
	"syscall"
	"unsafe"

	"golang.org/x/sys/windows"
)

// probe is as in probe_unix.go.
func probe(path string) (version string, err error) {
	h, err := windows.LoadLibrary(path)
	if err != nil {
		return "", err
	}
	f, err := windows.GetProcAddress(h, "OrtGetApiBase")
	if err != nil {
		windows.FreeLibrary(h)
		return "", errNoAPI
	}
	base, _, _ := syscall.SyscallN(f)
	if base == 0 {
		windows.FreeLibrary(h)
		return "", errNoAPI
	}
	// OrtApiBase is {GetApi, GetVersionString}, two pointers to functions.
	table := *(**[2]uintptr)(unsafe.Pointer(&base))
	text, _, _ := syscall.SyscallN(table[1])
	return windows.BytePtrToString(*(**byte)(unsafe.Pointer(&text))), nil
}
