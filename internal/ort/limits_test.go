package ort

import (
	"testing"
	"testing/fstest"
)

func TestLimits(t *testing.T) {
	const gib = 1 << 30
	cases := []struct {
		name     string
		affinity int
		files    map[string]string
		slurm    string
		cores    int
		memory   int64
	}{
		{"a bare machine", 8, nil, "", 8, 0},
		{"memory of the machine", 8, map[string]string{"proc/meminfo": "MemTotal:  16777216 kB\nMemFree: 1 kB\n"}, "", 8, 16 * gib},
		{"slurm", 64, nil, "4", 4, 0},
		{"slurm grants more than the mask", 2, nil, "4", 2, 0},
		{"slurm says nonsense", 2, nil, "lots", 2, 0},
		{"version 2, limits at two levels", 16, map[string]string{
			"proc/meminfo":                             "MemTotal:  16777216 kB\n",
			"proc/self/cgroup":                         "0::/slurm/job_7/step_0\n",
			"sys/fs/cgroup/slurm/cpu.max":              "max 100000\n",
			"sys/fs/cgroup/slurm/job_7/cpu.max":        "600000 100000\n",
			"sys/fs/cgroup/slurm/job_7/step_0/cpu.max": "max 100000\n",
			"sys/fs/cgroup/slurm/memory.max":           "max\n",
			"sys/fs/cgroup/slurm/job_7/memory.max":     "8589934592\n",
		}, "", 6, 8 * gib},
		{"version 2, seen from inside a container", 16, map[string]string{
			"proc/self/cgroup":         "0::/\n",
			"sys/fs/cgroup/cpu.max":    "150000 100000\n",
			"sys/fs/cgroup/memory.max": "1073741824",
		}, "", 1, gib},
		{"version 2, less than a core", 16, map[string]string{
			"proc/self/cgroup":      "0::/../other\n",
			"sys/fs/cgroup/cpu.max": "50000 100000\n",
		}, "", 1, 0},
		{"version 1", 16, map[string]string{
			"proc/self/cgroup": "5:memory:/docker/abc\n4:cpu,cpuacct:/docker/abc\n1:name=systemd:/x\n",
			"sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_quota_us":  "300000\n",
			"sys/fs/cgroup/cpu,cpuacct/docker/abc/cpu.cfs_period_us": "100000\n",
			"sys/fs/cgroup/memory/docker/abc/memory.limit_in_bytes":  "2147483648\n",
			"sys/fs/cgroup/memory/memory.limit_in_bytes":             "9223372036854771712\n",
		}, "", 3, 2 * gib},
		{"version 1, seen from inside, no quota", 16, map[string]string{
			"proc/self/cgroup":                    "4:cpu,cpuacct:/docker/abc\n",
			"sys/fs/cgroup/cpu/cpu.cfs_quota_us":  "-1\n",
			"sys/fs/cgroup/cpu/cpu.cfs_period_us": "100000\n",
		}, "", 16, 0},
		{"garbage", 4, map[string]string{"proc/self/cgroup": "0\n::\nx:y", "proc/meminfo": "MemTotal:"}, "", 4, 0},
	}
	for _, c := range cases {
		root := fstest.MapFS{}
		for name, text := range c.files {
			root[name] = &fstest.MapFile{Data: []byte(text)}
		}
		m := machine{root, func(string) string { return c.slurm }}
		if got := m.cores(c.affinity); got != c.cores {
			t.Errorf("%s: %d cores, want %d", c.name, got, c.cores)
		}
		if got := m.memory(); got != c.memory {
			t.Errorf("%s: %d bytes, want %d", c.name, got, c.memory)
		}
	}
}

func TestThreadsHere(t *testing.T) {
	if Threads(3) != 3 || Threads(0) < 1 || Threads(-1) < 1 {
		t.Errorf("Threads(3), (0), (-1) = %d, %d, %d", Threads(3), Threads(0), Threads(-1))
	}
}
