package tasks

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"runtime/debug"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// poll is how often a task that somebody else works at is looked at.
const poll = 300 * time.Millisecond

// Local works at tasks in this process, as many at a time as memory and cores allow.
type Local struct {
	Options
	Cores  int   // that this process may use
	Memory int64 // bytes that the tasks together may use; 0: not known, not bounded
}

// ended is the news of a worker.
type ended struct {
	task  *Task
	state State
	err   error
	spent time.Duration
}

// Execute runs what is unfinished. A task begins when everything that it needs is there and its threads and
// memory are free; one that needs more than there is begins alone. Without KeepGoing the first failure stops
// the others, which keep what they have.
func (l *Local) Execute(outer context.Context, g *Graph) error {
	ctx, cancel := context.WithCancel(outer)
	defer cancel()
	s := &session{Local: l, g: g, ctx: ctx, claims: newClaims(g.Root), news: make(chan ended)}
	for _, t := range g.Tasks {
		if !t.State.Finished() {
			t.State, t.Err = Missing, nil
			s.waiting = append(s.waiting, t)
		}
	}
	for {
		if err := s.begin(); err != nil {
			cancel()
			s.drain()
			return err
		}
		if s.running == 0 && (len(s.waiting) == 0 || ctx.Err() != nil) {
			break
		}
		s.wait()
		if s.failed && !l.KeepGoing {
			cancel()
		}
	}
	if s.failed {
		for _, t := range s.waiting {
			t.State = Skipped
		}
	}
	s.claims.tidy()
	return outer.Err()
}

// session is one Execute on its way; its fields are the main goroutine's.
type session struct {
	*Local
	g       *Graph
	ctx     context.Context
	claims  *claims
	news    chan ended
	waiting []*Task
	said    map[string]bool // whose claims were told of

	running, threads int
	memory           int64
	failed           bool
	elsewhere        bool // some tasks are somebody else's now
}

// begin starts what can be started.
func (s *session) begin() error {
	s.elsewhere = false
	var left []*Task
	for i, t := range s.waiting {
		if s.ctx.Err() != nil {
			s.waiting = append(left, s.waiting[i:]...)
			return nil
		}
		ready, never := t.ready()
		if never {
			s.change(t, Skipped, nil)
			continue
		}
		if !ready || !s.room(t) {
			left = append(left, t)
			continue
		}
		begun, err := s.try(t)
		if err != nil {
			s.waiting = append(left, s.waiting[i:]...)
			return err
		}
		if !begun {
			left = append(left, t)
		}
	}
	s.waiting = left
	return nil
}

// room says whether a task's threads and memory are free. A first task always has room.
func (s *session) room(t *Task) bool {
	return s.running == 0 ||
		s.threads+max(1, t.Cost.Threads) <= s.Cores && (s.Memory == 0 || s.memory+t.Cost.Memory <= s.Memory)
}

// try begins a task unless somebody else has made it, or works at it.
func (s *session) try(t *Task) (begun bool, err error) {
	if t.done(s.g.Root) {
		s.change(t, Kept, nil)
		return true, nil
	}
	c, other, err := s.claims.take(t.Key)
	if err != nil {
		return false, err
	}
	if c == nil {
		s.elsewhere = true
		if other != nil {
			s.tell(t, other)
		}
		return false, nil
	}
	if t.done(s.g.Root) { // between the look and the claim
		c.release()
		s.change(t, Kept, nil)
		return true, nil
	}
	s.running++
	s.threads += max(1, t.Cost.Threads)
	s.memory += t.Cost.Memory
	s.change(t, Running, nil)
	go func() {
		start := time.Now()
		state, err := s.work(t)
		c.release()
		s.news <- ended{t, state, err, time.Since(start)}
	}()
	return true, nil
}

// tell says once who works at a task that is waited for.
func (s *session) tell(t *Task, o *owner) {
	if s.said == nil {
		s.said = map[string]bool{}
	}
	if text := o.String(); !s.said[t.Key+text] {
		s.said[t.Key+text] = true
		s.Log.Info(fmt.Sprintf("waiting: %s works at %s %s", text, t.Kind, t.Name))
	}
}

// wait takes the next news, or looks again after a while where others are at work.
func (s *session) wait() {
	var again <-chan time.Time
	if s.elsewhere && s.ctx.Err() == nil {
		timer := time.NewTimer(poll)
		defer timer.Stop()
		again = timer.C
	}
	if s.running == 0 && again == nil {
		return
	}
	if s.running == 0 {
		select {
		case <-again:
		case <-s.ctx.Done():
		}
		return
	}
	select {
	case e := <-s.news:
		s.take(e)
	case <-again:
	}
}

func (s *session) drain() {
	for s.running > 0 {
		s.take(<-s.news)
	}
}

func (s *session) take(e ended) {
	t := e.task
	s.running--
	s.threads -= max(1, t.Cost.Threads)
	s.memory -= t.Cost.Memory
	t.Seconds = e.spent.Seconds()
	s.change(t, e.state, e.err)
	if e.state == Failed {
		s.failed = true
	}
}

func (s *session) change(t *Task, state State, err error) {
	t.State, t.Err = state, err
	if s.Changed != nil {
		s.Changed(t)
	}
}

// work fills a task's folder and gives it its final name.
func (s *session) work(t *Task) (state State, err error) {
	final := t.path(s.g.Root)
	start := time.Now()
	err = s.fill(t, final, start)
	switch {
	case err == nil:
		s.forgive(t)
		return Done, nil
	case t.done(s.g.Root):
		// Somebody who took this process for dead was faster: the same bytes are there.
		return Kept, nil
	case fault.ClassOf(err) == fault.Interrupted:
		return Interrupted, err
	}
	s.blame(t, err)
	return Failed, err
}

func (s *session) fill(t *Task, final string, start time.Time) error {
	if t.Fixed {
		if err := os.RemoveAll(final + durable.PartialSuffix); err != nil {
			return durable.Explain(err, final)
		}
	}
	dir, err := durable.OpenDir(final)
	if err != nil {
		return err
	}
	log, stop, err := s.openLog(t, dir.Path)
	if err != nil {
		return err
	}
	w := &Work{Dir: dir.Path, Log: log, Progress: func(phase string, done, total int) {
		if s.Progress != nil {
			s.Progress(t, phase, done, total)
		}
	}}
	err = safely(func() error { return t.Run(s.ctx, w) })
	log.Debug("ended", "kind", t.Kind, "name", t.Name, "key", t.Key, "seconds", time.Since(start).Seconds(), "error", err)
	stop()
	if err != nil {
		discardTrace(dir, err)
		return err
	}
	if err := t.seal(dir.Path, s.Version, time.Since(start)); err != nil {
		return err
	}
	if t.Fixed {
		return replace(dir, final)
	}
	return dir.Commit()
}

// discardTrace removes the folder of a task that was interrupted before it had finished anything; where it
// failed, its log stays.
func discardTrace(dir *durable.Dir, err error) {
	if fault.ClassOf(err) != fault.Interrupted {
		return
	}
	entries, readErr := os.ReadDir(dir.Path)
	if readErr != nil {
		return
	}
	for _, e := range entries {
		if e.Name() != LogName {
			dir.DiscardEmpty()
			return
		}
	}
	dir.Discard()
}

// safely turns a panic into an error, so that one task's bug doesn't end the others.
func safely(f func() error) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = fmt.Errorf("panic: %v\n%s", p, debug.Stack())
		}
	}()
	return f()
}

// openLog opens the task's own log. Lines of an earlier, interrupted process stay.
func (s *session) openLog(t *Task, dir string) (*slog.Logger, func(), error) {
	path := filepath.Join(dir, LogName)
	f, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o666)
	if err != nil {
		return nil, nil, durable.Explain(err, path)
	}
	return s.TaskLog(t, f), func() { f.Close() }, nil
}

// blame writes down why a task failed, for status and for those who come later. A folder that can't be
// written to has no room for that either.
func (s *session) blame(t *Task, err error) {
	f := Failure{Key: t.Key, Kind: t.Kind, Name: t.Name, Error: err.Error(), Log: t.Folder + durable.PartialSuffix + "/" + LogName,
		Time: time.Now().UTC().Truncate(time.Second), Job: s.claims.me.Job}
	data, jsonErr := json.MarshalIndent(f, "", "  ")
	if jsonErr == nil {
		jsonErr = durable.WriteFile(s.failurePath(t.Key), append(data, '\n'))
	}
	if jsonErr != nil {
		s.Log.Debug("the failure can't be written down", "key", t.Key, "error", jsonErr)
	}
}

func (s *session) failurePath(key string) string {
	return filepath.Join(s.g.Root, filepath.FromSlash(failedDir), key+".json")
}

// forgive removes the failure of an earlier try.
func (s *session) forgive(t *Task) {
	if os.Remove(s.failurePath(t.Key)) == nil {
		os.Remove(filepath.Join(s.g.Root, filepath.FromSlash(failedDir)))
	}
}

// replace puts a filled folder in the place of the one at path. A crash between the two renames leaves the
// old one under ".old", which the next replace removes.
func replace(dir *durable.Dir, path string) error {
	old := path + ".old"
	if err := os.RemoveAll(old); err != nil {
		return durable.Explain(err, old)
	}
	if err := os.Rename(path, old); err != nil && !errors.Is(err, os.ErrNotExist) {
		return durable.Explain(err, path)
	}
	if err := dir.Commit(); err != nil {
		return err
	}
	return durable.Explain(os.RemoveAll(old), old)
}

// logPath is where people find a task's log.
func (g *Graph) logPath(t *Task) string { return filepath.Join(g.Root, filepath.FromSlash(t.Log())) }
