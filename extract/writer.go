package extract

import (
	"context"
	"path/filepath"
	"slices"
	"strconv"

	"golang.org/x/sync/errgroup"

	"cortexmap/internal/durable"
	"cortexmap/internal/store"
)

// partWriter is the sink of a run: it puts rows into parts, in the set's order, computed ones as they come and
// copied ones between them. A part that is full is finished (synced, renamed, read back) in the background, while
// the next is being computed.
type partWriter struct {
	ctx    context.Context
	x      *extraction
	rows   []int          // that are to be written, ascending
	from   map[int]origin // where those rows come from that are copied
	at     int            // of rows: the next one
	part   int            // that is open; -1: none
	files  []*store.FeatureWriter
	finish *errgroup.Group
	half   []uint16 // of one copied row
}

func newPartWriter(ctx context.Context, x *extraction, rows []int, from map[int]origin) *partWriter {
	w := &partWriter{x: x, rows: rows, from: from, part: -1}
	w.finish, w.ctx = errgroup.WithContext(ctx)
	w.finish.SetLimit(1) // more would be parts that pile up on a slow disk
	return w
}

// write takes a batch.
func (w *partWriter) write(r *result) error {
	if err := w.ctx.Err(); err != nil { // a part could not be finished: its error comes from wait
		return err
	}
	k := 0 // of r.rows: the next one
	for _, row := range slices.Sorted(slices.Values(slices.Concat(r.rows, r.lost))) {
		if err := w.upTo(row); err != nil {
			return err
		}
		w.at++
		if k == len(r.rows) || r.rows[k] != row {
			continue // lost
		}
		for i := range w.files {
			n := w.x.stream.outputs[i].numbers()
			if err := w.append(i, row, r.half[i][k*n:(k+1)*n]); err != nil {
				return err
			}
		}
		k++
	}
	w.x.lost = append(w.x.lost, r.lost...)
	w.x.advance(len(r.rows) + len(r.lost))
	return nil
}

// upTo copies what comes before a row and opens the row's part.
func (w *partWriter) upTo(row int) error {
	for w.at < len(w.rows) && w.rows[w.at] < row {
		if err := w.copyNext(); err != nil {
			return err
		}
	}
	return w.open(row / w.x.part)
}

// rest copies what comes after the last computed row and finishes the last part.
func (w *partWriter) rest() error {
	for w.at < len(w.rows) {
		if err := w.copyNext(); err != nil {
			return err
		}
	}
	return w.open(-1)
}

// copyNext takes over a row of another store.
func (w *partWriter) copyNext() error {
	row := w.rows[w.at]
	if err := w.open(row / w.x.part); err != nil {
		return err
	}
	o := w.from[row]
	for i := range w.files {
		n := o.RowLen(i)
		if len(w.half) < n {
			w.half = make([]uint16, n)
		}
		if err := o.Read(w.ctx, i, []int{o.row}, w.half[:n]); err != nil {
			return err
		}
		if err := w.append(i, row, w.half[:n]); err != nil {
			return err
		}
	}
	w.at++
	w.x.advance(1)
	return nil
}

func (w *partWriter) append(layer, row int, tokens []uint16) error {
	if !store.Finite(tokens) {
		return notFinite(w.x.layers[layer], w.x.set.Stimuli[row])
	}
	return w.files[layer].AppendHalf(w.x.set.Stimuli[row].Digest, int64(row), tokens)
}

// open hands the open part to be finished and begins another; -1 begins none.
func (w *partWriter) open(part int) error {
	if part == w.part {
		return nil
	}
	if w.files != nil {
		files, done := w.files, w.part
		w.files = nil
		w.finish.Go(func() error { return w.x.publish(done, files) })
	}
	w.part = part
	if part < 0 {
		return nil
	}
	for _, l := range w.x.layers {
		f, err := store.NewFeatureWriter(w.x.path(l, part), w.x.meta(l))
		if err != nil {
			return err
		}
		w.files = append(w.files, f)
	}
	return nil
}

// wait waits for the parts on their way; with an error, what is open is given up.
func (w *partWriter) wait(err error) error {
	if err != nil {
		for _, f := range w.files {
			f.Abort()
		}
	}
	return w.finish.Wait()
}

// publish puts a part of every layer under its final name and reads it back.
// It does so also when the run has been stopped meanwhile: the part is finished, and the next run need not make it.
func (x *extraction) publish(part int, files []*store.FeatureWriter) error {
	defer func() {
		for _, f := range files {
			f.Abort()
		}
	}()
	if err := x.keepBatch(); err != nil {
		return err
	}
	for i, f := range files {
		if err := f.Close(); err != nil {
			return err
		}
		if err := store.VerifyPart(context.Background(), x.path(x.layers[i], part), x.meta(x.layers[i])); err != nil {
			return err
		}
	}
	return nil
}

// keepBatch notes the batch size beside the first part that is finished.
func (x *extraction) keepBatch() error {
	path := filepath.Join(x.dir, batchName)
	if durable.Exists(path) {
		return nil
	}
	return durable.WriteFile(path, []byte(strconv.Itoa(x.plan.batch)+"\n"))
}
