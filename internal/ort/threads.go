package ort

import "runtime"

// Threads is n, or for 0 the number of cores that this process may use.
func Threads(n int) int {
	if n > 0 {
		return n
	}
	return runtime.NumCPU()
}
