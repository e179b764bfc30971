package extract

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/sync/errgroup"

	"cortexmap/internal/ort"
	"cortexmap/internal/stimuli"
)

// stream drives pictures through sessions of one graph. Four things overlap: workers decode and preprocess
// into a few batches' buffers; each session has a goroutine that takes whole batches; one goroutine owns the
// results, in the batches' order. Buffers go round, so nothing is allocated while it runs.
//
//	rows → decode ×W → batches (bounded) → session ×S → results (S + 1 sets) → sink, in order
type stream struct {
	feed      *feed
	set       *stimuli.Set
	sessions  []*ort.Session
	outputs   []output
	batch     int
	workers   int
	keepGoing bool // pictures that can't be decoded are left out

	decoding, running, sinking atomic.Int64 // nanoseconds spent, summed over goroutines
}

func (s *stream) close() { closeSessions(s.sessions) }

// output is one of the session's outputs: dims without the batch axis in front. Free ones are allocated by
// the library and thrown away.
type output struct {
	dims []int64
	half bool // float16, else float32
	free bool
}

func (o output) numbers() int {
	n := 1
	for _, d := range o.dims {
		n *= int(d)
	}
	return n
}

// result is one batch's outputs.
type result struct {
	rows []int       // of the image set, those that could be decoded
	lost []int       // those that could not
	half [][]uint16  // per output, the first len(rows) images filled; nil for others
	full [][]float32 // likewise
}

// job is a batch on its way: a buffer, what is to be in it, how decoding went, and where its result goes.
type job struct {
	room    *pictures
	rows    []int
	errs    []error
	decoded sync.WaitGroup
	result  chan *result // one place, new for every batch
}

// run takes the rows of the image set in batches of s.batch. sink is called from one goroutine, batches in
// order; the result is valid during the call only. The first error, and the end of ctx, stop everything.
func (s *stream) run(ctx context.Context, rows []int, sink func(*result) error) error {
	g, ctx := errgroup.WithContext(ctx)
	jobs := len(s.sessions) + 2
	idle, ready, order := make(chan *job, jobs), make(chan *job, jobs), make(chan chan *result, jobs+len(s.sessions))
	for range jobs {
		idle <- &job{room: s.feed.room(s.batch), errs: make([]error, s.batch)}
	}
	spare := make(chan *result, len(s.sessions)+1)
	for range cap(spare) {
		spare <- s.newResult()
	}
	work := make(chan func())
	for range s.workers {
		g.Go(func() error {
			for f := range work {
				f()
			}
			return nil
		})
	}
	g.Go(func() error {
		defer close(work)
		defer close(ready)
		defer close(order)
		return s.dispatch(ctx, rows, idle, ready, order, work)
	})
	for _, session := range s.sessions {
		g.Go(func() error { return s.execute(ctx, session, ready, idle, spare) })
	}
	g.Go(func() error { return s.collect(ctx, order, spare, sink) })
	return g.Wait()
}

// dispatch cuts the rows into batches and hands their pictures to the workers.
func (s *stream) dispatch(ctx context.Context, rows []int, idle <-chan *job, ready chan<- *job, order chan<- chan *result, work chan<- func()) error {
	for at := 0; at < len(rows); at += s.batch {
		var j *job
		select {
		case j = <-idle:
		case <-ctx.Done():
			return ctx.Err()
		}
		j.rows = rows[at:min(at+s.batch, len(rows))]
		clear(j.errs)
		j.decoded.Add(len(j.rows))
		j.result = make(chan *result, 1)
		select {
		case order <- j.result:
		case <-ctx.Done():
			j.decoded.Add(-len(j.rows))
			return ctx.Err()
		}
		ready <- j // never waits: there are as many places as jobs
		for i := range j.rows {
			select {
			case work <- func() { s.decode(ctx, j, i) }:
			case <-ctx.Done():
				j.decoded.Add(i - len(j.rows))
				return ctx.Err()
			}
		}
	}
	return nil
}

func (s *stream) decode(ctx context.Context, j *job, i int) {
	defer j.decoded.Done()
	if ctx.Err() != nil {
		return
	}
	t := time.Now()
	img, err := s.set.Pixels(j.rows[i])
	if err == nil {
		j.room.put(i, img)
	}
	j.errs[i] = err
	s.decoding.Add(int64(time.Since(t)))
}

// execute runs batches on one session. It takes room for a result before it takes a batch: so the batch that
// the sink waits for always has room, however far others are ahead.
func (s *stream) execute(ctx context.Context, session *ort.Session, ready <-chan *job, idle chan<- *job, spare <-chan *result) error {
	for {
		var r *result
		select {
		case r = <-spare:
		case <-ctx.Done():
			return ctx.Err()
		}
		j, more := <-ready
		if !more {
			return nil
		}
		j.decoded.Wait()
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := s.gather(j, r); err != nil {
			return err
		}
		if err := s.infer(ctx, session, j.room, r); err != nil {
			return err
		}
		j.result <- r
		idle <- j
	}
}

// collect hands the results to the sink in the batches' order.
func (s *stream) collect(ctx context.Context, order <-chan chan *result, spare chan<- *result, sink func(*result) error) error {
	for place := range order {
		var r *result
		select {
		case r = <-place:
		case <-ctx.Done():
			return ctx.Err()
		}
		t := time.Now()
		if err := sink(r); err != nil {
			return err
		}
		s.sinking.Add(int64(time.Since(t)))
		spare <- r
	}
	return nil
}

// gather closes the gaps that pictures left which could not be decoded.
func (s *stream) gather(j *job, r *result) error {
	r.rows, r.lost = r.rows[:0], r.lost[:0]
	for i, row := range j.rows {
		if err := j.errs[i]; err != nil {
			if !s.keepGoing {
				return err
			}
			r.lost = append(r.lost, row)
			continue
		}
		if len(r.rows) < i {
			j.room.move(len(r.rows), i)
		}
		r.rows = append(r.rows, row)
	}
	return nil
}

// infer runs one batch into r. A frozen batch is filled up with copies of its last picture.
func (s *stream) infer(ctx context.Context, session *ort.Session, room *pictures, r *result) error {
	n := len(r.rows)
	if n == 0 {
		return nil
	}
	if f := int(s.feed.frozen); f > 0 {
		for ; n < f; n++ {
			room.move(n, n-1)
		}
	}
	t := time.Now()
	in, err := room.tensors(n)
	if err != nil {
		return err
	}
	defer closeAll(in)
	out, err := s.views(r, n)
	if err != nil {
		return err
	}
	defer closeAll(out)
	err = session.Run(ctx, in, out)
	s.running.Add(int64(time.Since(t)))
	return err
}

func (s *stream) newResult() *result {
	r := &result{half: make([][]uint16, len(s.outputs)), full: make([][]float32, len(s.outputs))}
	for i, o := range s.outputs {
		switch {
		case o.free:
		case o.half:
			r.half[i] = make([]uint16, s.batch*o.numbers())
		default:
			r.full[i] = make([]float32, s.batch*o.numbers())
		}
	}
	return r
}

// views are tensors over the first n images of the result's buffers.
func (s *stream) views(r *result, n int) ([]*ort.Tensor, error) {
	views := make([]*ort.Tensor, len(s.outputs))
	for i, o := range s.outputs {
		dims := append([]int64{int64(n)}, o.dims...)
		var err error
		switch {
		case o.free:
			continue
		case o.half:
			views[i], err = ort.NewF16(r.half[i][:n*o.numbers()], dims...)
		default:
			views[i], err = ort.NewF32(r.full[i][:n*o.numbers()], dims...)
		}
		if err != nil {
			closeAll(views)
			return nil, err
		}
	}
	return views, nil
}
