package subject

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/stats"
)

// pair finds the files lh.* and rh.* that a key names by a folder or by a stem: DIR holds one of each, or
// DIR/STEM stands for DIR/lh.STEM.* and DIR/rh.STEM.*. A hemisphere without a file is "".
func pair(key, where string) (dir *folder, files [2]string, err error) {
	at, stem := where, ""
	if info, err := os.Stat(where); err != nil || !info.IsDir() {
		at, stem = filepath.Dir(where), filepath.Base(where)
	}
	root, err := os.OpenRoot(at)
	if err != nil {
		return nil, files, durable.Explain(err, at)
	}
	dir = &folder{path: at, root: root}
	names, err := dir.list(".")
	if err != nil {
		root.Close()
		return nil, files, err
	}
	for i, side := range cortex.Sides {
		var found []string
		for _, name := range names {
			rest, ok := strings.CutPrefix(name, side+".")
			if ok && (stem == "" || rest == stem || strings.HasPrefix(rest, stem+".")) && hasForm(name, numberForms...) {
				found = append(found, name)
			}
		}
		switch {
		case len(found) == 1:
			files[i] = found[0]
		case len(found) > 1:
			root.Close()
			return nil, files, fault.Inputf("%s: %s has several files of %s: %s", key, where, side, strings.Join(found, ", ")).
				Remedy("name one by its stem: %s", filepath.Join(at, strings.TrimPrefix(found[0], side+".")))
		}
	}
	if files == [2]string{} {
		root.Close()
		return nil, files, fault.Inputf("%s: %s names no file lh.* or rh.* that ends in %s", key, where, strings.Join(numberForms, " ")).
			Remedy("name the folder, or the folder and the files' stem: data/nsdgeneral for data/lh.nsdgeneral.mgz and data/rh.nsdgeneral.mgz")
	}
	return dir, files, nil
}

// givenMask reads the mask that was asked for: for each vertex of a hemisphere of size vertices whether it is inside.
// nil: none was asked for.
func (b *builder) givenMask(sizes ...int) (inside [][]bool, err error) {
	where := b.options.Mask
	if where == "" {
		return nil, nil
	}
	dir, files, err := pair("mask", where)
	if err != nil {
		return nil, err
	}
	defer dir.root.Close()
	for i, name := range files {
		size := sizes[min(i, len(sizes)-1)]
		if name == "" {
			inside = append(inside, make([]bool, size))
			continue
		}
		_, values, err := dir.whole(name)
		if err != nil {
			return nil, err
		}
		one, err := maskOf(values, size)
		if err != nil {
			return nil, named("mask-codes", fileFault(err, dir.place(name)))
		}
		inside = append(inside, one)
	}
	return inside, nil
}

// maskOf understands a mask of NSD's codes, -1 not cortex, 0 outside, 1 inside, and sums of masks (2).
func maskOf(values []int64, size int) ([]bool, error) {
	if len(values) != size && !slices.Contains([]int{10242, 40962, 163842}, len(values)) || len(values) < size {
		return nil, fault.Inputf("the mask has %d values, the surface of a hemisphere %d", len(values), size)
	}
	inside := make([]bool, size)
	n := 0
	for v, x := range values[:size] {
		if x < -1 || x > 2 {
			return nil, fault.Inputf("the mask holds %d (at vertex %d); -1 and 0 (outside), 1 and 2 (inside) are known", x, v).Remedy("a map of labels is no mask: save labels > 0")
		}
		if x > 0 {
			inside[v], n = true, n+1
		}
	}
	return inside, nil
}

// narrow leaves the units inside the mask that was asked for.
func (b *builder) narrow() error {
	if b.options.Mask == "" {
		return nil
	}
	s := b.s
	if s.Geometry == nil {
		return named("masks", fault.Inputf("mask: the units of %s have no places on a surface", s.Name).Remedy("leave units out of the responses instead"))
	}
	var sizes []int
	for _, h := range s.Geometry.Hemis {
		n := 0
		if h != nil {
			n = h.N()
		}
		sizes = append(sizes, n)
	}
	inside, err := b.givenMask(sizes...)
	if err != nil {
		return err
	}
	var keep []int
	for u, side := range s.Hemi {
		if inside[cortex.Side(side)][s.Vertex[u]] {
			keep = append(keep, u)
		}
	}
	if len(keep) == 0 {
		return named("masks", fault.Inputf("mask: none of the %d units of %s lies in %s", s.Units, s.Name, b.options.Mask))
	}
	s.keep(keep)
	return nil
}

// keep leaves only some units, given by their ascending places.
func (s *Subject) keep(units []int) {
	if len(units) == s.Units {
		return
	}
	if s.Responses != nil {
		rows := s.Images.Len()
		out := make([]float32, 0, rows*len(units)) // what is there may be a file's pages
		for i := range rows {
			row := s.Responses[i*s.Units:][:s.Units]
			for _, u := range units {
				out = append(out, row[u])
			}
		}
		s.Responses = out
	}
	s.Hemi, s.Vertex, s.Positions = chosen(s.Hemi, units), chosen(s.Vertex, units), chosen(s.Positions, units)
	s.ROIs, s.Ceiling, s.NCSNR = chosen(s.ROIs, units), chosen(s.Ceiling, units), chosen(s.NCSNR, units)
	s.Units = len(units)
	s.recount()
}

// recount counts the regions' units again; those that are gone lie outside now.
func (s *Subject) recount() {
	have := map[string]int{}
	for _, in := range s.ROIs {
		for _, roi := range in {
			have[roi]++
		}
	}
	for i := range s.Regions {
		r := &s.Regions[i]
		r.Outside += r.Units - have[r.Name]
		r.Units = have[r.Name]
	}
}

func chosen[T any](all []T, at []int) []T {
	if all == nil {
		return nil
	}
	out := make([]T, len(at))
	for i, k := range at {
		out[i] = all[k]
	}
	return out
}

// optimisticTrials is taken where nobody knows how many trials were averaged: as many as NSD showed at most
// (paper.md 3.4).
const optimisticTrials = 3

// givenCeiling reads the noise ceilings, or ncsnr by the files' name, that were asked for.
func (b *builder) givenCeiling() error {
	where := b.options.Ceiling
	if where == "" {
		return nil
	}
	s := b.s
	dir, files, err := pair("ceiling", where)
	if err != nil {
		return named("ceiling", err)
	}
	defer dir.root.Close()
	s.NCSNR = nil
	s.Ceiling = make([]float32, s.Units)
	for u := range s.Ceiling {
		s.Ceiling[u] = float32(math.NaN())
	}
	ncsnr := false
	for i, name := range files {
		if name == "" {
			continue
		}
		ncsnr = strings.Contains(strings.ToLower(name), "ncsnr")
		if err := b.readCeiling(dir, name, cortex.Sides[i], ncsnr); err != nil {
			return err
		}
	}
	switch {
	case !ncsnr:
	case s.Trials != nil:
		s.NCSNR = s.Ceiling
		all := make([]int, s.Images.Len())
		for i := range all {
			all[i] = i
		}
		s.Ceiling = s.CeilingOf(all)
	default:
		for u, x := range s.Ceiling {
			s.Ceiling[u] = float32(stats.Ceiling(float64(x), 1/float64(optimisticTrials)))
		}
		s.warn("ceiling-optimistic", fmt.Sprintf("%s: nobody counted the trials behind the responses; ceilings are of %d trials, the most that there were, so that R²/ceiling comes out too low",
			s.Name, optimisticTrials))
	}
	return nil
}

// readCeiling puts a hemisphere's file into s.Ceiling: a number a unit of it, or a number a vertex.
func (b *builder) readCeiling(dir *folder, name, side string, ncsnr bool) error {
	s, at := b.s, dir.place(name)
	_, values, err := dir.numbers(name)
	if err != nil {
		return err
	}
	units, counts := b.unitsOf(side)
	size := 0
	if s.Geometry != nil && s.Geometry.Hemi(side) != nil {
		size = s.Geometry.Hemi(side).N()
	}
	perVertex := size > 0 && (len(values) == size || len(values) > size && nested(s.Surface, len(values)))
	if !perVertex && len(values) != len(units) {
		return named("ceiling-count", fault.Inputf("the file has %d values, the subject %s on a surface of %d vertices", len(values), counts, size).In("%s", at).
			Remedy("give a value a vertex of the surface, or a value a unit"))
	}
	what, most := "noise ceiling", 1.0
	if ncsnr {
		what, most = "ncsnr", 10
	}
	for i, u := range units {
		x := values[min(i, len(values)-1)]
		if perVertex {
			x = values[s.Vertex[u]]
		}
		if x < 0 || x > most {
			e := fault.Inputf("the %s of unit %d is %v, it lies within 0 and %v", what, u, x, most).In("%s", at)
			if slices.Max(values) > 1.5 && !ncsnr {
				e = e.Remedy("the largest is %.1f: percent? divide by 100; ncsnr? then the file's name must say so", slices.Max(values))
			}
			return named("ceiling-range", e)
		}
		s.Ceiling[u] = float32(x)
	}
	return nil
}
