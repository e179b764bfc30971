package subjecttest

import (
	"bytes"
	"fmt"
	"image/png"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"

	"cortexmap/internal/neuroio/neuroiotest"
	"cortexmap/internal/neuroio/npy"
)

// Algonauts is a subject of the Algonauts 2023 challenge with few pictures and vertices, and true layout,
// names, types of numbers and traps: masks on all 163,842 vertices whose codes are sums (1 and 2), labels of
// int32, int64 and float64, families that overlap, and a region that this subject lacks (mTL-faces).
type Algonauts struct {
	Pictures, Test int
	LH, RH         []int32 // vertices of fsaverage that take part, ascending
	TestFMRI       bool    // with the responses and ceilings that were released later
}

// wholeSurface is the number of vertices of a hemisphere.
const wholeSurface = 163842

// Families are the challenge's maps of regions, and the regions of the labels 1, 2, …
var Families = []struct {
	Name   string
	Labels []string
}{
	{"prf-visualrois", []string{"V1v", "V1d", "V2v", "V2d", "V3v", "V3d", "hV4"}},
	{"floc-bodies", []string{"EBA", "FBA-1", "FBA-2", "mTL-bodies"}},
	{"floc-faces", []string{"OFA", "FFA-1", "FFA-2", "mTL-faces", "aTL-faces"}},
	{"floc-places", []string{"OPA", "PPA", "RSC"}},
	{"floc-words", []string{"OWFA", "VWFA-1", "VWFA-2", "mfs-words", "mTL-words"}},
	{"streams", []string{"early", "midventral", "midlateral", "midparietal", "ventral", "lateral", "parietal"}},
}

// Label is the label of a vertex in a family, 0 for no region.
func Label(family int, vertex int32) int {
	f := Families[family]
	label := (int(vertex) + 3*family) % (len(f.Labels) + 1)
	if label > 0 && f.Labels[label-1] == "mTL-faces" {
		return 0
	}
	return label
}

// Response is what a vertex (of lh or rh) answers to a picture: the brightness of one of its quarters, with noise.
func (a Algonauts) Response(picture int, side string, vertex int32) float32 {
	light := light(rand.New(rand.NewPCG(11, uint64(picture)))) // what its picture begins with
	rng := rand.New(rand.NewPCG(uint64(picture), uint64(vertex)<<1|uint64(side[0]&1)))
	return float32(light[vertex%4] + 0.2*rng.NormFloat64())
}

// picture is the PNG of a picture, and the brightness of its quarters; test pictures follow the others.
func (a Algonauts) picture(i int) (file []byte, light [4]float64) {
	img, light := picture(rand.New(rand.NewPCG(11, uint64(i))))
	var b bytes.Buffer
	if err := png.Encode(&b, img); err != nil {
		panic(err)
	}
	return b.Bytes(), light
}

// Files are the tree's, by path.
func (a Algonauts) Files() map[string][]byte {
	files := map[string][]byte{}
	for i := range a.Pictures {
		files[TrainingPicture(i)], _ = a.picture(i)
	}
	for i := range a.Test {
		files[fmt.Sprintf("test_split/test_images/test-%04d_nsd-%05d.png", i+1, 17*i+5)], _ = a.picture(a.Pictures + i)
	}
	for k, side := range []string{"lh", "rh"} {
		vertices := [][]int32{a.LH, a.RH}[k]
		a.responses(files, "training_split/training_fmri", side, vertices, 0, a.Pictures)
		if a.TestFMRI {
			a.responses(files, "test_split/test_fmri", side, vertices, a.Pictures, a.Test)
			ceiling := make([]float64, len(vertices))
			for j, v := range vertices {
				ceiling[j] = Ceiling(v)
			}
			files["test_split/noise_ceiling/"+side+"_noise_ceiling.npy"] = array(ceiling, len(ceiling))
		}
		mask := make([]int64, wholeSurface)
		for j, v := range vertices {
			mask[v] = 1 + int64(j%5)/4
		}
		files["roi_masks/"+side+".all-vertices_fsaverage_space.npy"] = array(mask, wholeSurface)
		for f := range Families {
			labels(files, f, side, vertices)
		}
	}
	for _, f := range Families {
		names := map[int]string{0: "Unknown"}
		for l, name := range f.Labels {
			names[l+1] = name
		}
		files["roi_masks/mapping_"+f.Name+".npy"] = neuroiotest.Mapping(names)
	}
	return files
}

// Ceiling is the noise ceiling of a vertex.
func Ceiling(vertex int32) float64 { return float64(vertex%64) / 64 }

// TrainingPicture is the path of a training picture, counted from 0.
func TrainingPicture(i int) string {
	return fmt.Sprintf("training_split/training_images/train-%04d_nsd-%05d.png", i+1, 7*i+2)
}

func (a Algonauts) responses(files map[string][]byte, dir, side string, vertices []int32, from, n int) {
	data := make([]float32, 0, n*len(vertices))
	for i := range n {
		for _, v := range vertices {
			data = append(data, a.Response(from+i, side, v))
		}
	}
	files[dir+"/"+side+"_"+filepath.Base(dir)+".npy"] = array(data, n, len(vertices))
}

// labels writes a family's two maps of a hemisphere.
func labels(files map[string][]byte, family int, side string, vertices []int32) {
	whole := make([]int32, wholeSurface)
	for v := range whole {
		whole[v] = int32(Label(family, int32(v)))
	}
	own := make([]int64, len(vertices))
	asFloats := make([]float64, len(vertices))
	for j, v := range vertices {
		own[j], asFloats[j] = int64(whole[v]), float64(whole[v])
	}
	at := "roi_masks/" + side + "." + Families[family].Name
	files[at+"_fsaverage_space.npy"] = array(whole, wholeSurface)
	files[at+"_challenge_space.npy"] = array(own, len(own))
	if Families[family].Name == "streams" {
		files[at+"_challenge_space.npy"] = array(asFloats, len(own))
	}
}

func array[T npy.Number](data []T, shape ...int) []byte {
	var b bytes.Buffer
	if err := npy.Write(&b, data, shape...); err != nil {
		panic(err)
	}
	return b.Bytes()
}

// PlainFiles are the same subject as a plain folder of the given name, without the test split.
func (a Algonauts) PlainFiles(name string) map[string][]byte {
	whole, files := a.Files(), map[string][]byte{}
	var data []float32
	for i := range a.Pictures {
		files["images/"+filepath.Base(TrainingPicture(i))] = whole[TrainingPicture(i)]
		for _, v := range a.LH {
			data = append(data, a.Response(i, "lh", v))
		}
		for _, v := range a.RH {
			data = append(data, a.Response(i, "rh", v))
		}
	}
	files["responses.npy"] = array(data, a.Pictures, len(a.LH)+len(a.RH))
	files["lh.npy"], files["rh.npy"] = array(a.LH, len(a.LH)), array(a.RH, len(a.RH))
	text := "format: 1\nname: " + name + "\nimages: {folder: images}\nresponses: {file: responses.npy}\n" +
		"positions: {surface: fsaverage7, mask: {lh: lh.npy, rh: rh.npy}}\nrois:\n"
	for _, side := range []string{"lh", "rh"} {
		for _, family := range Families {
			file := side + "." + family.Name + "_challenge_space.npy"
			files[file] = whole["roi_masks/"+file]
			var names []string
			for l, roi := range family.Labels {
				names = append(names, fmt.Sprintf("%d: %s", l+1, roi))
			}
			text += fmt.Sprintf("- {file: %s, hemi: %s, family: %s, names: {%s}}\n", file, side, family.Name, strings.Join(names, ", "))
		}
	}
	files["subject.yaml"] = []byte(text)
	return files
}

// Write fills dir, which is made.
func (a Algonauts) Write(dir string) error { return write(dir, a.Files()) }

// WritePlain fills dir with PlainFiles.
func (a Algonauts) WritePlain(dir string) error { return write(dir, a.PlainFiles(filepath.Base(dir))) }

// write writes files by their paths below dir.
func write(dir string, files map[string][]byte) error {
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
