package subject

import (
	"context"
	"fmt"
	"math"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/stats"
)

// fewRepeats is the number of repeated pictures below which a ceiling from them is told to be rough: the
// clipping of negative signal variance at 0 inflates it (stats.NCSNR).
const fewRepeats = 50

// ceiling fills s.Ceiling, and s.NCSNR and s.Trials where they are known.
func (b *builder) ceiling(ctx context.Context) error {
	s := b.s
	s.Ceiling = make([]float32, s.Units)
	var err error
	switch c := b.d.Ceiling; {
	case c.File != "":
		s.NCSNR, s.Trials = nil, nil // what is given wins over repeats
		return b.ceilingFile()
	case c.Trials != "":
		err = b.ceilingTrials(ctx)
	}
	if err != nil {
		return err
	}
	if s.NCSNR == nil {
		for v := range s.Ceiling {
			s.Ceiling[v] = float32(math.NaN())
		}
		return nil
	}
	all := make([]int, s.Images.Len())
	repeated := 0
	for n := range all {
		all[n] = n
		if s.Trials[n] > 1 {
			repeated++
		}
	}
	if repeated < fewRepeats {
		s.warn("few-repeats", fmt.Sprintf("%s: the noise ceilings come from %d repeated pictures, which makes them rough and too high", s.Name, repeated))
	}
	s.Ceiling = s.CeilingOf(all)
	return nil
}

// ceilingFile reads a number a unit and turns it into a fraction.
func (b *builder) ceilingFile() error {
	s, c := b.s, b.d.Ceiling
	shape, values, err := b.numbers(c.File)
	if err != nil {
		return err
	}
	if len(values) != s.Units {
		return named("ceiling-count", fault.Inputf("the ceilings have shape %v, the responses %d units", shape, s.Units).In("%s", b.folder.place(c.File)))
	}
	top := map[string]float64{"fraction": 1, "percent": 100, "ncsnr": math.Inf(1)}[c.Kind]
	for v, x := range values {
		if x < 0 || x > top || math.IsInf(x, 0) {
			e := fault.Inputf("the ceiling of unit %d is %v, a %s lies within 0 and %v", v, x, c.Kind, top).In("%s", b.folder.place(c.File))
			if c.Kind == "fraction" && x > 1 && x <= 100 {
				e = e.Remedy("write `kind: percent` (NSD's ceilings are percent) or `kind: ncsnr`, whichever it is")
			}
			return named("ceiling-range", e)
		}
		if c.Kind == "ncsnr" {
			x = stats.Ceiling(x, 1/float64(c.Repeats))
		} else {
			x /= top
		}
		s.Ceiling[v] = float32(x)
	}
	return nil
}

// ceilingTrials reads single trials, the responses' axes and then repeats.
func (b *builder) ceilingTrials(ctx context.Context) error {
	s, c := b.s, b.d.Ceiling
	a, err := b.npy(c.Trials)
	if err != nil {
		return err
	}
	defer a.Close()
	at := b.folder.place(c.Trials)
	if len(a.Shape) != 3 {
		return fault.Inputf("the trials have %d dimensions, 3 are needed: the responses' two, then repeats", len(a.Shape)).In("%s", at)
	}
	t := newTable(a, b.d.Responses.Rows == "units", a.Shape[2])
	if t.units != s.Units || t.rows != b.set.Len() {
		return fault.Inputf("the trials are of %d units and %d images, the responses of %d and %d", t.units, t.rows, s.Units, b.set.Len()).In("%s", at)
	}
	image := make([]int, t.rows*t.reps)
	for i := range image {
		image[i] = b.place[i/max(1, t.reps)]
	}
	mean := newMeans(image, s.Images.Len())
	s.Trials, s.NCSNR = make([]int, s.Images.Len()), make([]float32, s.Units)
	differ := 0
	err = t.each(ctx, func(unit int, cells []float64) error {
		for i, x := range cells {
			if x == c.Missing {
				cells[i] = math.NaN()
			}
		}
		s.NCSNR[unit] = float32(stats.NCSNR(cells, image))
		mean.of(cells)
		for n, k := range mean.count {
			s.Trials[n] = max(s.Trials[n], k)
		}
		if b.d.Responses.ZScore == "none" && !s.agrees(unit, mean.value) {
			differ++
		}
		return nil
	})
	if err != nil {
		return durable.Explain(err, at)
	}
	if differ > 0 {
		s.warn("trials-disagree", fmt.Sprintf("%s: for %d of %d units the mean of %s isn't the response in %s; ceilings may be of other data",
			s.Name, differ, s.Units, c.Trials, b.d.Responses.File))
	}
	return nil
}

// agrees says whether a unit's mean trials are its responses, up to float32 and an average taken in it: a
// thousandth of the largest response.
func (s *Subject) agrees(unit int, mean []float64) bool {
	largest, worst := 0.0, 0.0
	for n, m := range mean {
		x := float64(s.Responses[n*s.Units+unit])
		if math.IsNaN(x) || math.IsNaN(m) {
			continue
		}
		largest, worst = max(largest, math.Abs(x)), max(worst, math.Abs(x-m))
	}
	return worst <= 1e-3*largest
}
