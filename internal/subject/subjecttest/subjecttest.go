// Package subjecttest writes subjects that tests can afford, plain ones and the challenge's: tiny pictures, few units.
//
// Everything is drawn from a fixed seed, so that the same form is the same bytes wherever it is written.
// Each picture has four quarters of random brightness, and every unit follows one of them with some noise:
// there is something to be found, though nobody should care how well.
package subjecttest

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"strings"

	"cortexmap/internal/neuroio/npy"
)

// Small is the form of a subject.
type Small struct {
	Pictures  int    // PNG files
	Windows   int    // of each picture: rows of images.csv; 0: no list, every picture once
	Units     int    // columns of the responses
	Positions string // csv, mask (vertices of fsaverage5) or none
}

// side is the pictures' width and height in pixels.
const side = 48

// Write fills dir, which is made.
func (s Small) Write(dir string) error {
	rng := rand.New(rand.NewPCG(7, 7))
	files := map[string][]byte{}
	names, light, err := s.pictures(rng, files)
	if err != nil {
		return err
	}
	if err := s.responses(rng, files, s.list(files, names), light); err != nil {
		return err
	}
	places, err := s.places(files)
	if err != nil {
		return err
	}
	files["subject.yaml"] = []byte(s.yaml(places))
	return write(dir, files)
}

// pictures are the pictures' names and the brightness of their quarters.
func (s Small) pictures(rng *rand.Rand, files map[string][]byte) (names []string, light [][4]float64, err error) {
	for i := range s.Pictures {
		img, l := picture(rng)
		var buf bytes.Buffer
		if err := png.Encode(&buf, img); err != nil {
			return nil, nil, err
		}
		names, light = append(names, fmt.Sprintf("p%03d.png", i)), append(light, l)
		files["images/"+names[i]] = buf.Bytes()
	}
	return names, light, nil
}

// responses has a row for each of rows, the picture that it shows.
func (s Small) responses(rng *rand.Rand, files map[string][]byte, rows []int, light [][4]float64) error {
	var data []float32
	for _, picture := range rows {
		for u := range s.Units {
			data = append(data, float32(light[picture][u%4]+0.3*rng.NormFloat64()))
		}
	}
	var buf bytes.Buffer
	err := npy.Write(&buf, data, len(rows), s.Units)
	files["responses.npy"] = buf.Bytes()
	return err
}

// list is the picture of each row; with windows it adds images.csv.
func (s Small) list(files map[string][]byte, names []string) (rows []int) {
	var csv strings.Builder
	csv.WriteString("file,photo,x,y,w,h\n")
	for i, name := range names {
		if s.Windows == 0 {
			rows = append(rows, i)
		}
		for w := range s.Windows {
			rows = append(rows, i)
			fmt.Fprintf(&csv, "%s,%s,%d,%d,%d,%d\n", name, name, w%16, w/16, side/2+w%7, side/2+w%7)
		}
	}
	if s.Windows > 0 {
		files["images.csv"] = []byte(csv.String())
	}
	return rows
}

// places gives the units positions, or none.
func (s Small) places(files map[string][]byte) (yaml string, err error) {
	switch s.Positions {
	case "none":
		return "", nil
	case "csv":
		var csv strings.Builder
		csv.WriteString("x,y,z\n")
		for u := range s.Units {
			a := 2 * math.Pi * float64(u) / float64(s.Units)
			fmt.Fprintf(&csv, "%.3f,%.3f,%.3f\n", 20*math.Cos(a), 20*math.Sin(a), float64(u))
		}
		files["positions.csv"] = []byte(csv.String())
		return "positions: {csv: positions.csv}\n", nil
	case "mask":
		vertices := make([]int32, s.Units/2)
		for i := range vertices {
			vertices[i] = int32(100 + 7*i)
		}
		var buf bytes.Buffer
		err := npy.Write(&buf, vertices, len(vertices))
		files["lh.mask.npy"] = buf.Bytes()
		files["rh.mask.npy"] = buf.Bytes()
		return "positions: {surface: fsaverage5, mask: {lh: lh.mask.npy, rh: rh.mask.npy}}\n", err
	}
	return "", fmt.Errorf("positions %q: csv, mask or none", s.Positions)
}

func (s Small) yaml(places string) string {
	var y strings.Builder
	y.WriteString("format: 1\nname: small\nlicence: none, made by a test\nimages:\n  folder: images\n")
	if s.Windows > 0 {
		y.WriteString("  list: images.csv\n")
	}
	y.WriteString("responses: {file: responses.npy}\n" + places + "rois:\n  - {name: all}\n")
	return y.String()
}

// picture is a smooth picture with some noise, and the brightness (0..1) of its four quarters.
func picture(rng *rand.Rand) (*image.RGBA, [4]float64) {
	light := light(rng)
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			l := light[2*(2*y/side)+2*x/side]
			img.SetRGBA(x, y, color.RGBA{grey(l, rng), grey(l, rng), grey(1-l, rng), 255})
		}
	}
	return img, light
}

// light draws the brightness of four quarters.
func light(rng *rand.Rand) (l [4]float64) {
	for q := range l {
		l[q] = 0.1 + 0.8*rng.Float64()
	}
	return l
}

func grey(l float64, rng *rand.Rand) uint8 {
	return uint8(255 * min(1, max(0, l+0.05*rng.NormFloat64())))
}
