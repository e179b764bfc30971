package durable

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
)

// Machine tells this machine, since its last start, from others; and containers of one machine from each other, whose
// processes have numbers of their own.
func Machine() string {
	host, _ := os.Hostname() // "" is a name like any other
	boot, _ := os.ReadFile("/proc/sys/kernel/random/boot_id")
	space, _ := os.Readlink("/proc/self/ns/pid")
	return host + " " + string(bytes.TrimSpace(boot)) + " " + space
}

// Alive says whether a process of this machine is there.
func Alive(pid int) bool {
	p, err := os.FindProcess(pid)
	if err != nil {
		return false
	}
	err = p.Signal(syscall.Signal(0))
	return err == nil || errors.Is(err, fs.ErrPermission) // somebody else's
}

// temporary is the pattern of a file's temporary names: .NAME.tmpMACHINE-PID-*, so that Tidy knows whose they are.
func temporary(name string) string { return fmt.Sprintf(".%s.tmp%s-%d-*", name, here(), os.Getpid()) }

// here is Machine in eight letters.
func here() string {
	sum := sha256.Sum256([]byte(Machine()))
	return hex.EncodeToString(sum[:4])
}

// Tidy removes the temporary files that lie in dir itself and belong to processes of this machine that are gone:
// killed, they could not do it. What can't be read or removed stays.
func Tidy(dir string) {
	entries, _ := os.ReadDir(dir)
	for _, e := range entries {
		_, id, ok := strings.Cut(e.Name(), ".tmp"+here()+"-")
		if !ok || !strings.HasPrefix(e.Name(), ".") {
			continue
		}
		number, _, _ := strings.Cut(id, "-")
		if pid, err := strconv.Atoi(number); err == nil && !Alive(pid) {
			os.Remove(filepath.Join(dir, e.Name()))
		}
	}
}
