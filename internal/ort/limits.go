package ort

import (
	"io/fs"
	"os"
	"path"
	"runtime"
	"strconv"
	"strings"
)

// Threads is n, or for 0 (or less) the number of cores that this process may use: the least of its CPU
// affinity, the CPU quota of its control groups (version 1 and 2, rounded down: a thread more would make
// all of them wait), and SLURM_CPUS_PER_TASK. It is never below 1.
func Threads(n int) int {
	if n > 0 {
		return n
	}
	// NumCPU counts the affinity mask as it was when the program started.
	return host().cores(runtime.NumCPU())
}

// MemoryLimit is how many bytes this process may use: the least of the machine's memory and the limits of
// its control groups. 0 where that can't be told (systems other than Linux).
func MemoryLimit() int64 { return host().memory() }

// MemoryBudget is how many bytes a run may have: n, or for 0 (or less) 70 % of MemoryLimit; what is left is for the
// kernel's cache of files, and for other programs. 0 where the limit can't be told.
func MemoryBudget(n int64) int64 { return host().budget(n) }

func (m machine) budget(n int64) int64 {
	if n > 0 {
		return n
	}
	return m.memory() / 10 * 7
}

// machine is what the kernel and the scheduler say; tests give their own.
type machine struct {
	root fs.FS
	env  func(string) string
}

func host() machine { return machine{os.DirFS("/"), os.Getenv} }

func (m machine) cores(affinity int) int {
	n := affinity
	if quota, ok := m.quota(); ok {
		n = min(n, quota)
	}
	if slurm, err := strconv.Atoi(m.env("SLURM_CPUS_PER_TASK")); err == nil && slurm > 0 {
		n = min(n, slurm)
	}
	return max(n, 1)
}

// quota is the whole number of cores that the control groups grant.
func (m machine) quota() (cores int, ok bool) {
	for _, dir := range m.groups("cpu") {
		quota, period := m.pair(path.Join(dir, "cpu.max")) // version 2: "200000 100000", "max 100000"
		if period == 0 {
			quota = m.number(path.Join(dir, "cpu.cfs_quota_us")) // version 1: -1 is no limit
			period = m.number(path.Join(dir, "cpu.cfs_period_us"))
		}
		if quota <= 0 || period <= 0 {
			continue
		}
		if n := int(quota / period); !ok || n < cores {
			cores, ok = n, true
		}
	}
	return cores, ok
}

func (m machine) memory() int64 {
	limit := m.memTotal()
	for _, dir := range m.groups("memory") {
		for _, name := range []string{"memory.max", "memory.limit_in_bytes"} {
			// Version 1 says "no limit" with a number near 2^63.
			if n := m.number(path.Join(dir, name)); n > 0 && (limit == 0 || n < limit) {
				limit = n
			}
		}
	}
	return limit
}

func (m machine) memTotal() int64 {
	data, _ := fs.ReadFile(m.root, "proc/meminfo")
	for line := range strings.Lines(string(data)) {
		if f := strings.Fields(line); len(f) == 3 && f[0] == "MemTotal:" {
			kib, _ := strconv.ParseInt(f[1], 10, 64)
			return kib << 10
		}
	}
	return 0
}

// groups are the folders of this process's control groups for a controller, each with all the folders
// above it, since every level's limit holds. Lines of proc/self/cgroup: "0::/user.slice" is version 2,
// "4:cpu,cpuacct:/docker/abc" version 1. Inside a container the mount often shows its own group as the
// root, so folders that aren't there are no fault.
func (m machine) groups(controller string) []string {
	data, _ := fs.ReadFile(m.root, "proc/self/cgroup")
	var dirs []string
	for line := range strings.Lines(string(data)) {
		id, rest, _ := strings.Cut(strings.TrimSpace(line), ":")
		names, group, ok := strings.Cut(rest, ":")
		if !ok {
			continue
		}
		group = path.Clean("/" + group)
		if id == "0" && names == "" {
			dirs = appendUp(dirs, "sys/fs/cgroup", group)
			dirs = appendUp(dirs, "sys/fs/cgroup/unified", group)
		} else if contains(names, controller) {
			dirs = appendUp(dirs, "sys/fs/cgroup/"+names, group)
			dirs = appendUp(dirs, "sys/fs/cgroup/"+controller, group)
		}
	}
	return dirs
}

func appendUp(dirs []string, mount, group string) []string {
	for ; group != "/"; group = path.Dir(group) {
		dirs = append(dirs, mount+group)
	}
	return append(dirs, mount)
}

func contains(list, name string) bool {
	for n := range strings.SplitSeq(list, ",") {
		if n == name {
			return true
		}
	}
	return false
}

// number is the number that a file holds; 0 where it is missing or says "max".
func (m machine) number(name string) int64 {
	n, _ := m.pair(name)
	return n
}

func (m machine) pair(name string) (a, b int64) {
	data, _ := fs.ReadFile(m.root, name)
	f := strings.Fields(string(data))
	if len(f) > 0 {
		a, _ = strconv.ParseInt(f[0], 10, 64)
	}
	if len(f) > 1 {
		b, _ = strconv.ParseInt(f[1], 10, 64)
	}
	return a, b
}
