package tasks

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"

	"cortexmap/internal/fault"
)

// Executor sees to it that tasks get done.
type Executor interface {
	// Execute works at the graph's unfinished tasks, or hands them to something that does, and leaves every
	// task's state as it then is. The error is what kept it from that, not a task's.
	Execute(ctx context.Context, g *Graph) error
}

// Options are what executors have in common.
type Options struct {
	KeepGoing bool   // a task that fails doesn't stop the others
	Version   string // of the program, recorded
	Log       *slog.Logger
	// TaskLog is the logger of one task: it writes to w as well.
	TaskLog func(t *Task, w io.Writer) *slog.Logger
	// Changed is told when a task's state has changed, from one goroutine at a time.
	Changed func(t *Task)
	// Progress is told how far a task is, from any goroutine.
	Progress func(t *Task, phase string, done, total int)
}

// Eval makes the graph's folders exist: it looks which are there and gives the rest to the executor. It ends
// with the first failure of a task, or, if some failed and all else was done, with a fault of class Partial
// that lists them.
func Eval(ctx context.Context, g *Graph, e Executor, keepGoing bool) error {
	if err := g.Look(); err != nil {
		return err
	}
	pending := false
	for _, t := range g.Tasks {
		if !t.State.Finished() {
			pending = true
		}
	}
	if !pending {
		return nil
	}
	if err := e.Execute(ctx, g); err != nil {
		return err
	}
	return g.failure(keepGoing)
}

// failure is the error of a graph after it was worked at.
func (g *Graph) failure(keepGoing bool) error {
	var failed, skipped []*Task
	for _, t := range g.Tasks {
		switch {
		case t.State == Failed && t.Err != nil: // without Err it is a failure of an earlier run
			failed = append(failed, t)
		case t.State == Skipped:
			skipped = append(skipped, t)
		}
	}
	switch {
	case len(failed) == 0:
		return nil
	case !keepGoing || len(g.Tasks) == len(failed)+len(skipped):
		return failed[0].Err
	}
	text := fmt.Sprintf("%d of %d tasks failed", len(failed), len(g.Tasks))
	if len(skipped) > 0 {
		text += fmt.Sprintf(", and %d that need them were not tried", len(skipped))
	}
	list := ""
	for i, t := range failed {
		if i == maxListed {
			list += fmt.Sprintf("and %d more\n", len(failed)-i)
			break
		}
		list += fmt.Sprintf("%s %s: %s\n  log: %s\n", t.Kind, t.Name, firstLine(t.Err), g.logPath(t))
	}
	return fault.New(fault.Partial, "%s", text).In("%s", list).Remedy("see to the causes; the same command tries again what failed, and keeps the rest")
}

// maxListed bounds a message that people read; status lists them all.
const maxListed = 20

func firstLine(err error) string {
	var f *fault.Error
	if errors.As(err, &f) {
		return f.What
	}
	return err.Error()
}
