package extract

import (
	"context"
	"runtime/debug"
	"slices"
	"time"

	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
)

// open decides how the network is run, checks on the first pictures that reading the layers is harmless, and opens
// the sessions of the run. What is measured and checked is a session of the whole model, with its own outputs too.
// Those of the run leave out what comes after the last layer, or where that is hardly anything, and another session
// dear, the first one stays and others like it join it.
func (x *extraction) open(ctx context.Context, rows []int) error {
	started := time.Now()
	first, shown, err := x.firstPictures(ctx, rows)
	if err != nil {
		return err
	}
	b := onnx.NewBuilder(x.net.Model.Opset())
	taps, own := x.taps(b), ownOutputs(b, &x.net.Model.Graph)
	names := append(slices.Clone(taps), own...)
	var t tried
	p, s, err := x.net.plan(x.rt, b, names, planOptions{batch: x.o.Batch, threads: x.threads, grid: x.o.grid(), images: x.set.Len(),
		budget: ort.MemoryBudget(x.o.Memory), try: func(s *ort.Session, batch int) (err error) {
			t, err = x.try(ctx, s, first, batch, len(own))
			return err
		}})
	if err != nil {
		return err
	}
	x.plan = p
	x.stream = &stream{feed: x.feed, set: x.set, batch: p.batch, workers: x.threads, keepGoing: x.o.KeepGoing, outputs: x.outputs()}
	if err := x.check(ctx, s, first, t); err != nil {
		s.Close()
		return err
	}
	x.seconds["check"] = time.Since(started).Seconds()
	started = time.Now()
	if x.stays() {
		if len(shown) >= p.batch && slices.Equal(shown[:p.batch], rows[:p.batch]) {
			x.first = &result{rows: rows[:p.batch], half: t.tokens}
		}
		err = x.join(s, b, names)
	} else {
		s.Close()
		b = onnx.NewBuilder(x.net.Model.Opset())
		x.stream.sessions, err = x.net.openAll(x.rt, b, false, x.taps(b), p.sessions, ort.Options{Threads: p.threads})
	}
	debug.FreeOSMemory() // the models' bytes: ONNX Runtime has its own by now
	x.seconds["open"] = time.Since(started).Seconds()
	return err
}

// stays says whether the session that was checked goes on. Another one of a large file takes seconds to open.
func (x *extraction) stays() bool {
	return x.plan.sessions > 1 && x.net.Model.Size > x.net.large && x.net.headless()
}

// join lets the run have the session that was checked, and others like it. The model's own outputs are thrown away.
func (x *extraction) join(s *ort.Session, b *onnx.Builder, outputs []string) error {
	x.stream.sessions = []*ort.Session{s}
	for range len(outputs) - len(x.layers) {
		x.stream.outputs = append(x.stream.outputs, output{free: true})
	}
	others, err := x.net.openAll(x.rt, b, true, outputs, x.plan.sessions-1, ort.Options{Threads: x.plan.threads})
	x.stream.sessions = append(x.stream.sessions, others...)
	return err
}

// writeFirst writes the batch that was checked, if a session of the run computed it and it is still to be written, and
// returns the rows that are left.
func (x *extraction) writeFirst(rows []int, w *partWriter) ([]int, error) {
	r := x.first
	x.first = nil
	if r == nil || len(rows) < len(r.rows) || !slices.Equal(rows[:len(r.rows)], r.rows) {
		return rows, nil
	}
	return rows[len(r.rows):], w.write(r)
}
