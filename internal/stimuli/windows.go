package stimuli

import (
	"encoding/binary"
	"math/rand/v2"

	"cortexmap/internal/fault"
)

// Windows cuts perPhoto square windows out of every photograph of a set of whole pictures: the centre square
// first, then random squares of 45 to 90 % of the short side, anywhere, each mirrored with probability one half.
// The windows of one photograph follow each other and share its photo id and columns.
//
// The draw depends on the seed and the photograph's digest only (PCG of math/rand/v2), so adding photographs
// changes no window of the others. A set that holds windows already, an unreadable header, and a photograph too
// small for perPhoto different windows are faults.
func Windows(set *Set, seed uint64, perPhoto int) (*Set, error) {
	out := &Set{Name: set.Name, source: set.source, Stimuli: make([]Stimulus, 0, perPhoto*set.Len())}
	for i, st := range set.Stimuli {
		if st.Window != nil {
			return nil, fault.Inputf("windows can't be cut out of a window").In("%s", st.Label())
		}
		if w, h := set.Size(i); w < 1 || h < 1 {
			_, err := set.Pixels(i) // says what is wrong with the file
			return nil, err
		}
		windows, err := set.draw(i, seed, perPhoto)
		if err != nil {
			return nil, err
		}
		f := set.source.files[st.Name]
		for _, r := range windows {
			cut := f.stimulus(st.Name, &r)
			cut.Photo, cut.Columns = st.Photo, st.Columns
			out.Stimuli = append(out.Stimuli, cut)
		}
	}
	return out, nil
}

// draw is n different windows of photograph i.
func (s *Set) draw(i int, seed uint64, n int) ([]Window, error) {
	w, h := s.Size(i)
	side := min(w, h)
	digest := s.Stimuli[i].Digest
	r := rand.New(rand.NewPCG(seed, binary.LittleEndian.Uint64(digest[:8])))
	taken := map[Window]bool{}
	windows := make([]Window, 0, n)
	for next, tries := (Window{X: (w - side) / 2, Y: (h - side) / 2, W: side, H: side}), 0; len(windows) < n; tries++ {
		if tries > 20*n {
			return nil, fault.Inputf("a picture of %d x %d pixels is too small for %d different windows", w, h, n).
				In("%s", s.source.place(s.Stimuli[i].Name)).Remedy("leave it out, or ask for fewer windows a photograph")
		}
		if !taken[next] {
			taken[next] = true
			windows = append(windows, next)
		}
		next = randomSquare(r, w, h)
	}
	return windows, nil
}

// randomSquare is a square of 45 to 90 % of the short side somewhere in a w x h picture.
func randomSquare(r *rand.Rand, w, h int) Window {
	side := max(1, int(float64(min(w, h))*(0.45+0.45*r.Float64())+0.5))
	return Window{X: r.IntN(w - side + 1), Y: r.IntN(h - side + 1), W: side, H: side, Mirror: r.IntN(2) == 1}
}
