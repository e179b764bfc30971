package tasks

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/durable/durabletest"
	"cortexmap/internal/fault"
)

// put writes a file of a test.
func put(t *testing.T, path string, data []byte) {
	t.Helper()
	if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o777), os.WriteFile(path, data, 0o666)); err != nil {
		t.Fatal(err)
	}
}

// TestDamagedRecord: a folder of the one name whose record is not what was written is not taken for done, and made again;
// the fault names the file and what to do.
func TestDamagedRecord(t *testing.T) {
	for name, damage := range map[string]func(whole []byte) []byte{
		"empty":           func([]byte) []byte { return nil },
		"cut":             func(b []byte) []byte { return b[:len(b)-3] },
		"zeros":           func(b []byte) []byte { return make([]byte, len(b)) },
		"null":            func([]byte) []byte { return []byte("null") },
		"another format":  func(b []byte) []byte { return bytes.Replace(b, []byte(`"format": 1`), []byte(`"format": 2`), 1) },
		"no format":       func(b []byte) []byte { return bytes.Replace(b, []byte(`"format": 1,`), nil, 1) },
		"a number as key": func(b []byte) []byte { return bytes.Replace(b, []byte(`"key": "`), []byte(`"key": 1, "was": "`), 1) },
		"NaN seconds": func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"seconds": `), []byte(`"seconds": NaN, "x": `), 1)
		},
		"endless seconds": func(b []byte) []byte {
			return bytes.Replace(b, []byte(`"seconds": `), []byte(`"seconds": 1e999, "x": `), 1)
		},
		"endless parts": func([]byte) []byte {
			return append([]byte(`{"format": 1, "parts": [`), bytes.Repeat([]byte("{},"), mostParts)...)
		},
	} {
		t.Run(name, func(t *testing.T) {
			b := newBench(t, t.TempDir())
			one := b.add("one", nil)
			all := b.add("all", nil, one)
			all.Folder, all.Fixed = "all", true
			if err := b.eval(false); err != nil {
				t.Fatal(err)
			}
			path := filepath.Join(b.g.Root, "all", RecordName)
			whole, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			bad := damage(bytes.Clone(whole))
			if bytes.Equal(bad, whole) {
				t.Fatal("nothing is damaged")
			}
			put(t, path, bad)
			_, err = ReadRecord(filepath.Dir(path))
			durabletest.Told(t, err, path)
			if err := b.g.Look(); err != nil || all.State != Missing || one.State != Kept {
				t.Errorf("it is %v, the other %v; %v", all.State, one.State, err)
			}
			if err := b.eval(false); err != nil || b.runs.Load() != 3 {
				t.Errorf("%d runs, %v", b.runs.Load(), err)
			}
			if r, err := ReadRecord(filepath.Dir(path)); err != nil || r.Key != all.Key {
				t.Errorf("%+v, %v", r, err)
			}
		})
	}
}

// mostParts are more values than any file of ours has.
const mostParts = 3 << 20

// TestDamagedNotes: a submission or a failure that can't be read is told, by its name; a claim that can't be read is
// kept as long as its heartbeat moves, and no longer.
func TestDamagedNotes(t *testing.T) {
	root, k := t.TempDir(), key("one")
	g := NewGraph(root)
	one := g.Add(&Task{Kind: "test", Name: "one", Key: k, Folder: "things/one-" + k})

	failure := filepath.Join(root, failedDir, k+".json")
	put(t, failure, []byte(`{"key": "`))
	if f, ok := ReadFailure(root, k); !ok || !strings.Contains(f.Error, failure) {
		t.Errorf("a failure of %+v, %v", f, ok)
	}
	if err := g.Look(); err != nil || one.State != Failed {
		t.Errorf("%v, %v", one.State, err)
	}

	for _, text := range []string{"", `{"id": "7"`, `{"kind": "test"}`, `{"id": 7}`} {
		job := filepath.Join(root, SlurmFolder, "x", "test-0.json")
		put(t, job, []byte(text))
		_, err := g.Jobs()
		if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), job) || !strings.Contains(err.Error(), "scancel") {
			t.Errorf("a submission of %q: %v", text, err)
		}
	}

	put(t, filepath.Join(root, claimsDir, k, ownerName), nil)
	mine := newClaims(root)
	if o, gone := mine.look(k); gone || !strings.Contains(o.String(), "can't be read") {
		t.Errorf("%v is gone at first sight: %v", o, gone)
	}
	s := mine.seen[k]
	s.since = s.since.Add(-2 * standstill)
	mine.seen[k] = s
	if _, gone := mine.look(k); !gone {
		t.Error("a claim that can't be read is kept for ever")
	}
	for range 2 { // the first evicts it
		if c, _, err := mine.take(k); err != nil {
			t.Fatal(err)
		} else if c != nil {
			c.release()
			return
		}
	}
	t.Error("the task can't be claimed")
}
