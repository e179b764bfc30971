package subject

import (
	"encoding/csv"
	"fmt"
	"io"
	"io/fs"
	"math"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/fault"
)

// positions fills Hemi, Vertex, Positions, Surface and Geometry.
func (b *builder) positions() error {
	s := b.s
	s.Hemi, s.Vertex = make([]string, s.Units), make([]int32, s.Units)
	for v := range s.Vertex {
		s.Vertex[v] = int32(v)
	}
	switch p := b.d.Positions; {
	case p.CSV != "":
		return b.points()
	case p.NIfTI != "":
		return b.voxels()
	case b.doc.Has("positions"):
		return b.onSurface()
	}
	return nil
}

// points reads x, y, z (and hemi) of every unit.
func (b *builder) points() error {
	name := b.d.Positions.CSV
	_, err := read(b.folder, name, func(r io.Reader) (struct{}, error) { return struct{}{}, b.readPoints(r) })
	return err
}

func (b *builder) readPoints(r io.Reader) error {
	s := b.s
	rows, header, err := readCSV(r)
	if err != nil {
		return err
	}
	for name := range header {
		if !slices.Contains([]string{"x", "y", "z", "hemi"}, name) {
			return fault.Inputf("the column %q is not known; x, y, z and hemi are", name)
		}
	}
	if len(rows) != s.Units {
		return fault.Inputf("%d rows of positions, the responses have %d units", len(rows), s.Units)
	}
	s.Positions = make([][3]float32, s.Units)
	for v, row := range rows {
		for i, axis := range []string{"x", "y", "z"} {
			at, ok := header[axis]
			if !ok {
				return fault.Inputf("the column %s is missing", axis)
			}
			x, err := strconv.ParseFloat(row[at], 32)
			if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
				return fault.Inputf("row %d: %s is %q, a number in mm is needed", v+1, axis, row[at])
			}
			s.Positions[v][i] = float32(x)
		}
		if at, ok := header["hemi"]; ok {
			if s.Hemi[v] = row[at]; s.Hemi[v] != "" && cortex.Side(s.Hemi[v]) < 0 {
				return fault.Inputf("row %d: hemi is %q, lh, rh or nothing is needed", v+1, row[at])
			}
		}
	}
	return nil
}

// readCSV gives the rows below the header, and the place of each column.
func readCSV(r io.Reader) (rows [][]string, header map[string]int, err error) {
	c := csv.NewReader(r)
	c.TrimLeadingSpace = true
	all, err := c.ReadAll()
	if err != nil {
		return nil, nil, fault.Inputf("not comma-separated text with the same number of columns in each row: %w", err)
	}
	if len(all) == 0 {
		return nil, nil, fault.Inputf("the file is empty")
	}
	header = map[string]int{}
	for i, name := range all[0] {
		name = strings.TrimSpace(strings.TrimPrefix(name, "\ufeff"))
		if _, twice := header[name]; twice {
			return nil, nil, fault.Inputf("the column %q stands twice", name)
		}
		header[name] = i
	}
	for _, row := range all[1:] {
		for i := range row {
			row[i] = strings.TrimSpace(row[i])
		}
	}
	return all[1:], header, nil
}

// sizes of the surfaces that may be named, vertices a hemisphere. They are nested: vertex i of a coarse one
// is vertex i of the finer ones.
var sizes = map[string]int{"fsaverage5": 10242, "fsaverage6": 40962, "fsaverage7": 163842}

// onSurface places units on vertices: those of the mask, lh first.
func (b *builder) onSurface() error {
	g, err := b.geometry()
	if err != nil {
		return err
	}
	s := b.s
	var hemi []string
	var vertex []int32
	var counts []string
	for i, side := range cortex.Sides {
		var list []int32
		if n := g.Hemis[i].N(); n > 0 {
			if list, err = b.masked(side, n); err != nil {
				return err
			}
		}
		counts = append(counts, fmt.Sprintf("%d %s", len(list), side))
		for _, v := range list {
			hemi, vertex = append(hemi, side), append(vertex, v)
		}
	}
	if len(vertex) != s.Units {
		return named("mask-count", b.doc.Fault("positions", "the surface gives %d vertices (%s), the responses have %d units", len(vertex), strings.Join(counts, ", "), s.Units).
			Remedy("the masks name the vertices that have responses, lh first"))
	}
	return s.on(g, hemi, vertex)
}

// on places the units on vertices of a geometry.
func (s *Subject) on(g *cortex.Geometry, hemi []string, vertex []int32) (err error) {
	s.Hemi, s.Vertex, s.Surface, s.Geometry = hemi, vertex, g.Name, g
	s.Positions, err = cortex.PositionCodeCoordinates(g, hemi, vertex)
	return err
}

// geometry is the surface that subject.yaml names.
func (b *builder) geometry() (*cortex.Geometry, error) {
	form := b.d.Positions.Surface
	if form.Name == "" {
		return b.ownSurface(form)
	}
	if _, known := sizes[form.Name]; !known {
		return nil, b.doc.Fault("positions.surface", "%q is not known; fsaverage5, fsaverage6, fsaverage7 and files: {lh: …, rh: …} are", form.Name)
	}
	return b.fsaverage(form.Name)
}

// fsaverage is the embedded sphere, refined by fsaverage's own rule where more vertices are asked for.
func (b *builder) fsaverage(name string) (*cortex.Geometry, error) {
	if b.options.Demo == nil {
		return nil, fault.Inputf("the sphere of %s isn't at hand", name).
			Remedy("give its spheres: `surface: {files: {lh: lh.sphere, rh: rh.sphere}}`")
	}
	return cortex.LoadFsaverage(b.options.Demo, name)
}

// ownSurface reads a sphere a hemisphere, and the other shapes that are given; one hemisphere may be missing, it has no
// vertices then.
func (b *builder) ownSurface(form surfaceForm) (*cortex.Geometry, error) {
	g := &cortex.Geometry{Name: "own"}
	for i, side := range cortex.Sides {
		h := &cortex.Hemisphere{Name: side}
		g.Hemis[i] = h
		if form.Files.of(side) == "" {
			continue
		}
		var err error
		if h.Sphere, err = ownFile(b, form.Files.of(side), cortex.LoadSurface); err != nil {
			return nil, err
		}
		for _, s := range []struct {
			name string
			into **cortex.Surface
		}{{form.White.of(side), &h.White}, {form.Inflated.of(side), &h.Inflated}, {form.Flat.of(side), &h.Flat}} {
			if s.name == "" {
				continue
			}
			if *s.into, err = ownFile(b, s.name, cortex.LoadSurface); err != nil {
				return nil, err
			}
			if err := b.sameSize(s.name, len((*s.into).Points), h); err != nil {
				return nil, err
			}
		}
		if name := form.Curv.of(side); name != "" {
			if h.Curv, err = ownFile(b, name, cortex.LoadValues); err != nil {
				return nil, err
			}
			if err := b.sameSize(name, len(h.Curv), h); err != nil {
				return nil, err
			}
		}
		if h.Flat != nil && h.White != nil {
			h.Flat = cortex.CleanFlat(h.Flat, h.White)
		}
	}
	return g, nil
}

// sameSize wants as many vertices as the hemisphere's sphere has.
func (b *builder) sameSize(name string, n int, h *cortex.Hemisphere) error {
	if want := len(h.Sphere.Points); n != want {
		return fault.Inputf("%d vertices, the sphere of %s has %d", n, h.Name, want).In("%s", b.folder.place(name))
	}
	return nil
}

// ownFile reads a file of the subject's folder; what lies outside is refused.
func ownFile[T any](b *builder, name string, load func(fs.FS, string) (T, error)) (out T, err error) {
	file, err := b.open(name)
	if err != nil {
		return out, err
	}
	file.Close()
	if out, err = load(b.root.FS(), name); err != nil {
		return out, fileFault(err, b.folder.place(name))
	}
	return out, nil
}

// masked are the vertices of a hemisphere that have units: all of them without any mask, none where only
// the other hemisphere has one.
func (b *builder) masked(side string, n int) ([]int32, error) {
	masks := b.d.Positions.Mask
	name := masks.of(side)
	if name == "" {
		if masks != (sidesForm{}) {
			return nil, nil
		}
		all := make([]int32, n)
		for v := range all {
			all[v] = int32(v)
		}
		return all, nil
	}
	shape, values, err := b.whole(name)
	if err != nil {
		return nil, err
	}
	list, err := vertices(values, n)
	if err != nil {
		return nil, named("mask-codes", fileFault(fault.Inputf("%v; the array has shape %v", err, shape), b.folder.place(name)))
	}
	return list, nil
}

// vertices understands a mask of n values 0 and 1, or a list of different vertex numbers.
func vertices(values []int64, n int) ([]int32, error) {
	binary := true
	for _, x := range values {
		binary = binary && (x == 0 || x == 1 || x == -1 && len(values) == n) // NSD's -1: not cortex
	}
	if binary && len(values) == n {
		var list []int32
		for v, x := range values {
			if x == 1 {
				list = append(list, int32(v))
			}
		}
		return list, nil
	}
	if binary && len(values) > 2 {
		return nil, fmt.Errorf("the mask has %d values, the surface %d vertices", len(values), n)
	}
	seen := make([]bool, n)
	list := make([]int32, len(values))
	for i, x := range values {
		switch {
		case x < 0 || x >= int64(n):
			return nil, fmt.Errorf("vertex %d is named, the surface has %d", x, n)
		case seen[x] && len(values) == n:
			return nil, fmt.Errorf("a mask holds 0 and 1, this one has %d too (masks of sums: save mask != 0)", slices.Max(values))
		case seen[x]:
			return nil, fmt.Errorf("vertex %d is named twice", x)
		}
		seen[x], list[i] = true, int32(x)
	}
	return list, nil
}
