package subject

import (
	"context"
	"errors"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/cortex"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/neuroiotest"
	"cortexmap/internal/subject/subjecttest"
)

// tiny has vertices at both ends of the surface; rh has more of them.
var tiny = subjecttest.Algonauts{Pictures: 6, Test: 3, LH: []int32{0, 7, 11, 200, 10241, 10242, 163841}, RH: []int32{1, 2, 3, 4, 5, 6, 40962, 99999, 163840}}

// units are each one's hemisphere and vertex, lh first.
func units(a subjecttest.Algonauts) (hemi []string, vertex []int32) {
	for k, side := range cortex.Sides {
		for _, v := range [][]int32{a.LH, a.RH}[k] {
			hemi, vertex = append(hemi, side), append(vertex, v)
		}
	}
	return hemi, vertex
}

func TestAlgonautsEachValueAtItsVertex(t *testing.T) {
	s := tree(tiny.Files()).mustOpen(t)
	hemi, vertex := units(tiny)
	if s.Kind != "algonauts" || s.Simulated || s.StimulusDegrees != 8.4 || s.Surface != "fsaverage7" || s.Geometry.Hemis[1].N() != 163842 {
		t.Errorf("kind %s, surface %s, %v degrees", s.Kind, s.Surface, s.StimulusDegrees)
	}
	if !slices.Equal(s.Hemi, hemi) || !slices.Equal(s.Vertex, vertex) || s.Units != len(vertex) {
		t.Fatalf("the units are %v %v", s.Hemi, s.Vertex)
	}
	if s.Images.Len() != 6 || s.Images.Stimuli[2].Name != subjecttest.TrainingPicture(2) || s.Groups["nsd"][2] != "16" {
		t.Errorf("the pictures are %v, %v", s.Images.Stimuli, s.Groups)
	}
	for n := range s.Images.Len() {
		for u, v := range vertex {
			if got, want := s.Responses[n*s.Units+u], tiny.Response(n, hemi[u], v); got != want {
				t.Fatalf("picture %d, vertex %d of %s: %v, want %v", n, v, hemi[u], got, want)
			}
		}
	}
	for u, v := range vertex {
		p := s.Geometry.Hemi(hemi[u]).Sphere.Points[v]
		if q := s.Positions[u]; q[1] != p[1] || q[2] != p[2] { // x of the right one is shifted
			t.Errorf("vertex %d of %s lies at %v, its sphere has it at %v", v, hemi[u], q, p)
		}
		var want []string
		for f, family := range subjecttest.Families {
			if l := subjecttest.Label(f, v); l > 0 {
				name := family.Labels[l-1]
				want = append(want, family.Name+"/"+name)
				if whole := map[string]string{"V1v": "V1", "V1d": "V1", "V2v": "V2", "V2d": "V2", "V3v": "V3", "V3d": "V3",
					"FBA-1": "FBA", "FBA-2": "FBA", "FFA-1": "FFA", "FFA-2": "FFA", "VWFA-1": "VWFA", "VWFA-2": "VWFA"}[name]; whole != "" {
					want = append(want, family.Name+"/"+whole)
				}
			}
		}
		slices.Sort(want)
		if !slices.Equal(s.ROIs[u], want) {
			t.Errorf("vertex %d of %s lies in %v, want %v", v, hemi[u], s.ROIs[u], want)
		}
		if !math.IsNaN(float64(s.Ceiling[u])) {
			t.Error("a ceiling is known that nobody gave")
		}
	}
	if len(s.Hierarchy) != 5 || s.Hierarchy[0].ROIs[0] != "prf-visualrois/V1" || s.Hierarchy[4].ROIs[1] != "floc-faces/FFA" {
		t.Errorf("the hierarchy is %v", s.Hierarchy)
	}
	if !warned(s, "rois-outside", "mTL-faces") {
		t.Errorf("the missing region isn't told: %v", s.Warnings)
	}
}

func warned(s *Subject, id, text string) bool {
	return slices.ContainsFunc(s.Warnings, func(w Warning) bool { return w.ID == id && strings.Contains(w.Text, text) })
}

func TestAlgonautsTestSplitWhereReleased(t *testing.T) {
	a := tiny
	a.TestFMRI = true
	s := tree(a.Files()).mustOpen(t)
	if want := []string{"", "", "", "", "", "", "test", "test", "test"}; !slices.Equal(s.Split, want) {
		t.Errorf("split %v", s.Split)
	}
	if s.Groups["nsd"][8] != "39" {
		t.Errorf("ids %v", s.Groups["nsd"])
	}
	hemi, vertex := units(a)
	for u, v := range vertex {
		if got, want := s.Responses[8*s.Units+u], a.Response(8, hemi[u], v); got != want || float64(s.Ceiling[u]) != subjecttest.Ceiling(v) {
			t.Errorf("vertex %d of %s: %v (ceiling %v), want %v", v, hemi[u], got, s.Ceiling[u], want)
		}
	}
	train, val, test, err := Splits(s, SplitOptions{By: "photo", Val: 0.2, Test: 0.1})
	if err != nil || !slices.Equal(test, []int{6, 7, 8}) || len(train)+len(val) != 6 {
		t.Errorf("train %v, val %v, test %v: %v", train, val, test, err)
	}
}

// The same data as a plain folder are the same subject.
func TestAlgonautsEqualsPlainFolder(t *testing.T) {
	challenge := tree(tiny.Files()).mustOpen(t)
	plain := tree(tiny.PlainFiles("same")).mustOpen(t)
	if !slices.Equal(plain.Responses, challenge.Responses) || !slices.Equal(plain.Hemi, challenge.Hemi) || !slices.Equal(plain.Vertex, challenge.Vertex) ||
		!slices.Equal(plain.Positions, challenge.Positions) || plain.Images.Digest() != challenge.Images.Digest() {
		t.Error("responses, places or pictures differ")
	}
	for u := range plain.ROIs {
		if !slices.Equal(challenge.ROIs[u], plain.ROIs[u]) {
			t.Errorf("unit %d: %v, plain %v", u, challenge.ROIs[u], plain.ROIs[u])
		}
	}
}

// Duplicates of a picture are averaged; vertices without data, an absent family and an absent hemisphere stay what they are.
func TestAlgonautsTraps(t *testing.T) {
	t.Run("duplicate", func(t *testing.T) {
		f := tree(tiny.Files())
		f = f.with(subjecttest.TrainingPicture(4), f[subjecttest.TrainingPicture(1)])
		s := f.mustOpen(t)
		if s.Images.Len() != 5 || !warned(s, "duplicate-pictures", "1 picture") || s.NCSNR != nil || s.Trials != nil {
			t.Fatalf("%d pictures, %v", s.Images.Len(), s.Warnings)
		}
		hemi, vertex := units(tiny)
		for u, v := range vertex {
			mean := float32((float64(tiny.Response(1, hemi[u], v)) + float64(tiny.Response(4, hemi[u], v))) / 2)
			if s.Responses[1*s.Units+u] != mean || s.Responses[4*s.Units+u] != tiny.Response(5, hemi[u], v) {
				t.Errorf("unit %d: %v, want %v", u, s.Responses[1*s.Units+u], mean)
			}
		}
	})
	t.Run("no data", func(t *testing.T) {
		f := tree(tiny.Files())
		data := make([]float32, 6*len(tiny.LH))
		for i := range data {
			data[i] = tiny.Response(i/len(tiny.LH), "lh", tiny.LH[i%len(tiny.LH)])
			if i%len(tiny.LH) == 3 {
				data[i] = float32(math.NaN())
			}
		}
		s := f.with("training_split/training_fmri/lh_training_fmri.npy", fortran(data, 6, len(tiny.LH))).mustOpen(t)
		if x := s.Responses[3]; x == x || s.Responses[4] != tiny.Response(0, "lh", tiny.LH[4]) || !warned(s, "dead-units", "1 of 16") {
			t.Errorf("%v, %v", s.Responses[:8], s.Warnings)
		}
	})
	t.Run("an empty hemisphere, no families", func(t *testing.T) {
		a := tiny
		a.LH = nil
		f := tree(a.Files())
		for name := range f {
			if strings.HasPrefix(name, "roi_masks/") && !strings.Contains(name, "all-vertices") {
				delete(f, name)
			}
		}
		s := f.mustOpen(t)
		if s.Units != len(a.RH) || s.Hemi[0] != "rh" || s.Hierarchy != nil || !warned(s, "roi-missing", "6 of 6") {
			t.Errorf("%d units, %v", s.Units, s.Warnings)
		}
	})
	t.Run("without mappings and challenge space", func(t *testing.T) {
		want := tree(tiny.Files()).mustOpen(t)
		f := tree(tiny.Files())
		for name := range f {
			if strings.Contains(name, "mapping_") || strings.Contains(name, "_challenge_space") {
				delete(f, name)
			}
		}
		s := f.mustOpen(t)
		for u := range s.ROIs {
			if !slices.Equal(s.ROIs[u], want.ROIs[u]) {
				t.Errorf("unit %d lies in %v, want %v", u, s.ROIs[u], want.ROIs[u])
			}
		}
		if !warned(s, "mapping-missing", "streams") || s.Digest != want.Digest {
			t.Error("what isn't there isn't told, or changes what was read")
		}
	})
}

// faults are what may be wrong with a tree of the challenge, by the words of subject check.
func algonautsFaults() map[string][]planted {
	masks, fmri := "roi_masks/", "training_split/training_fmri/"
	mask := func(f tree, side string, at int, code int64) tree {
		values := make([]int64, 163842)
		for _, v := range map[string][]int32{"lh": tiny.LH, "rh": tiny.RH}[side] {
			values[v] = 1
		}
		values[at] = code
		return f.with(masks+side+".all-vertices_fsaverage_space.npy", array(values, len(values)))
	}
	swap := func(f tree, a, b string) tree { return f.with(a, f[b]).with(b, f[a]) }
	return map[string][]planted{
		"mask-codes": {{"-1", func(f tree) tree { return mask(f, "lh", 50, -1) }}, {"save mask > 0", func(f tree) tree { return mask(f, "rh", 50, 7) }}},
		"mask-count": {{"has 8 vertices, its responses 7", func(f tree) tree { return mask(f, "lh", 50, 1) }}},
		"hemispheres-swapped": {{"7 lh and 9 rh", func(f tree) tree {
			f = swap(f, "test_split/test_fmri/lh_test_fmri.npy", "test_split/test_fmri/rh_test_fmri.npy")
			f = swap(f, "test_split/noise_ceiling/lh_noise_ceiling.npy", "test_split/noise_ceiling/rh_noise_ceiling.npy")
			return swap(f, fmri+"lh_training_fmri.npy", fmri+"rh_training_fmri.npy")
		}}},
		"row-count":     {{"6 pictures and 7 vertices", func(f tree) tree { return f.with(fmri+"lh_training_fmri.npy", array(make([]float32, 35), 5, 7)) }}},
		"picture-gap":   {{"one before it is missing", func(f tree) tree { return f.with(subjecttest.TrainingPicture(2), nil) }}},
		"picture-name":  {{"copy.png", func(f tree) tree { return f.with("training_split/training_images/copy.png", picture(3)) }}},
		"id-base":       {{"73000", func(f tree) tree { return renamed(f, 5, "train-0006_nsd-73000.png") }}},
		"picture-order": {{"follows 30", func(f tree) tree { return renamed(f, 5, "train-0006_nsd-00001.png") }}},
		"roi-count": {{"the labels are 7, the vertices of rh 9", func(f tree) tree {
			return f.with(masks+"rh.streams_challenge_space.npy", f[masks+"lh.streams_challenge_space.npy"])
		}}},
		"roi-disagree": {{"another label", func(f tree) tree { return f.with(masks+"lh.streams_challenge_space.npy", array(make([]int8, 7), 7)) }}},
		"roi-label": {{"has no name", func(f tree) tree {
			return f.with(masks+"lh.floc-bodies_fsaverage_space.npy", nil).with(masks+"lh.floc-bodies_challenge_space.npy", array([]int8{0, 0, 0, 9, 0, 0, 0}, 7))
		}}},
		"mapping": {{"mapping_streams.npy", func(f tree) tree { return f.with(masks+"mapping_streams.npy", array([]int8{1}, 1)) }}},
		"mask-length": {{"challenge space", func(f tree) tree {
			return f.with(masks+"lh.all-vertices_fsaverage_space.npy", array(make([]int8, 7), 7))
		}}},
		"responses": {{"does not exist", func(f tree) tree { return f.with(fmri+"rh_training_fmri.npy", nil) }},
			{"cut short", func(f tree) tree { return f.with(fmri+"rh_training_fmri.npy", f[fmri+"rh_training_fmri.npy"][:200]) }}},
		"ceiling-range": {{"percent", func(f tree) tree {
			return f.with("test_split/noise_ceiling/lh_noise_ceiling.npy", array([]float64{40, 0, 1, 2, 3, 4, 5}, 7))
		}}},
		"ceiling-count": {{"this subject's", func(f tree) tree {
			return f.with("test_split/noise_ceiling/lh_noise_ceiling.npy", array([]float64{0.4}, 1))
		}}},
	}
}

// planted is a fault in a tree, and what is said of it.
type planted struct {
	says  string
	plant func(tree) tree
}

// renamed gives a training picture another name.
func renamed(f tree, i int, name string) tree {
	old := subjecttest.TrainingPicture(i)
	return f.with(old, nil).with(filepath.Dir(old)+"/"+name, f[old])
}

func TestAlgonautsFaults(t *testing.T) {
	clean := tree(tiny.Files())
	for id, all := range algonautsFaults() {
		for _, p := range all {
			t.Run(id, func(t *testing.T) {
				_, err := p.plant(clean).open(t)
				var e *fault.Error
				if !errors.As(err, &e) || !strings.Contains(e.Error(), p.says) || e.At == "" && !strings.Contains(e.What, ".npy") {
					t.Errorf("got %v, want %q", err, p.says)
				}
			})
		}
	}
}

func TestFoldersThatAreNoSubject(t *testing.T) {
	dir := t.TempDir()
	if err := os.MkdirAll(filepath.Join(dir, "subj03", "training_split"), 0o777); err != nil {
		t.Fatal(err)
	}
	_, err := Open(context.Background(), dir, Options{})
	neuroiotest.Refused(t, err, "subj03")
	if err := os.Mkdir(filepath.Join(dir, "nsddata"), 0o777); err != nil {
		t.Fatal(err)
	}
	_, err = Open(context.Background(), dir, Options{})
	neuroiotest.Refused(t, err, "NSD's folder")
}
