//go:build unix

package ort

import (
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"
)

// CPUTime is how long this process has used processors, all its threads and the library's summed, its own code
// and the kernel's for it (getrusage).
func CPUTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// PeakMemory is the most memory that this process has had at once since it began, or since [ForgetPeak], in
// bytes; 0 where that can't be told.
func PeakMemory() int64 {
	if data, err := os.ReadFile("/proc/self/status"); err == nil {
		return statusKB(string(data), "VmHWM:")
	}
	var u syscall.Rusage
	if runtime.GOOS == "linux" || syscall.Getrusage(syscall.RUSAGE_SELF, &u) != nil {
		return 0
	}
	return int64(u.Maxrss) // bytes on Apple's systems
}

// Memory is how much memory this process has now, in bytes; 0 where that can't be told.
func Memory() int64 { return status("VmRSS:") }

// AnonymousMemory is what of Memory is no file's pages, such as the library's, which the system could read again.
func AnonymousMemory() int64 { return status("RssAnon:") }

func status(name string) int64 {
	data, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0
	}
	return statusKB(string(data), name)
}

// ForgetPeak lets PeakMemory begin anew from the present; false where the system doesn't know how (others than
// Linux, and Linux in some containers), so that PeakMemory still counts from the program's start.
func ForgetPeak() bool {
	return os.WriteFile("/proc/self/clear_refs", []byte("5"), 0) == nil
}

// statusKB is a line of /proc/self/status, which counts in units of 1024 bytes.
func statusKB(status, name string) int64 {
	for line := range strings.Lines(status) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, _ := strconv.ParseInt(strings.TrimSpace(strings.TrimSuffix(strings.TrimSpace(rest), "kB")), 10, 64)
			return kib << 10
		}
	}
	return 0
}
