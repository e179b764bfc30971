package subject

import (
	"context"

	"cortexmap/internal/neuroio/npy"
	"cortexmap/internal/neuroio/parquet"
)

// recording is a file of responses: cells of units and rows.
type recording interface {
	size() (units, rows int)
	// each calls do for every unit with its cells, which do may change.
	each(ctx context.Context, do func(unit int, cells []float64) error) error
	// pages are the cells as they lie in the file, [rows, units], where nothing has to be converted; else nil.
	pages() ([]float32, error)
	close() error
}

func (t *table) size() (units, rows int) { return t.units, t.rows }

func (t *table) pages() ([]float32, error) {
	if t.unitMajor || t.Fortran {
		return nil, nil
	}
	return t.Float32()
}

// columns is a Parquet file with a column a unit, or (turned) a column a picture.
type columns struct {
	*parquet.Table
	turned bool
}

func (c columns) size() (units, rows int) {
	if c.turned {
		return c.Rows, len(c.Columns)
	}
	return len(c.Columns), c.Rows
}

func (c columns) pages() ([]float32, error) { return nil, nil }

func (c columns) close() error { return c.Table.Close() }

// each reads a column at a time; turned, all of them at once, which is 8 bytes a number.
func (c columns) each(ctx context.Context, do func(unit int, cells []float64) error) error {
	var all [][]float64
	for i := range c.Columns {
		if err := ctx.Err(); err != nil {
			return err
		}
		cells, err := c.Column(i)
		if err == nil && !c.turned {
			err = do(i, cells)
		}
		if err != nil {
			return err
		}
		all = append(all, cells)
		if !c.turned {
			all = nil
		}
	}
	for unit := 0; c.turned && unit < c.Rows; unit++ {
		cells := make([]float64, len(all))
		for i := range all {
			cells[i] = all[i][unit]
		}
		if err := do(unit, cells); err != nil {
			return err
		}
	}
	return nil
}

// table reads a .npy of responses (or of single trials) a block of units at a time, however it lies in the
// file. A cell is one unit's response to one row of the list: Reps numbers, 1 without single trials.
type table struct {
	*npy.Array
	units, rows, reps int
	unitMajor         bool // a unit's rows lie side by side
	planes            bool // the repeats are the slowest index: Reps tables one after the other
}

// newTable knows the order of a file from its axes: units first or images first, as responses.rows says.
func newTable(a *npy.Array, unitsFirst bool, reps int) *table {
	t := &table{Array: a, units: a.Shape[1], rows: a.Shape[0], reps: reps}
	if unitsFirst {
		t.units, t.rows = t.rows, t.units
	}
	// In Fortran order the first index is fastest, so the axes change places and repeats come last.
	t.unitMajor = unitsFirst != a.Fortran
	t.planes = a.Fortran && reps > 1
	return t
}

func (t *table) close() error { return t.Array.Close() }

// blockBytes is what one block of units may take in float64.
const blockBytes = 32 << 20

// each calls do for every unit with its cells [rows * reps], which do may change.
func (t *table) each(ctx context.Context, do func(unit int, cells []float64) error) error {
	cells := t.rows * t.reps
	size := max(1, min(t.units, blockBytes/8/max(1, cells)))
	block := make([]float64, size*cells)
	line := make([]float64, size*t.reps)
	for from := 0; from < t.units; from += size {
		n := min(size, t.units-from)
		if err := ctx.Err(); err != nil {
			return err
		}
		if err := t.read(block[:n*cells], line, from, n); err != nil {
			return err
		}
		for u := range n {
			if err := do(from+u, block[u*cells:(u+1)*cells]); err != nil {
				return err
			}
		}
	}
	return nil
}

// read fills block [n units, rows, reps].
func (t *table) read(block, line []float64, from, n int) error {
	if !t.planes {
		return t.plane(block, line, from, n, 0, t.reps, 0)
	}
	for k := range t.reps {
		if err := t.plane(block, line, from, n, k*t.units*t.rows, 1, k); err != nil {
			return err
		}
	}
	return nil
}

// plane reads cells of width numbers that begin at element base of the file, and puts them at offset within
// the reps numbers of each cell of block.
func (t *table) plane(block, line []float64, from, n, base, width, offset int) error {
	if t.unitMajor {
		for u := range n {
			into := block[u*t.rows*t.reps : (u+1)*t.rows*t.reps]
			at := base + (from+u)*t.rows*width
			if width == t.reps {
				if err := t.Read(into, at); err != nil {
					return err
				}
				continue
			}
			if err := t.scatter(into, at, offset); err != nil {
				return err
			}
		}
		return nil
	}
	for r := range t.rows {
		if err := t.Read(line[:n*width], base+(r*t.units+from)*width); err != nil {
			return err
		}
		for u := range n {
			copy(block[(u*t.rows+r)*t.reps+offset:], line[u*width:(u+1)*width])
		}
	}
	return nil
}

// scatter reads one number a row into every reps-th place.
func (t *table) scatter(into []float64, at, offset int) error {
	one := make([]float64, t.rows)
	if err := t.Read(one, at); err != nil {
		return err
	}
	for r, x := range one {
		into[r*t.reps+offset] = x
	}
	return nil
}
