package extract

import (
	"slices"

	"cortexmap/internal/store"
)

// donor is a finished store of the same network and settings, whose rows are copied instead of computed.
//
// A copied row must have the bytes that computing it would give, or results would depend on what was extracted
// before. So library, provider and number of threads must be ours, and then one of two things hold:
//
//   - the check of the first batch found, there and here, that tokens don't depend on their batch to the last bit:
//     every row may be copied;
//   - or else whole batches are copied only: the same pictures in the same order in a batch of the same size.
//
// Rows that are left are computed; the batches that they form have no say in them in the first case, and are those
// of an extraction without donors in the second.
type donor struct {
	*store.Features
	row  map[store.Digest]int
	rows int // that were copied
}

// origin is a row of a donor.
type origin struct {
	*donor
	row int
}

// copies opens the donors and says which of the rows come from where.
func (x *extraction) copies(rows []int) map[int]origin {
	if x.o.Settings == "" {
		return nil
	}
	from := map[int]origin{}
	for _, dir := range x.o.Donors {
		d := x.donor(dir)
		if d == nil {
			continue
		}
		x.donors = append(x.donors, d)
		if x.free && d.Manifest.BatchFree {
			for _, row := range rows {
				d.lend(x, from, row)
			}
			continue
		}
		for at := 0; at < len(rows); at += x.plan.batch {
			if batch := rows[at:min(at+x.plan.batch, len(rows))]; d.sameBatch(x, batch) {
				for _, row := range batch {
					d.lend(x, from, row)
				}
			}
		}
	}
	x.copied = len(from)
	return from
}

// donor opens a store; nil if it can't give its rows.
func (x *extraction) donor(dir string) *donor {
	m, err := store.ReadManifest(dir)
	if err != nil || m.Settings != x.o.Settings || m.Library != x.rt.Version() || m.Provider != x.net.provider() || m.Threads != x.threads {
		return nil
	}
	f, err := store.OpenFeatures(dir)
	if err != nil { // a damaged one is no use here; `verify` says so to those who want to keep it
		return nil
	}
	if !slices.EqualFunc(f.Layers, x.layers, func(a, b store.Layer) bool { return a.Name == b.Name && a.Tensor == b.Tensor && a.Width == b.Width }) {
		f.Close()
		return nil
	}
	d := &donor{Features: f, row: map[store.Digest]int{}}
	for i, digest := range f.Images {
		d.row[digest] = i
	}
	return d
}

func (d *donor) lend(x *extraction, from map[int]origin, row int) {
	if _, has := from[row]; has {
		return
	}
	if at, ok := d.row[x.set.Stimuli[row].Digest]; ok {
		from[row] = origin{d, at}
		d.rows++
	}
}

// sameBatch says whether the donor computed these pictures together, and no others with them.
func (d *donor) sameBatch(x *extraction, batch []int) bool {
	if d.Manifest.Batch != x.plan.batch || len(d.Manifest.LeftOut) > 0 {
		return false
	}
	first, ok := d.row[x.set.Stimuli[batch[0]].Digest]
	if !ok || d.Index[first]%int64(x.plan.batch) != 0 || first+len(batch) > d.Len() {
		return false
	}
	if end := first + len(batch); len(batch) < x.plan.batch && end < d.Len() {
		return false // there it was part of a longer one
	}
	for i, row := range batch {
		if d.Images[first+i] != x.set.Stimuli[row].Digest {
			return false
		}
	}
	return true
}
