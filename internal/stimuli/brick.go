package stimuli

import (
	"context"
	"crypto/sha256"
	"fmt"
	"runtime"

	"golang.org/x/sync/errgroup"

	"cortexmap/internal/fault"
)

// Brick is pictures of one size that lie in an array instead of in files, as in NSD's HDF5 of 73,000. Their
// identity is the SHA-256 of their RGB bytes, row by row from the top left.
type Brick struct {
	Where string // what messages call the array
	W, H  int    // pixels of every picture
	// Read fills dst, 3·W·H bytes, with picture row of the array. It is called by several goroutines at once.
	Read func(dst []byte, row int) error
}

// Brick's set has a stimulus for each of rows, in their order: name(row) is its name and columns(row) what else
// is known of it. Every picture is read once, to digest it.
func (b Brick) Set(ctx context.Context, rows []int, name func(row int) string, columns func(row int) map[string]string, o Options) (*Set, error) {
	if b.W <= 0 || b.H <= 0 || b.W > DefaultMaxPixels/b.H {
		return nil, fault.Inputf("pictures of %d x %d pixels can't be read", b.W, b.H).In("%s", b.Where)
	}
	if len(rows) == 0 {
		return nil, fault.Inputf("no picture of it was shown").In("%s", b.Where)
	}
	at := make(map[string]int, len(rows))
	src := &source{where: b.Where, files: make(map[string]file, len(rows))}
	src.array = func(name string) (*RGB, error) { return b.picture(at[name]) }
	found := make([]file, len(rows))
	workers := o.Workers
	if workers <= 0 {
		workers = runtime.GOMAXPROCS(0)
	}
	g, inner := errgroup.WithContext(ctx)
	g.SetLimit(workers)
	for k, row := range rows {
		if inner.Err() != nil {
			break
		}
		g.Go(func() error {
			img, err := b.picture(row)
			if err != nil {
				return err
			}
			found[k] = file{digest: sha256.Sum256(img.Pix), w: b.W, h: b.H}
			return nil
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if err := ctx.Err(); err != nil {
		return nil, err
	}
	set := &Set{Name: o.Name, Stimuli: make([]Stimulus, len(rows)), source: src}
	for k, row := range rows {
		n := name(row)
		if _, twice := at[n]; twice {
			return nil, fmt.Errorf("stimuli: two pictures of %s are named %s", b.Where, n)
		}
		at[n], src.files[n] = row, found[k]
		set.Stimuli[k] = found[k].stimulus(n, nil)
		set.Stimuli[k].Columns = columns(row)
	}
	return set, nil
}

// picture reads one picture.
func (b Brick) picture(row int) (*RGB, error) {
	img := NewRGB(b.W, b.H)
	return img, b.Read(img.Pix, row)
}
