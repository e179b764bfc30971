package cortex

import (
	"bufio"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"path"
	"strconv"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/freesurfer"
	"cortexmap/internal/neuroio/gifti"
)

// LoadDemo reads the embedded fsaverage5: geometry/{white,pial,infl,sphere,flat,curv,sulc}_{left,right}.gii.gz.
// fsys is the demo folder itself (what holds geometry/, rois/ and photos/). The flat surfaces keep only
// triangles that lie well: see CleanFlat.
func LoadDemo(fsys fs.FS) (*Geometry, error) {
	g := &Geometry{Name: "fsaverage5"}
	for i, side := range []string{"left", "right"} {
		h, err := loadDemoHemi(fsys, side)
		if err != nil {
			return nil, err
		}
		h.Name = Sides[i]
		g.Hemis[i] = h
	}
	return g, nil
}

// LoadFsaverage gives fsaverage5, 6 or 7: the embedded one, refined by fsaverage's own rule (Fine) where more vertices
// are asked for.
func LoadFsaverage(fsys fs.FS, name string) (*Geometry, error) {
	for n, known := range fsaverage {
		if known == name {
			g, err := LoadDemo(fsys)
			if err != nil {
				return nil, err
			}
			return g.Fine(n)
		}
	}
	return nil, fault.Inputf("%q is not one of fsaverage5, fsaverage6 and fsaverage7", name)
}

func loadDemoHemi(fsys fs.FS, side string) (*Hemisphere, error) {
	h := &Hemisphere{}
	for _, s := range []struct {
		name string
		into **Surface
	}{{"white", &h.White}, {"pial", &h.Pial}, {"infl", &h.Inflated}, {"sphere", &h.Sphere}, {"flat", &h.Flat}} {
		var err error
		if *s.into, err = LoadSurface(fsys, fmt.Sprintf("geometry/%s_%s.gii.gz", s.name, side)); err != nil {
			return nil, err
		}
		if got, want := len((*s.into).Points), len(h.White.Points); got != want {
			return nil, fault.Inputf("%s_%s has %d vertices, white_%s has %d", s.name, side, got, side, want)
		}
	}
	for _, s := range []struct {
		name string
		into *[]float32
	}{{"curv", &h.Curv}, {"sulc", &h.Sulc}} {
		name := fmt.Sprintf("geometry/%s_%s.gii.gz", s.name, side)
		var err error
		if *s.into, err = LoadValues(fsys, name); err != nil {
			return nil, err
		}
		if len(*s.into) != h.N() {
			return nil, fault.Inputf("%s has %d values, the surface has %d vertices", name, len(*s.into), h.N())
		}
	}
	h.Flat = CleanFlat(h.Flat, h.White)
	return h, nil
}

// LoadSurface reads a triangle surface, GIFTI (gzipped or not) or FreeSurfer's own: the first bytes tell.
func LoadSurface(fsys fs.FS, name string) (*Surface, error) {
	return load(fsys, name, func(r *bufio.Reader) (*Surface, error) {
		if head, _ := r.Peek(1); len(head) == 1 && head[0] == 0xff {
			s, err := freesurfer.ReadSurface(r)
			if err != nil {
				return nil, err
			}
			return &Surface{Points: s.Points, Faces: s.Faces}, nil
		}
		f, err := gifti.Read(r)
		if err != nil {
			return nil, err
		}
		points, faces, err := f.Surface()
		return &Surface{Points: points, Faces: faces}, err
	})
}

// LoadValues reads one number a vertex, from the first array of a GIFTI file (.func.gii, .shape.gii) or
// from a curv file of FreeSurfer.
func LoadValues(fsys fs.FS, name string) ([]float32, error) {
	return load(fsys, name, func(r *bufio.Reader) ([]float32, error) {
		if head, _ := r.Peek(1); len(head) == 1 && head[0] == 0xff {
			return freesurfer.ReadCurv(r)
		}
		f, err := gifti.Read(r)
		if err != nil {
			return nil, err
		}
		if len(f.Arrays) == 0 || f.Arrays[0].Floats == nil || len(f.Arrays[0].Dims) != 1 {
			return nil, fault.Inputf("the GIFTI file doesn't begin with one number a vertex")
		}
		return f.Arrays[0].Floats, nil
	})
}

// Labels is a parcellation of one hemisphere.
type Labels struct {
	Names   []string   // of the regions
	Colours [][3]uint8 // of the regions
	Vertex  []int32    // [N] index into Names; -1: none
	Unknown int        // vertices with a value that no region has; they have none
}

// LoadLabels reads a .annot file.
func LoadLabels(fsys fs.FS, name string) (*Labels, error) {
	return load(fsys, name, func(r *bufio.Reader) (*Labels, error) {
		a, err := freesurfer.ReadAnnot(r)
		if err != nil {
			return nil, err
		}
		l := &Labels{Vertex: a.Label, Unknown: a.Unknown}
		for _, region := range a.Regions {
			l.Names = append(l.Names, region.Name)
			l.Colours = append(l.Colours, [3]uint8{region.R, region.G, region.B})
		}
		return l, nil
	})
}

// Vertices lists the vertices of a region, ascending; nil if there is no region of that name.
func (l *Labels) Vertices(region string) []int32 {
	var out []int32
	for v, k := range l.Vertex {
		if k >= 0 && l.Names[k] == region {
			out = append(out, int32(v))
		}
	}
	return out
}

// Area is a row of the demo's visual_rois.csv.
type Area struct {
	Label, Atlas, Group string
	Level               int // 1..7, a rough place along the visual stream
}

// VisualAreas reads rois/visual_rois.csv of the demo folder, in its order.
func VisualAreas(fsys fs.FS) ([]Area, error) {
	return load(fsys, "rois/visual_rois.csv", func(r *bufio.Reader) ([]Area, error) {
		rows, err := csv.NewReader(r).ReadAll()
		if err != nil {
			return nil, fault.Inputf("%w", err)
		}
		if len(rows) < 2 || fmt.Sprint(rows[0]) != "[label atlas group level]" {
			return nil, fault.Inputf("the columns label, atlas, group, level are needed")
		}
		var all []Area
		for i, row := range rows[1:] {
			level, err := strconv.Atoi(row[3])
			if err != nil || level < 1 {
				return nil, fault.Inputf("line %d: the level is %q, a number from 1 is needed", i+2, row[3])
			}
			all = append(all, Area{Label: row[0], Atlas: row[1], Group: row[2], Level: level})
		}
		return all, nil
	})
}

// load opens a file, reads it and gives faults its name.
func load[T any](fsys fs.FS, name string, read func(*bufio.Reader) (T, error)) (out T, err error) {
	f, err := fsys.Open(path.Clean(name))
	if err != nil {
		return out, durable.Explain(err, name)
	}
	defer f.Close()
	out, err = read(bufio.NewReaderSize(io.Reader(f), 1<<16))
	var known *fault.Error
	if errors.As(err, &known) {
		if known.At != "" {
			name += ", " + known.At
		}
		return out, known.In("%s", name)
	}
	return out, durable.Explain(err, name)
}
