package subject

import (
	"bytes"
	"context"
	"encoding/csv"
	"fmt"
	"image"
	"image/png"
	"io"
	"maps"
	"math"
	"path"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/npy"
	"cortexmap/internal/stimuli"
)

// Export writes the subject as a plain folder, which must not be there: float32 responses with a row a picture,
// which are mapped into memory without a copy ever after; the pictures' own files, or PNG where they lay in an array;
// a list with splits, photographs, windows and groups; places, ceilings, regions and hierarchy.
//
// Open reads the same numbers back. What differs is what the form can't say: noise ceilings are those over all
// pictures (ncsnr with each picture's trials is not kept), pictures that lay in an array are PNG and get the digest of
// that file, and a surface of the subject's own becomes a list of places.
func Export(ctx context.Context, s *Subject, dir string) error {
	if durable.Exists(dir) {
		return fault.Inputf("%s exists already", dir).Remedy("choose another folder, or remove it")
	}
	if s.Responses == nil {
		return fmt.Errorf("subject: Export: %s has no responses", s.Name)
	}
	partial, err := durable.OpenDir(dir)
	if err != nil {
		return err
	}
	e := &exporter{s: s, dir: partial.Path}
	for _, do := range []func() error{
		func() error { return e.pictures(ctx) }, e.list, func() error { return e.responses(ctx) }, e.places, e.ceiling, e.rois, e.hierarchy, e.head,
	} {
		if err := do(); err != nil {
			partial.Discard()
			return err
		}
	}
	return partial.Commit()
}

type exporter struct {
	s     *Subject
	dir   string
	names []string // of each picture's file, below images
	yaml  strings.Builder
}

// line writes a line of subject.yaml.
func (e *exporter) line(format string, args ...any) { fmt.Fprintf(&e.yaml, format+"\n", args...) }

// file writes one of the folder's files.
func (e *exporter) file(name string, write func(io.Writer) error) error {
	f, err := durable.Create(filepath.Join(e.dir, filepath.FromSlash(name)))
	if err != nil {
		return err
	}
	defer f.Abort()
	if err := write(f); err != nil {
		return durable.Explain(err, f.Name())
	}
	return f.Commit()
}

func (e *exporter) pictures(ctx context.Context) error {
	written := map[string]bool{}
	for i := range e.s.Images.Stimuli {
		if err := ctx.Err(); err != nil {
			return err
		}
		data, err := e.s.Images.Encoded(i)
		if err != nil {
			return err
		}
		name := e.s.Images.Stimuli[i].Name
		if data == nil {
			img, err := e.s.Images.Pixels(i)
			if err != nil {
				return err
			}
			name += ".png"
			if data, err = encodePNG(img); err != nil {
				return err
			}
		}
		if e.names = append(e.names, name); written[name] {
			continue
		}
		written[name] = true
		if err := e.file("images/"+name, func(w io.Writer) error { _, err := w.Write(data); return err }); err != nil {
			return err
		}
	}
	return nil
}

func encodePNG(img *stimuli.RGB) ([]byte, error) {
	out := image.NewNRGBA(image.Rect(0, 0, img.W, img.H))
	for i := range img.W * img.H {
		copy(out.Pix[4*i:], img.Pix[3*i:3*i+3])
		out.Pix[4*i+3] = 255
	}
	var b bytes.Buffer
	err := png.Encode(&b, out)
	return b.Bytes(), err
}

// list is images.csv.
func (e *exporter) list() error {
	s := e.s
	groups := slices.Sorted(maps.Keys(s.Groups))
	header := append([]string{"file", "photo", splitColumn, "x", "y", "w", "h", "mirror"}, groups...)
	return e.file("images.csv", func(to io.Writer) error {
		w := csv.NewWriter(to)
		if err := w.Write(header); err != nil {
			return err
		}
		for i := range s.Images.Stimuli {
			st := &s.Images.Stimuli[i]
			row := []string{e.names[i], s.Photo[i], s.Split[i], "", "", "", "", ""}
			if r := st.Window; r != nil {
				mirror := "0"
				if r.Mirror {
					mirror = "1"
				}
				row = []string{e.names[i], s.Photo[i], s.Split[i], strconv.Itoa(r.X), strconv.Itoa(r.Y), strconv.Itoa(r.W), strconv.Itoa(r.H), mirror}
			}
			for _, g := range groups {
				row = append(row, s.Groups[g][i])
			}
			if err := w.Write(row); err != nil {
				return err
			}
		}
		w.Flush()
		return w.Error()
	})
}

func (e *exporter) responses(ctx context.Context) error {
	s := e.s
	return e.file("responses.npy", func(to io.Writer) error {
		if err := npy.WriteHeader[float32](to, s.Images.Len(), s.Units); err != nil {
			return err
		}
		for i := range s.Images.Len() {
			if err := ctx.Err(); err != nil {
				return err
			}
			if err := npy.WriteElements(to, s.Responses[i*s.Units:][:s.Units]); err != nil {
				return err
			}
		}
		return nil
	})
}

func (e *exporter) places() error {
	s := e.s
	switch {
	case s.Positions == nil:
		return nil
	case sizes[s.Surface] == 0:
		e.line("positions: {csv: positions.csv}")
		return e.file("positions.csv", func(to io.Writer) error {
			w := csv.NewWriter(to)
			if err := w.Write([]string{"x", "y", "z", "hemi"}); err != nil {
				return err
			}
			for u, p := range s.Positions {
				row := []string{"", "", "", s.Hemi[u]}
				for i, x := range p {
					row[i] = strconv.FormatFloat(float64(x), 'g', -1, 32)
				}
				if err := w.Write(row); err != nil {
					return err
				}
			}
			w.Flush()
			return w.Error()
		})
	}
	var files []string
	for _, side := range cortex.Sides {
		var vertices []int32
		for u, h := range s.Hemi {
			if h == side {
				vertices = append(vertices, s.Vertex[u])
			}
		}
		if vertices == nil {
			continue
		}
		files = append(files, fmt.Sprintf("%s: %s.vertices.npy", side, side))
		if err := e.file(side+".vertices.npy", func(to io.Writer) error { return npy.Write(to, vertices, len(vertices)) }); err != nil {
			return err
		}
	}
	e.line("positions: {surface: %s, mask: {%s}}", s.Surface, strings.Join(files, ", "))
	return nil
}

func (e *exporter) ceiling() error {
	s := e.s
	if !slices.ContainsFunc(s.Ceiling, func(x float32) bool { return x == x }) {
		return nil
	}
	e.line("ceiling: {file: ceiling.npy, kind: fraction}")
	return e.file("ceiling.npy", func(to io.Writer) error { return npy.Write(to, s.Ceiling, s.Units) })
}

// rois writes a table a family. Regions that are put together from others of a known family come back by themselves.
func (e *exporter) rois() error {
	known, families := known(), map[string][][2]string{}
	for u, in := range e.s.ROIs {
		for _, roi := range in {
			family := strings.TrimSuffix(strings.TrimSuffix(roi, base(roi)), "/")
			if f := known.family(family); f != nil && f.Combined[base(roi)] != nil {
				continue
			}
			families[family] = append(families[family], [2]string{strconv.Itoa(u), base(roi)})
		}
	}
	if len(families) > 0 {
		e.line("rois:")
	}
	for k, family := range slices.Sorted(maps.Keys(families)) {
		name := fmt.Sprintf("rois%02d.csv", k)
		e.line("- {file: %s, family: %q}", name, family)
		err := e.file(name, func(to io.Writer) error {
			w := csv.NewWriter(to)
			_ = w.Write([]string{"unit", "roi"}) // Flush's error tells
			for _, row := range families[family] {
				_ = w.Write(row[:])
			}
			w.Flush()
			return w.Error()
		})
		if err != nil {
			return err
		}
	}
	return nil
}

func (e *exporter) hierarchy() error {
	if e.s.Hierarchy == nil {
		return nil
	}
	e.line("hierarchy:")
	for _, l := range e.s.Hierarchy {
		var rois []string
		for _, roi := range l.ROIs {
			rois = append(rois, strconv.Quote(roi))
		}
		e.line("- {%q: [%s]}", l.Name, strings.Join(rois, ", "))
	}
	return nil
}

// head writes subject.yaml, whose lines the others collected.
func (e *exporter) head() error {
	s := e.s
	degrees := ""
	if !math.IsNaN(s.StimulusDegrees) {
		degrees = fmt.Sprintf("stimulus_degrees: %v\n", s.StimulusDegrees)
	}
	text := fmt.Sprintf("format: 1\nname: %q\nsimulated: %v\nlicence: %q\nattribution: %q\n%simages: {folder: images, list: images.csv}\nresponses: {file: responses.npy, rows: images}\n%s",
		s.Name, s.Simulated, s.Licence, s.Attribution, degrees, e.yaml.String())
	return durable.WriteFile(path.Join(filepath.ToSlash(e.dir), descriptionName), []byte(text))
}
