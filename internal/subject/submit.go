package subject

import (
	"fmt"
	"io"
	"os"
	"path"
	"path/filepath"
	"strconv"

	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/npy"
)

// Submission is what Submit wrote.
type Submission struct {
	Files    [2]string `json:"files"` // of lh and rh
	Pictures int       `json:"pictures"`
	Vertices [2]int    `json:"vertices"` // of lh and rh
	Zeros    int       `json:"zeros"`    // vertices without a prediction, which are 0
}

// Submit writes a submission to the Algonauts 2023 challenge below out, which gets a folder of the subject's name with
// lh_pred_test.npy and rh_pred_test.npy: float32, a row a test picture in the order of the names, a column a vertex of
// the challenge. dir is the challenge's folder of the subject; predictions is what `cortexmap predict` wrote for its
// test pictures (responses.npy, images.csv, units.csv). Vertices that the fit left out are predicted as 0, the mean.
func Submit(dir, predictions, out string) (*Submission, error) {
	f, err := openFolder(dir)
	if err != nil {
		return nil, err
	}
	defer f.root.Close()
	if f.kind != "algonauts" {
		return nil, fault.Inputf("%s is no folder of the Algonauts challenge", dir).Remedy("name the subject's folder, with test_split and roi_masks")
	}
	c := &challenge{builder: &builder{folder: f, s: &Subject{}}}
	pictures, err := c.listed(testPictures, "test")
	if err != nil {
		return nil, err
	}
	root, err := os.OpenRoot(predictions)
	if err != nil {
		return nil, durable.Explain(err, predictions)
	}
	p := &folder{path: predictions, root: root}
	defer root.Close()
	files, err := p.column("images.csv", "file")
	if err != nil {
		return nil, err
	}
	if len(files) != len(pictures) {
		return nil, fault.Inputf("%d pictures were predicted, the test split has %d", len(files), len(pictures)).In("%s", p.place("images.csv")).
			Remedy("cortexmap predict ENCODER.onnx %s", f.place(testPictures))
	}
	for i, name := range files {
		if path.Base(filepath.ToSlash(name)) != path.Base(pictures[i].File) {
			return nil, fault.Inputf("row %d is %s, test picture %d is %s", i+1, name, i+1, path.Base(pictures[i].File)).In("%s", p.place("images.csv")).
				Remedy("predict the whole folder at once: its pictures come in the order of their names")
		}
	}
	return submit(c, p, out, len(pictures))
}

// submit writes the two files.
func submit(c *challenge, p *folder, out string, rows int) (*Submission, error) {
	a, err := p.npy("responses.npy")
	if err != nil {
		return nil, err
	}
	defer a.Close()
	hemi, err := p.column("units.csv", "hemi")
	if err != nil {
		return nil, err
	}
	vertex, err := p.column("units.csv", "vertex")
	if err != nil {
		return nil, err
	}
	if len(a.Shape) != 2 || a.Shape[0] != rows || a.Shape[1] != len(hemi) {
		return nil, fault.Inputf("the predictions have shape %v, %d pictures and %d units are listed", a.Shape, rows, len(hemi)).In("%s", p.place("responses.npy"))
	}
	data, err := a.Float32()
	if err != nil {
		return nil, durable.Explain(err, p.place("responses.npy"))
	}
	s := &Submission{Pictures: rows}
	var all [2][]float32
	used := 0
	for i, side := range cortex.Sides {
		name := path.Join(maskFolder, side+".all-vertices_fsaverage_space.npy")
		_, values, err := c.whole(name)
		if err != nil {
			return nil, err
		}
		h := hemisphere{name: side}
		if err := h.take(values, c.folder.place(name)); err != nil {
			return nil, err
		}
		place := map[string]int{}
		for k, v := range h.mask {
			place[strconv.Itoa(int(v))] = k
		}
		all[i] = make([]float32, rows*len(h.mask))
		for u := range hemi {
			k, ok := place[vertex[u]]
			if hemi[u] != side || !ok {
				continue
			}
			used++
			for r := range rows {
				all[i][r*len(h.mask)+k] = data[r*len(hemi)+u]
			}
		}
		s.Files[i], s.Vertices[i] = filepath.Join(out, c.label(), side+"_pred_test.npy"), len(h.mask)
		if durable.Exists(s.Files[i]) {
			return nil, fault.Inputf("%s exists already", s.Files[i]).Remedy("choose another folder")
		}
	}
	if used != len(hemi) {
		return nil, fault.Inputf("%d of %d predicted units are no vertices of the challenge", len(hemi)-used, len(hemi)).In("%s", p.place("units.csv")).
			Remedy("the encoder was fitted to another subject: take %s's", c.label())
	}
	s.Zeros = s.Vertices[0] + s.Vertices[1] - used
	for i, name := range s.Files {
		if err := writeArray(name, all[i], rows, s.Vertices[i]); err != nil {
			return nil, err
		}
	}
	return s, nil
}

func writeArray(name string, data []float32, shape ...int) error {
	file, err := durable.Create(name)
	if err != nil {
		return err
	}
	defer file.Abort()
	if err := npy.Write(file, data, shape...); err != nil {
		return durable.Explain(err, name)
	}
	return file.Commit()
}

// column is one column of a table.
func (f *folder) column(name, header string) ([]string, error) {
	return read(f, name, func(r io.Reader) ([]string, error) {
		rows, columns, err := readCSV(r)
		if err != nil {
			return nil, err
		}
		at, ok := columns[header]
		if !ok {
			return nil, fault.Inputf("the column %s is missing", header)
		}
		out := make([]string, len(rows))
		for i, row := range rows {
			out[i] = row[at]
		}
		return out, nil
	})
}

// String is for people.
func (s *Submission) String() string {
	return fmt.Sprintf("%d pictures, %d lh and %d rh vertices, %d of them without a prediction (0)", s.Pictures, s.Vertices[0], s.Vertices[1], s.Zeros)
}
