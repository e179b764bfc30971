//go:build race

package extract

// racing says that the race detector is at work, which keeps memory of its own beside ours.
const racing = true
