package subject

import (
	"context"
	"fmt"
	"io/fs"
	"math"
	"slices"

	"cortexmap/internal/cortex"
	"cortexmap/internal/fault"
	"cortexmap/internal/stimuli"
)

// SimOptions describe the skeleton of the embedded simulated subject. The zero value takes everything there is.
type SimOptions struct {
	Seed        uint64 // of the windows
	MaxVertices int    // an evenly spread part of the 2,790 vertices; 0: all
	PerPhoto    int    // windows a photograph; 0 and 1: the centre square
	Photos      int    // so many photographs, evenly taken from all in the order of their names; 0: all
	Pictures    fs.FS  // a folder of other photographs; nil: the embedded ones
}

// Simulated is the skeleton of the embedded simulated subject: fsaverage5, the vertices of the 30 visual
// areas of rois/visual_rois.csv (lh first, ascending), each with its region glasser_360/AREA, the sphere's
// coordinates, the seven levels as hierarchy, and windows of the photographs as pictures. It has no responses and
// no ceilings: package synth plants and draws those. fsys is the demo folder.
//
// It takes no context: all that is read is a few megabytes.
func Simulated(fsys fs.FS, o SimOptions) (*Subject, *cortex.Geometry, error) {
	if o.MaxVertices < 0 || o.PerPhoto < 0 || o.Photos < 0 {
		return nil, nil, fault.Inputf("the simulated subject can't have a negative number of vertices, windows or photographs")
	}
	g, err := cortex.LoadDemo(fsys)
	if err != nil {
		return nil, nil, err
	}
	s := &Subject{
		Name: "simulated", Kind: "simulated", Simulated: true, StimulusDegrees: math.NaN(), Surface: g.Name, Geometry: g,
		Attribution: "simulated responses; surfaces: fsaverage5 (FreeSurfer, by way of nilearn); areas: Glasser et al. 2016 (HCP MMP1.0, by way of ENIGMA Toolbox); photographs: see the credits",
		Licence:     "see testdata/demo/LICENCES.md",
	}
	if err := s.simulatedUnits(fsys, g, o.MaxVertices); err != nil {
		return nil, nil, err
	}
	if err := s.simulatedImages(fsys, o); err != nil {
		return nil, nil, err
	}
	s.Digest = s.digest()
	return s, g, nil
}

// simulatedUnits fills everything that is one a unit.
func (s *Subject) simulatedUnits(fsys fs.FS, g *cortex.Geometry, most int) error {
	areas, err := cortex.VisualAreas(fsys)
	if err != nil {
		return err
	}
	var pools []pool
	for i, side := range cortex.Sides {
		labels, err := cortex.LoadLabels(fsys, "rois/"+side+".glasser_360.annot")
		if err != nil {
			return err
		}
		if got, want := len(labels.Vertex), g.Hemis[i].N(); got != want {
			return fault.Inputf("rois/%s.glasser_360.annot has %d vertices, the surface %d", side, got, want)
		}
		rois := visual(labels, areas)
		for _, a := range areas {
			p := pool{side: i, roi: full(a.Atlas, a.Label)}
			for v, roi := range rois {
				if roi == p.roi {
					p.vertices = append(p.vertices, int32(v))
				}
			}
			pools = append(pools, p)
		}
	}
	for _, a := range areas {
		s.Regions = append(s.Regions, Region{Name: full(a.Atlas, a.Label), Source: known().family("glasser").Source})
	}
	for _, p := range pools {
		s.region(p.roi).Outside += len(p.vertices)
	}
	shrink(pools, g, most)
	for _, p := range pools {
		r := s.region(p.roi)
		r.Units, r.Outside = r.Units+len(p.vertices), r.Outside-len(p.vertices)
	}
	slices.SortStableFunc(pools, func(a, b pool) int { return a.side - b.side })
	for i, side := range cortex.Sides {
		roi := map[int32]string{}
		var vertices []int32
		for _, p := range pools {
			if p.side == i {
				vertices = append(vertices, p.vertices...)
				for _, v := range p.vertices {
					roi[v] = p.roi
				}
			}
		}
		slices.Sort(vertices)
		for _, v := range vertices {
			s.Hemi, s.Vertex, s.ROIs = append(s.Hemi, side), append(s.Vertex, v), append(s.ROIs, []string{roi[v]})
		}
	}
	s.Units = len(s.Vertex)
	s.Hierarchy = levels(areas)
	s.Ceiling = make([]float32, s.Units)
	for v := range s.Ceiling {
		s.Ceiling[v] = float32(math.NaN())
	}
	s.Positions, err = cortex.PositionCodeCoordinates(g, s.Hemi, s.Vertex)
	return err
}

// region is the one of that name, nil if there is none.
func (s *Subject) region(name string) *Region {
	for i := range s.Regions {
		if s.Regions[i].Name == name {
			return &s.Regions[i]
		}
	}
	return nil
}

// visual joins the demo's parcellation with its table of areas: the ROI of each vertex, "" for none.
func visual(labels *cortex.Labels, areas []cortex.Area) []string {
	named := map[string]string{}
	for _, a := range areas {
		named[a.Label] = full(a.Atlas, a.Label)
	}
	out := make([]string, len(labels.Vertex))
	for v, l := range labels.Vertex {
		if l >= 0 {
			out[v] = named[labels.Names[l]]
		}
	}
	return out
}

// levels are the steps of visual_rois.csv in their order: a level of one area bears its name.
func levels(areas []cortex.Area) []Level {
	at := map[int]*Level{}
	var numbers []int
	for _, a := range areas {
		if at[a.Level] == nil {
			at[a.Level] = &Level{Name: a.Label}
			numbers = append(numbers, a.Level)
		}
		at[a.Level].ROIs = append(at[a.Level].ROIs, full(a.Atlas, a.Label))
	}
	slices.Sort(numbers)
	var out []Level
	for _, n := range numbers {
		if len(at[n].ROIs) > 1 {
			at[n].Name = fmt.Sprintf("level %d", n)
		}
		out = append(out, *at[n])
	}
	return out
}

// pool is the vertices of one area of one hemisphere.
type pool struct {
	side     int
	roi      string
	vertices []int32
}

// shrink leaves at most most vertices (0: all), in proportion to the areas' sizes by largest remainder,
// and in each area those that lie farthest from each other on the sphere.
func shrink(pools []pool, g *cortex.Geometry, most int) {
	total := 0
	for _, p := range pools {
		total += len(p.vertices)
	}
	if most == 0 || most >= total {
		return
	}
	type share struct{ pool, whole, rest int }
	shares := make([]share, len(pools))
	left := most
	for i, p := range pools {
		n := len(p.vertices) * most
		shares[i] = share{i, n / total, n % total}
		left -= n / total
	}
	slices.SortStableFunc(shares, func(a, b share) int { return b.rest - a.rest })
	for i := range shares {
		if i < left {
			shares[i].whole++
		}
		p := &pools[shares[i].pool]
		p.vertices = spread(g.Hemis[p.side].Sphere, p.vertices, shares[i].whole)
	}
}

// spread chooses n of some vertices: first the one nearest to their centre, then always the one that is
// farthest from all chosen ones (of equals the first). Gonzalez 1985, farthest-first traversal.
func spread(s *cortex.Surface, vertices []int32, n int) []int32 {
	if n == 0 {
		return nil
	}
	var centre [3]float32
	for _, v := range vertices {
		for i, x := range s.Points[v] {
			centre[i] += x / float32(len(vertices))
		}
	}
	next := 0
	for i, v := range vertices {
		if squared(s.Points[v], centre) < squared(s.Points[vertices[next]], centre) {
			next = i
		}
	}
	distance := make([]float32, len(vertices))
	for i := range distance {
		distance[i] = float32(math.Inf(1))
	}
	var out []int32
	for len(out) < n {
		chosen := vertices[next]
		out = append(out, chosen)
		for i, v := range vertices {
			distance[i] = min(distance[i], squared(s.Points[v], s.Points[chosen]))
		}
		next = slices.Index(distance, slices.Max(distance))
	}
	slices.Sort(out)
	return out
}

func squared(a, b [3]float32) float32 {
	x, y, z := a[0]-b[0], a[1]-b[1], a[2]-b[2]
	return x*x + y*y + z*z
}

// simulatedImages cuts windows out of the photographs.
func (s *Subject) simulatedImages(fsys fs.FS, o SimOptions) error {
	dir, name := "photos", "demo"
	if o.Pictures != nil {
		fsys, dir, name = o.Pictures, ".", "photos"
	}
	photos, err := stimuli.Folder(context.Background(), fsys, dir, stimuli.Options{Name: name})
	if err != nil {
		return err
	}
	if n := photos.Len(); o.Photos > 0 && o.Photos < n {
		rows := make([]int, o.Photos)
		for i := range rows {
			rows[i] = i * n / o.Photos
		}
		photos = photos.Subset(rows)
	}
	if s.Images, err = stimuli.Windows(photos, o.Seed, max(1, o.PerPhoto)); err != nil {
		return err
	}
	place := make([]int, s.Images.Len())
	for i := range place {
		place[i] = i
	}
	s.columns(s.Images, place)
	s.Split = make([]string, s.Images.Len())
	return nil
}
