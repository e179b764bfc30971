package main

import (
	"bytes"
	"fmt"
	"image"
	"image/color"
	"image/png"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"cortexmap/internal/neuroio/npy"
)

// smallSubject is a plain subject folder that a test can afford: tiny pictures, few units. It is drawn
// from a fixed seed, so that the same form is the same bytes wherever it is written.
type smallSubject struct {
	pictures  int    // PNG files
	windows   int    // of each picture, besides none: rows of images.csv; 0: no list, every picture once
	units     int    // columns of the responses
	positions string // csv, mask (vertices of fsaverage5) or none
}

// side is the pictures' width and height in pixels.
const side = 48

// write fills dir, which is made.
func (s smallSubject) write(dir string) error {
	rng := rand.New(rand.NewPCG(7, 7))
	files := map[string][]byte{}
	photos := make([]string, s.pictures)
	light := make([][4]float64, s.pictures) // mean brightness of the quarters, which the units follow
	for i := range photos {
		photos[i] = fmt.Sprintf("p%03d.png", i)
		img, l := picture(rng)
		var buf bytes.Buffer
		if err := png.Encode(&buf, img); err != nil {
			return err
		}
		files["images/"+photos[i]], light[i] = buf.Bytes(), l
	}
	rows := s.list(files, photos)
	responses := make([]float32, 0, len(rows)*s.units)
	for _, photo := range rows {
		for u := range s.units {
			responses = append(responses, float32(light[photo][u%4]+0.3*rng.NormFloat64()))
		}
	}
	var buf bytes.Buffer
	if err := npy.Write(&buf, responses, len(rows), s.units); err != nil {
		return err
	}
	files["responses.npy"] = bytes.Clone(buf.Bytes())
	places, err := s.places(files)
	if err != nil {
		return err
	}
	files["subject.yaml"] = []byte(s.yaml(places))
	for name, data := range files {
		path := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			return err
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			return err
		}
	}
	return nil
}

// list is the photo of each row; with windows it adds images.csv.
func (s smallSubject) list(files map[string][]byte, photos []string) (rows []int) {
	var csv strings.Builder
	csv.WriteString("file,photo,x,y,w,h\n")
	for i, photo := range photos {
		if s.windows == 0 {
			rows = append(rows, i)
		}
		for w := range s.windows {
			rows = append(rows, i)
			fmt.Fprintf(&csv, "%s,%s,%d,%d,%d,%d\n", photo, photo, w%16, w/16, side/2+w%7, side/2+w%7)
		}
	}
	if s.windows > 0 {
		files["images.csv"] = []byte(csv.String())
	}
	return rows
}

// places gives the units positions, or none.
func (s smallSubject) places(files map[string][]byte) (yaml string, err error) {
	switch s.positions {
	case "none":
		return "", nil
	case "csv":
		var csv strings.Builder
		csv.WriteString("x,y,z\n")
		for u := range s.units {
			a := 2 * math.Pi * float64(u) / float64(s.units)
			fmt.Fprintf(&csv, "%.3f,%.3f,%.3f\n", 20*math.Cos(a), 20*math.Sin(a), float64(u))
		}
		files["positions.csv"] = []byte(csv.String())
		return "positions: {csv: positions.csv}\n", nil
	case "mask":
		vertices := make([]int32, s.units/2)
		for i := range vertices {
			vertices[i] = int32(100 + 7*i)
		}
		var buf bytes.Buffer
		err := npy.Write(&buf, vertices, len(vertices))
		files["lh.mask.npy"] = buf.Bytes()
		files["rh.mask.npy"] = buf.Bytes()
		return "positions: {surface: fsaverage5, mask: {lh: lh.mask.npy, rh: rh.mask.npy}}\n", err
	}
	return "", fmt.Errorf("positions %q: csv, mask or none", s.positions)
}

func (s smallSubject) yaml(places string) string {
	var y strings.Builder
	y.WriteString("format: 1\nname: small\nlicence: none, made by a test\nimages:\n  folder: images\n")
	if s.windows > 0 {
		y.WriteString("  list: images.csv\n")
	}
	y.WriteString("responses: {file: responses.npy}\n" + places + "rois:\n  - {name: all}\n")
	return y.String()
}

// picture is a smooth picture with some noise, and the brightness (0..1) of its four quarters.
func picture(rng *rand.Rand) (*image.RGBA, [4]float64) {
	var light [4]float64
	for q := range light {
		light[q] = 0.1 + 0.8*rng.Float64()
	}
	img := image.NewRGBA(image.Rect(0, 0, side, side))
	for y := range side {
		for x := range side {
			l := light[2*(2*y/side)+2*x/side]
			img.SetRGBA(x, y, color.RGBA{grey(l, rng), grey(l, rng), grey(1-l, rng), 255})
		}
	}
	return img, light
}

func grey(l float64, rng *rand.Rand) uint8 {
	return uint8(255 * min(1, max(0, l+0.05*rng.NormFloat64())))
}
