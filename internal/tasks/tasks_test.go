package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// key is a valid key of a few letters.
func key(word string) string { return fmt.Sprintf("%x", word+"------")[:keyDigits] }

// bench is a graph on a table: a task writes its name into a file.
type bench struct {
	*testing.T
	g    *Graph
	runs atomic.Int32
	mu   sync.Mutex
	ran  []string
}

func newBench(t *testing.T, root string) *bench { return &bench{T: t, g: NewGraph(root)} }

func (b *bench) add(word string, do func(ctx context.Context, w *Work) error, needs ...*Task) *Task {
	return b.g.Add(&Task{Kind: "test", Name: word, Key: key(word), Folder: "things/" + word + "-" + key(word), Needs: needs,
		Run: func(ctx context.Context, w *Work) error {
			b.runs.Add(1)
			b.mu.Lock()
			b.ran = append(b.ran, word)
			b.mu.Unlock()
			if do != nil {
				if err := do(ctx, w); err != nil {
					return err
				}
			}
			return durable.WriteFile(filepath.Join(w.Dir, "text"), []byte(word))
		}})
}

func (b *bench) local(keepGoing bool) *Local {
	quiet := slog.New(slog.DiscardHandler)
	return &Local{Options: Options{KeepGoing: keepGoing, Version: "test", Log: quiet,
		TaskLog: func(_ *Task, w io.Writer) *slog.Logger { return slog.New(slog.NewJSONHandler(w, nil)) }}, Cores: 4}
}

func (b *bench) eval(keepGoing bool) error {
	return Eval(b.Context(), b.g, b.local(keepGoing), keepGoing)
}

func (b *bench) states() string {
	var words []string
	for _, t := range b.g.Tasks {
		words = append(words, t.Name+" "+t.State.String())
	}
	return strings.Join(words, ", ")
}

func (b *bench) want(states string) {
	b.Helper()
	if got := b.states(); got != states {
		b.Errorf("%s, want %s", got, states)
	}
}

// TestEval: what is missing is made in order, once, with a record and a log, and nothing else is left.
func TestEval(t *testing.T) {
	root := t.TempDir()
	make := func() *bench {
		b := newBench(t, root)
		one := b.add("one", nil)
		two := b.add("two", func(_ context.Context, w *Work) error { w.Log.Info("hello"); return nil }, one)
		last := b.add("all", nil, one, two)
		last.Folder, last.Fixed = "all", true
		return b
	}
	b := make()
	if err := b.eval(false); err != nil {
		t.Fatal(err)
	}
	b.want("one done, two done, all done")
	two := filepath.Join(root, "things", "two-"+key("two"))
	r, err := ReadRecord(two)
	if err != nil || r.Key != key("two") || r.Files["text"].Bytes != 3 || len(r.Files) != 1 {
		t.Errorf("%+v, %v", r, err)
	}
	if log, err := os.ReadFile(filepath.Join(two, LogName)); err != nil || !strings.Contains(string(log), "hello") {
		t.Errorf("log %q, %v", log, err)
	}
	if entries, _ := os.ReadDir(root); len(entries) != 2 {
		t.Errorf("%v lie in the folder", entries)
	}
	b = make()
	if err := b.eval(false); err != nil || b.runs.Load() > 0 {
		t.Errorf("again: %v, %d runs", err, b.runs.Load())
	}
	b.want("one kept, two kept, all kept")

	// A folder is found by its key, whatever it was called; results of another key take the old ones' place.
	if err := os.Rename(two, filepath.Join(root, "things", "old-"+key("two"))); err != nil {
		t.Fatal(err)
	}
	b = make()
	b.g.Tasks[2].Key = key("other")
	if err := b.eval(false); err != nil {
		t.Fatal(err)
	}
	b.want("one kept, two kept, all done")
	if b.g.Tasks[1].Folder != "things/old-"+key("two") {
		t.Errorf("found at %s", b.g.Tasks[1].Folder)
	}
}

// TestFailures: without keepGoing the first ends it all; with it the others are done, and those that make do
// with some.
func TestFailures(t *testing.T) {
	wrong := fault.Inputf("wrong")
	graph := func(root string, failing bool) *bench {
		b := newBench(t, root)
		bad := b.add("bad", func(context.Context, *Work) error {
			if failing {
				return wrong
			}
			return nil
		})
		b.add("worse", nil, bad)
		good := b.add("good", nil)
		b.add("crash", func(context.Context, *Work) error {
			if failing {
				panic("oh")
			}
			return nil
		})
		some := b.add("some", nil, bad, good)
		some.Some, some.Fixed, some.Folder = true, true, "some"
		return b
	}
	root := t.TempDir()
	b := graph(root, true)
	err := b.eval(true)
	if fault.ClassOf(err) != fault.Partial || !strings.Contains(err.Error(), "2 of 5 tasks failed, and 1 that need") {
		t.Errorf("%v", err)
	}
	b.want("bad failed, worse skipped, good done, crash failed, some done")
	if f, ok := ReadFailure(root, key("bad")); !ok || f.Error != "wrong" || !durable.Exists(filepath.Join(root, f.Log)) {
		t.Errorf("%+v, %v", f, ok)
	}
	b = graph(root, true)
	if err := b.g.Look(); err != nil {
		t.Fatal(err)
	}
	b.want("bad failed, worse missing, good kept, crash failed, some missing")

	b = graph(root, false)
	if err := b.eval(false); err != nil {
		t.Fatal(err)
	}
	b.want("bad done, worse done, good kept, crash done, some done")
	if durable.Exists(filepath.Join(root, "tasks")) {
		t.Error("claims or failures are left")
	}

	b = graph(t.TempDir(), true)
	l := b.local(false)
	l.Cores = 1
	if err := Eval(t.Context(), b.g, l, false); !errors.Is(err, wrong) {
		t.Errorf("%v", err)
	}
	b.want("bad failed, worse skipped, good skipped, crash skipped, some skipped")
}

// TestCancelled: an interrupted task's finished files stay, and nothing is left of one that had none.
func TestCancelled(t *testing.T) {
	for _, finished := range []bool{false, true} {
		b := newBench(t, t.TempDir())
		ctx, cancel := context.WithCancel(t.Context())
		task := b.add("one", func(ctx context.Context, w *Work) error {
			if finished {
				if err := durable.WriteFile(filepath.Join(w.Dir, "part"), nil); err != nil {
					return err
				}
			}
			cancel()
			return ctx.Err()
		})
		b.add("two", nil, task)
		if err := Eval(ctx, b.g, b.local(false), false); fault.ClassOf(err) != fault.Interrupted {
			t.Errorf("%v", err)
		}
		b.want("one interrupted, two missing")
		if err := b.g.Look(); err != nil {
			t.Fatal(err)
		}
		b.want(map[bool]string{true: "one interrupted, two missing", false: "one missing, two missing"}[finished])
	}
}

// TestWorkers: as many at a time as cores and memory allow, and one that is too large runs alone.
func TestWorkers(t *testing.T) {
	for _, c := range []struct {
		threads int
		memory  int64
		want    int32
	}{{1, 0, 4}, {2, 0, 2}, {9, 0, 1}, {1, 50, 2}, {1, 1000, 1}} {
		b := newBench(t, t.TempDir())
		var now, most atomic.Int32
		for i := range 8 {
			task := b.add(fmt.Sprintf("t%d", i), func(context.Context, *Work) error {
				n := now.Add(1)
				defer now.Add(-1)
				for old := most.Load(); n > old && !most.CompareAndSwap(old, n); old = most.Load() {
				}
				time.Sleep(20 * time.Millisecond) // so that those that may run together do
				return nil
			})
			task.Cost = Cost{Threads: c.threads, Memory: c.memory}
		}
		l := b.local(false)
		l.Memory = 100
		if err := Eval(t.Context(), b.g, l, false); err != nil {
			t.Fatal(err)
		}
		if most.Load() > c.want {
			t.Errorf("%+v: %d at a time", c, most.Load())
		}
	}
}

// TestTwoAtOnce: two evaluations of one folder do every task once.
func TestTwoAtOnce(t *testing.T) {
	root := t.TempDir()
	var runs atomic.Int32
	make := func() *bench {
		b := newBench(t, root)
		var before []*Task
		for i := range 12 {
			before = append(before, b.add(fmt.Sprintf("t%02d", i), func(context.Context, *Work) error {
				runs.Add(1)
				time.Sleep(time.Millisecond)
				return nil
			}))
		}
		b.add("last", func(context.Context, *Work) error { runs.Add(1); return nil }, before...)
		return b
	}
	var wg sync.WaitGroup
	for range 3 {
		b := make()
		wg.Go(func() {
			if err := b.eval(false); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	if runs.Load() != 13 {
		t.Errorf("%d runs of 13 tasks", runs.Load())
	}
	if durable.Exists(filepath.Join(root, "tasks")) {
		t.Error("claims are left")
	}
}

// TestClaimOfTheDead: a claim of a process that is gone is taken over, one of a living process is not.
func TestClaimOfTheDead(t *testing.T) {
	root := t.TempDir()
	k := key("one")
	put := func(change func(*claims)) {
		c := newClaims(root)
		change(c)
		cl, _, err := c.take(k)
		if err != nil || cl == nil {
			t.Fatal(cl, err)
		}
		close(cl.stop) // as if it had died
		cl.ended.Wait()
	}
	mine := newClaims(root)
	take := func() bool {
		cl, _, err := mine.take(k)
		if err != nil {
			t.Fatal(err)
		}
		if cl == nil {
			cl, _, err = mine.take(k)
		}
		if err != nil || cl == nil {
			return false
		}
		cl.release()
		return true
	}
	put(func(c *claims) { c.me.Started = "1" }) // another process that had this number
	if !take() {
		t.Error("the dead keep their claim")
	}
	put(func(c *claims) {})
	if take() {
		t.Error("a living process lost its claim")
	}
	mine.evict(k, owner{}) // not the owner: it is put back
	if take() {
		t.Error("a claim was taken from an owner who was not meant")
	}
	o, _ := mine.look(k)
	mine.evict(k, *o)

	put(func(c *claims) { c.me.Machine = "elsewhere" })
	if take() {
		t.Error("a process elsewhere lost its claim at first sight")
	}
	mine.mu.Lock()
	s := mine.seen[k]
	s.since = s.since.Add(-2 * standstill)
	mine.seen[k] = s
	mine.mu.Unlock()
	if !take() {
		t.Error("a claim without a heartbeat is kept for ever")
	}
}

// TestReplace: results take the place of older ones, also where a crash left those aside.
func TestReplace(t *testing.T) {
	path := filepath.Join(t.TempDir(), "results")
	put := func(dir, text string) {
		t.Helper()
		if err := durable.WriteFile(filepath.Join(dir, "text"), []byte(text)); err != nil {
			t.Fatal(err)
		}
	}
	put(path+".old", "oldest")
	for _, text := range []string{"first", "second"} {
		dir, err := durable.OpenDir(path)
		if err != nil {
			t.Fatal(err)
		}
		put(dir.Path, text)
		if err := replace(dir, path); err != nil {
			t.Fatal(err)
		}
		if got, err := os.ReadFile(filepath.Join(path, "text")); err != nil || string(got) != text {
			t.Errorf("%q, %v", got, err)
		}
		left, err := os.ReadDir(filepath.Dir(path))
		if err != nil || len(left) != 1 {
			t.Errorf("%v, %v", left, err)
		}
	}
}
