//go:build !unix

package ort

import "time"

// What a process used is not asked for on this system: see usage_unix.go.

func CPUTime() time.Duration { return 0 }
func PeakMemory() int64      { return 0 }
func Memory() int64          { return 0 }
func AnonymousMemory() int64 { return 0 }
func ForgetPeak() bool       { return false }
