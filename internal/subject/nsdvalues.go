package subject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"path"
	"slices"
	"strings"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/hdf5"
	"cortexmap/internal/neuroio/mgh"
)

// betas is one session of one hemisphere.
type betas struct {
	trials, vertices int
	// read fills block [trials, len(at)] with the vertices at, which ascend.
	read  func(block []float32, at []int32) error
	close func() error
}

// openBetas opens a session's file: MGH, a frame a trial, or HDF5 /betas [trials, vertices] of 300 times percent.
func (n *nsd) openBetas(name string) (*betas, error) {
	file, err := n.open(name)
	if err != nil {
		return nil, err
	}
	at := n.folder.place(name)
	if strings.HasSuffix(name, ".hdf5") {
		b, err := openHDF5Betas(file, at)
		return b, durable.Explain(fileFault(err, at), at)
	}
	r, err := mgh.NewReader(file)
	if err != nil {
		file.Close()
		return nil, fileFault(err, at)
	}
	return &betas{trials: int(r.Count), vertices: int(r.N), close: file.Close, read: func(block []float32, vertices []int32) error {
		for t := range int(r.Count) {
			if err := r.Pick(block[t*len(vertices):][:len(vertices)], vertices); err != nil {
				return fileFault(err, at)
			}
		}
		if err := r.Pick(block[:len(vertices)], vertices); !errors.Is(err, io.EOF) { // reads the file's end
			return fileFault(err, at)
		}
		return nil
	}}, nil
}

// hdf5Unit is what NSD's integers stand for: 300 for 1 percent signal change (neuro.md 2.2).
const hdf5Unit = 300

// hdf5Width is how many vertices of an HDF5 file are read at a time.
const hdf5Width = 4096

func openHDF5Betas(file *os.File, at string) (*betas, error) {
	f, err := hdf5.OpenFile(file, at)
	if err != nil {
		return nil, err
	}
	d, err := f.Dataset("betas")
	if err == nil && (len(d.Shape) != 2 || d.Type.Class != hdf5.Numbers) {
		err = named("nsd-shape", fault.Inputf("betas have the shape %v, trials x vertices are expected", d.Shape))
	}
	if err != nil {
		f.Close()
		return nil, err
	}
	return &betas{trials: d.Shape[0], vertices: d.Shape[1], close: f.Close, read: func(block []float32, vertices []int32) error {
		part := make([]float32, d.Shape[0]*hdf5Width)
		for i := 0; i < len(vertices); {
			first := int(vertices[i])
			width := min(hdf5Width, d.Shape[1]-first)
			cells := part[:d.Shape[0]*width]
			if err := d.ReadFloat32(cells, []int{0, first}, []int{d.Shape[0], width}); err != nil {
				return fileFault(err, at)
			}
			for ; i < len(vertices) && int(vertices[i]) < first+width; i++ {
				for t := range d.Shape[0] {
					block[t*len(vertices)+i] = cells[t*width+int(vertices[i])-first] / hdf5Unit
				}
			}
		}
		return nil
	}}, nil
}

// values fills s.Responses session by session, and leaves out vertices that lack a number in any trial.
func (n *nsd) values(ctx context.Context) error {
	s := n.s
	units := len(n.sides[0].mask) + len(n.sides[1].mask)
	s.Responses = make([]float32, s.Images.Len()*units)
	lacking := make([]bool, units)
	n.squares = make([]float64, units)
	from := 0
	for side, h := range n.sides {
		if err := n.hemisphere(ctx, side, from, units, lacking[from:][:len(h.mask)]); err != nil {
			return err
		}
		from += len(h.mask)
	}
	for i, k := range s.Trials {
		row := s.Responses[i*units:][:units]
		for u := range row {
			row[u] /= float32(k)
		}
	}
	n.fromTrials(units)
	n.leaveOut(units, lacking)
	if s.Units == 0 {
		return named("dead-units", fault.Inputf("no vertex has a number in every trial").In("%s", n.folder.place(n.betas())).Remedy("the betas are damaged: download them again"))
	}
	return nil
}

// nsdRepeats is how often NSD planned to show each picture.
const nsdRepeats = 3

// fromTrials turns n.squares into ncsnr as the trials have it, over the pictures with all three: with the variance
// of z-scores 1, and that of the noise the mean over pictures of the variance between their trials (over 2),
//
//	ncsnr = √(max(0, 1 − noise) / noise)
//
// NSD's own file must say nearly the same; it doesn't where trials are matched with other pictures.
func (n *nsd) fromTrials(units int) {
	s := n.s
	for i, k := range s.Trials {
		if k != nsdRepeats {
			continue
		}
		n.repeated++
		for u, x := range s.Responses[i*units:][:units] {
			n.squares[u] -= nsdRepeats * float64(x) * float64(x)
		}
	}
	for u, x := range n.squares {
		noise := x / float64(n.repeated) / (nsdRepeats - 1)
		if n.squares[u] = 0; noise > 0 { // a constant has neither
			n.squares[u] = math.Sqrt(max(0, 1-noise) / noise)
		}
	}
}

// hemisphere adds the z-scores of all sessions to the columns from on.
func (n *nsd) hemisphere(ctx context.Context, side, from, units int, lacking []bool) error {
	h := n.sides[side]
	if len(h.mask) == 0 {
		return nil
	}
	block := make([]float32, n.trials*len(h.mask))
	mean, scale := make([]float64, len(h.mask)), make([]float64, len(h.mask))
	for i, se := range n.sessions {
		if i >= n.used && n.options.Sessions != "challenge" {
			break
		}
		if err := ctx.Err(); err != nil {
			return err
		}
		b, err := n.openBetas(se.files[side])
		if err != nil {
			return err
		}
		err = b.read(block, h.mask)
		b.close()
		if err != nil {
			return err
		}
		moments(block, mean, scale, lacking)
		for t, image := range n.shown[i] {
			if image < 0 {
				continue
			}
			row := n.s.Responses[image*units+from:][:len(h.mask)]
			squares := n.squares[from:][:len(h.mask)]
			repeated := n.s.Trials[image] == nsdRepeats
			for v, x := range block[t*len(h.mask):][:len(h.mask)] {
				z := (float64(x) - mean[v]) * scale[v]
				row[v] += float32(z)
				if repeated {
					squares[v] += z * z
				}
			}
		}
	}
	return nil
}

// moments are the mean and the inverse standard deviation (over n, 0 for a constant) of each column of a block
// [trials, columns]; columns with a number missing or infinite are marked.
func moments(block []float32, mean, scale []float64, lacking []bool) {
	clear(mean)
	clear(scale)
	columns := len(mean)
	trials := len(block) / columns
	for t := range trials {
		for v, x := range block[t*columns:][:columns] {
			mean[v] += float64(x)
			if x-x != 0 {
				lacking[v] = true
			}
		}
	}
	for v := range mean {
		mean[v] /= float64(trials)
	}
	for t := range trials {
		for v, x := range block[t*columns:][:columns] {
			d := float64(x) - mean[v]
			scale[v] += d * d
		}
	}
	for v, squares := range scale {
		if scale[v] = 0; squares > 0 {
			scale[v] = 1 / math.Sqrt(squares/float64(trials))
		}
	}
}

// leaveOut closes the gaps of vertices without data.
func (n *nsd) leaveOut(units int, lacking []bool) {
	s := n.s
	if s.Units = units; !slices.Contains(lacking, true) {
		return
	}
	var keep []int
	gone := [2]int{}
	u := 0
	for side := range n.sides {
		h := &n.sides[side]
		var mask []int32
		for _, v := range h.mask {
			if lacking[u] {
				gone[side]++
			} else {
				mask, keep = append(mask, v), append(keep, u)
			}
			u++
		}
		h.mask, h.columns = mask, len(mask)
	}
	s.Units = len(keep)
	for i := range s.Images.Len() {
		for k, u := range keep {
			s.Responses[i*len(keep)+k] = s.Responses[i*units+u] // never ahead of what is read
		}
	}
	s.Responses = s.Responses[:s.Images.Len()*len(keep)]
	n.squares = chosen(n.squares, keep)
	s.warn("vertices-missing", fmt.Sprintf("%s: %d lh and %d rh vertices lack a number in some trial and are left out", s.Name, gone[0], gone[1]))
}

// onFsaverage places the units, lh first.
func (n *nsd) onFsaverage() error { return n.placeOn(n.sides) }

// ceilings reads ncsnr, of which Subject.CeilingOf makes the ceiling of whichever pictures are scored.
func (n *nsd) ceilings() error {
	s := n.s
	for _, h := range n.sides {
		name := ""
		for _, ending := range []string{".mgh", ".mgz"} {
			if file := path.Join(n.betas(), h.name+".ncsnr"+ending); n.has(file) {
				name = file
			}
		}
		if name == "" {
			s.warn("ncsnr-missing", fmt.Sprintf("%s: %s.ncsnr.mgh isn't there, so that noise ceilings are unknown", s.Name, h.name))
			s.NCSNR = nil
			break
		}
		_, values, err := n.numbers(name)
		if err != nil {
			return err
		}
		at := n.folder.place(name)
		if len(values) != sizes[challengeSurface] {
			return named("ceiling-count", fault.Inputf("ncsnr has %d values, fsaverage %d vertices", len(values), sizes[challengeSurface]).In("%s", at))
		}
		for _, v := range h.mask {
			x := values[v]
			if x < 0 || x-x != 0 {
				return named("ceiling-range", fault.Inputf("ncsnr of vertex %d is %v; it is 0 or more", v, x).In("%s", at))
			}
			if x > 10 {
				return named("ceiling-range", fault.Inputf("ncsnr of vertex %d is %v, far above any brain's", v, x).In("%s", at).Remedy("these may be percent of a noise ceiling: take the file called ncsnr"))
			}
			s.NCSNR = append(s.NCSNR, float32(x))
		}
	}
	s.Ceiling = make([]float32, s.Units)
	for u := range s.Ceiling {
		s.Ceiling[u] = float32(math.NaN())
	}
	if s.NCSNR != nil {
		all := make([]int, s.Images.Len())
		for i := range all {
			all[i] = i
		}
		s.Ceiling = s.CeilingOf(all)
	}
	return nil
}
