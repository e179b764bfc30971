// Package neuroiotest is the battery that every reader of a brain data format must pass: files cut at
// every byte, counts made hostile, single bytes changed. A reader may refuse such a file, with a fault; it
// may never panic, and never take memory that the file's own size doesn't justify.
package neuroiotest

import (
	"bytes"
	"errors"
	"runtime"
	"testing"

	"cortexmap/internal/fault"
)

// Format is one reader and a true file of its format.
type Format struct {
	Name string
	File []byte                  // a small true file
	Need int                     // bytes that must be there for the file to be whole; 0: all of them
	Step int                     // damage every so many bytes, to save time with a file of kB; 0: every one
	Read func(file []byte) error // the reader under test
	Most uint64                  // bytes of memory that refusing a damaged file may take; 0: allowance
}

// allowance is the memory, in bytes, that refusing a damaged file of a few hundred bytes may take: read
// buffers and a decompressor's window, far below the gigabytes that a hostile count asks for.
const allowance = 16 << 20

// Battery runs all checks as sub-tests.
func Battery(t *testing.T, f Format) {
	t.Run(f.Name, func(t *testing.T) {
		if err := f.Read(f.File); err != nil {
			t.Fatalf("the true file is refused: %v", err)
		}
		t.Run("cut at every byte", func(t *testing.T) { cut(t, f) })
		t.Run("hostile counts", func(t *testing.T) { hostile(t, f) })
		t.Run("one byte changed", func(t *testing.T) { changed(t, f) })
	})
}

func cut(t *testing.T, f Format) {
	need := f.Need
	if need == 0 {
		need = len(f.File)
	}
	for n := range f.File {
		err := f.Read(bytes.Clone(f.File[:n]))
		if n < need && err == nil {
			t.Errorf("cut to %d of %d bytes it was read without an error", n, len(f.File))
		}
		mustBeFault(t, err)
	}
}

// hostile writes extreme 32-bit numbers, in both byte orders, over every place of the file.
func hostile(t *testing.T, f Format) {
	words := [][]byte{{0x7f, 0xff, 0xff, 0xff}, {0xff, 0xff, 0xff, 0x7f}, {0xff, 0xff, 0xff, 0xff}, {0x80, 0, 0, 0}, {0, 0, 0, 0}}
	for at := 0; at+4 <= len(f.File); at += max(1, f.Step) {
		for _, w := range words {
			b := bytes.Clone(f.File)
			copy(b[at:], w)
			check(t, f, b)
		}
	}
}

func changed(t *testing.T, f Format) {
	for at := 0; at < len(f.File); at += max(1, f.Step) {
		for _, x := range []byte{1, 0x80, 0xff} {
			b := bytes.Clone(f.File)
			b[at] ^= x
			check(t, f, b)
		}
	}
}

// check reads a damaged file, which may well succeed, and looks at what it cost.
func check(t *testing.T, f Format, b []byte) {
	t.Helper()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := f.Read(b)
	runtime.ReadMemStats(&after)
	if took := after.TotalAlloc - before.TotalAlloc; took > max(f.Most, allowance) {
		t.Errorf("reading %d damaged bytes took %d bytes of memory", len(b), took)
	}
	mustBeFault(t, err)
}

func mustBeFault(t *testing.T, err error) {
	t.Helper()
	var e *fault.Error
	if err != nil && !errors.As(err, &e) {
		t.Errorf("an error that is no fault: %v", err)
	}
}
