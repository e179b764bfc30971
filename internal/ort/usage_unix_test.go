//go:build unix

package ort

import "testing"

func TestStatusKB(t *testing.T) {
	const status = "Name:\tcortexmap\nVmHWM:\t  2048 kB\nVmRSS:\t    10 kB\nRssAnon:\t       3 kB\nThreads:\t4\n"
	for name, want := range map[string]int64{"VmHWM:": 2 << 20, "VmRSS:": 10 << 10, "RssAnon:": 3 << 10, "VmSwap:": 0} {
		if got := statusKB(status, name); got != want {
			t.Errorf("%s is %d bytes, want %d", name, got, want)
		}
	}
}
