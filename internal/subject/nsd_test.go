package subject

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"testing"

	"cortexmap/internal/neuroio/matlab"
	"cortexmap/internal/neuroio/mgh"
	"cortexmap/internal/neuroio/neuroiotest"
	"cortexmap/internal/stats"
	"cortexmap/internal/subject/subjecttest"
)

// tinyNSD has vertices at both ends of the surface; rh has more of them, one of each lacks numbers.
var tinyNSD = subjecttest.NSD{Subject: 6, Sessions: 5, Trials: 20, Brick: 80, Lacking: true, HDF5: true,
	LH: []int32{0, 7, 11, 200, 10241, 10242, 163841}, RH: []int32{1, 2, 3, 4, 5, 6, 40962, 99999, 163840}}

// nsdTree writes a tree once a test.
func nsdTree(t *testing.T, n subjecttest.NSD) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "nsd")
	if err := n.Write(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func openNSD(t *testing.T, dir string, o Options) *Subject {
	t.Helper()
	o.Demo = demoFS
	if o.Mask == "" {
		o.Mask = filepath.Join(dir, "nsddata/freesurfer/fsaverage/label/nsdgeneral")
	}
	s, err := Open(context.Background(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Close() })
	return s
}

// rounded: responses are sums of at most five float32 roundings of numbers below 4, then a division: 2^-22 each.
const rounded = 2e-6

func TestNSDEqualsTheRecipe(t *testing.T) {
	dir := nsdTree(t, tinyNSD)
	for _, c := range []struct {
		sessions string
		recipe   *subjecttest.Recipe
	}{{"", tinyNSD.Recipe(false)}, {"challenge", tinyNSD.Recipe(true)}} {
		s := openNSD(t, dir, Options{Sessions: c.sessions, Subject: "subj06"})
		r := c.recipe
		if s.Kind != "nsd" || s.Name != "subj06" || s.Images.Len() != len(r.Train)+len(r.Test) || s.Units != len(r.Kept[0])+len(r.Kept[1]) {
			t.Fatalf("%q: %s %s, %d pictures, %d units", c.sessions, s.Kind, s.Name, s.Images.Len(), s.Units)
		}
		if c.sessions == "challenge" && len(r.Test) < 3 {
			t.Fatalf("the simulated tree has %d test pictures only", len(r.Test))
		}
		var hemi []string
		for range r.Kept[0] {
			hemi = append(hemi, "lh")
		}
		for range r.Kept[1] {
			hemi = append(hemi, "rh")
		}
		if !slices.Equal(s.Vertex, slices.Concat(r.Kept[0], r.Kept[1])) || !slices.Equal(s.Hemi, hemi) {
			t.Fatalf("the units are %v %v", s.Hemi, s.Vertex)
		}
		for i, row := range slices.Concat(r.Train, r.Test) {
			st := s.Images.Stimuli[i]
			if st.Name != subjecttest.PictureName(row) || s.Groups["nsd"][i] != stripped(st.Name) || (i >= len(r.Train)) != (s.Split[i] == "test") {
				t.Errorf("picture %d is %s, group %s, split %q; row %d of the brick was shown", i, st.Name, s.Groups["nsd"][i], s.Split[i], row)
			}
			img, err := s.Images.Pixels(i)
			if err != nil || sha256.Sum256(img.Pix) != st.Digest {
				t.Errorf("picture %d: its identity isn't the SHA-256 of its RGB bytes: %v", i, err)
			}
			for u, want := range slices.Concat(r.TrainData, r.TestData)[i] {
				if got := float64(s.Responses[i*s.Units+u]); math.Abs(got-want) > rounded {
					t.Fatalf("%q: picture %d, unit %d: %v, the recipe has %v", c.sessions, i, u, got, want)
				}
			}
		}
		if !warned(s, "vertices-missing", "1 lh and 1 rh") || !warned(s, "rois-outside", "mTL-faces") {
			t.Errorf("%q: warnings %v", c.sessions, s.Warnings)
		}
	}
}

func stripped(name string) string {
	for name[0] < '1' || name[0] > '9' {
		if name = name[1:]; name == "" {
			return "0"
		}
	}
	return name
}

// Both trees of one subject give the same subject: responses, places, regions, ceilings of the scored pictures, pixels.
func TestNSDEqualsAlgonauts(t *testing.T) {
	dir := nsdTree(t, tinyNSD)
	a := openNSD(t, dir, Options{Sessions: "challenge"})
	tree := filepath.Join(t.TempDir(), "subj06")
	if err := tinyNSD.WriteAlgonauts(tree); err != nil {
		t.Fatal(err)
	}
	b, err := Open(context.Background(), tree, Options{Demo: demoFS})
	if err != nil {
		t.Fatal(err)
	}
	defer b.Close()
	if a.Images.Len() != b.Images.Len() || !slices.Equal(a.Vertex, b.Vertex) || !slices.Equal(a.Hemi, b.Hemi) || !slices.Equal(a.Positions, b.Positions) || !slices.Equal(a.Split, b.Split) ||
		!slices.Equal(a.Groups["nsd"], b.Groups["nsd"]) {
		t.Fatal("pictures, places or splits differ")
	}
	for u := range a.ROIs {
		if !slices.Equal(a.ROIs[u], b.ROIs[u]) {
			t.Errorf("unit %d lies in %v and %v", u, a.ROIs[u], b.ROIs[u])
		}
	}
	for i, x := range a.Responses {
		if math.Abs(float64(x-b.Responses[i])) > rounded {
			t.Fatalf("response %d is %v and %v", i, x, b.Responses[i])
		}
	}
	var test []int
	for i, side := range a.Split {
		if side == "test" {
			test = append(test, i)
		}
		p, err1 := a.Images.Pixels(i)
		q, err2 := b.Images.Pixels(i)
		if err1 != nil || err2 != nil || !slices.Equal(p.Pix, q.Pix) {
			t.Fatalf("picture %d differs: %v %v", i, err1, err2)
		}
	}
	for u, x := range a.CeilingOf(test) {
		if math.Abs(float64(x-b.CeilingOf(test)[u])) > 1e-6 { // float32
			t.Errorf("the ceiling of unit %d is %v and %v", u, x, b.Ceiling[u])
		}
	}
}

// NumPy, nibabel, SciPy and h5py read the same numbers in the tree, and their means are ours.
func TestNSDEqualsNumPy(t *testing.T) {
	n := tinyNSD
	n.HDF5 = false
	dir := nsdTree(t, n)
	var want struct {
		Rows      []int
		Responses [][]float64
		Pixels    []int
	}
	neuroiotest.Python(t, "numpy, nibabel, scipy.io, h5py", `
import json, sys, numpy as np, nibabel as nib, scipy.io, h5py
root, s = sys.argv[1], 6
e = scipy.io.loadmat(root + "/nsddata/experiments/nsd/nsd_expdesign.mat")
sessions, trials = 5, 20
rows = (e["subjectim"].astype(int) - 1)[s - 1, (e["masterordering"].astype(int) - 1)[0]][:sessions * trials]
out = []
for side in "lh", "rh":
    mask = nib.load(f"{root}/nsddata/freesurfer/fsaverage/label/{side}.nsdgeneral.mgz").get_fdata().squeeze() > 0
    z = []
    for k in range(sessions):
        b = nib.load(f"{root}/nsddata_betas/ppdata/subj06/fsaverage/betas_fithrf_GLMdenoise_RR/{side}.betas_session{k+1:02d}.mgh").get_fdata().squeeze()[mask]
        z.append((b - b.mean(1, keepdims=True)) / b.std(1, keepdims=True))
    out.append(np.concatenate(z, 1))
z = np.concatenate(out)
z = z[~np.isnan(z).any(1)]
ids = np.unique(rows)
m = np.stack([z[:, rows == i].mean(1) for i in ids])
p = h5py.File(root + "/nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5")["imgBrick"]
print(json.dumps({"Rows": ids.tolist(), "Responses": m.tolist(), "Pixels": [int(p[i].astype(int).sum()) for i in ids]}))`, &want, dir)
	s := openNSD(t, dir, Options{})
	if s.Images.Len() != len(want.Rows) {
		t.Fatalf("%d pictures, NumPy finds %d", s.Images.Len(), len(want.Rows))
	}
	for i, row := range want.Rows {
		if s.Images.Stimuli[i].Name != subjecttest.PictureName(row) {
			t.Errorf("picture %d is %s, NumPy's is %d", i, s.Images.Stimuli[i].Name, row)
		}
		img, err := s.Images.Pixels(i)
		if err != nil {
			t.Fatal(err)
		}
		sum := 0
		for _, x := range img.Pix {
			sum += int(x)
		}
		if sum != want.Pixels[i] {
			t.Errorf("picture %d has the sum %d, h5py's %d", i, sum, want.Pixels[i])
		}
		for u, x := range want.Responses[i] {
			if math.Abs(float64(s.Responses[i*s.Units+u])-x) > rounded {
				t.Fatalf("picture %d, unit %d: %v, NumPy has %v", i, u, s.Responses[i*s.Units+u], x)
			}
		}
	}
}

// The first shared trials of subject 1, as its users publish them (neuro.md 2.2): the brick's rows 46002, 48617, 44980,
// 32625 at the trials 0, 28, 35, 44, the last again at 90; in the files these ids stand one higher.
func TestNSDKnownPairs(t *testing.T) {
	known := map[int]int{0: 46002, 28: 48617, 35: 44980, 44: 32625, 90: 32625}
	order := make([]float64, 91)
	im := &matlab.Value{Dims: []int{8, 10000}, Numbers: make([]float64, 80000)}
	for i := range im.Numbers {
		im.Numbers[i] = float64(i/8 + 1)
	}
	for t := range order {
		order[t] = float64(2000 + t + 1)
		if row, ok := known[t]; ok {
			order[t] = float64(row%1000 + 1)
			im.Numbers[8*(row%1000)] = float64(row + 1)
		}
	}
	d, err := newDesign(order, im, []float64{2951, 72949}, 1)
	if err != nil {
		t.Fatal(err)
	}
	for trial, row := range known {
		if d.picture[trial] != row {
			t.Errorf("trial %d showed %d, published is %d", trial, d.picture[trial], row)
		}
	}
	if d.picture[1] != 2001 || !d.shared[2950] || !d.shared[72948] || d.shared[2951] {
		t.Errorf("trial 1 showed %d; shared are %v", d.picture[1], d.shared)
	}
	order[3] = 0
	_, err = newDesign(order, im, nil, 1)
	neuroiotest.Refused(t, err, "counts from 1 here")
}

// A longer recording takes no more memory but for the pictures: one session's block is used again for the next.
func TestNSDTakesOneSessionAtATime(t *testing.T) {
	took := func(sessions int) uint64 {
		n := tinyNSD
		n.Sessions, n.Lacking, n.HDF5, n.Trials = sessions, false, false, 10
		dir := nsdTree(t, n)
		f, err := openFolder(dir)
		if err != nil {
			t.Fatal(err)
		}
		b := &nsd{builder: &builder{folder: f, options: Options{Demo: demoFS}, s: &Subject{}}} // without a mask: all vertices
		defer b.abandon()
		for _, st := range b.steps()[:6] {
			if err := st.do(context.Background()); err != nil {
				t.Fatal(err)
			}
		}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		if err := b.values(context.Background()); err != nil {
			t.Fatal(err)
		}
		runtime.ReadMemStats(&after)
		return after.TotalAlloc - before.TotalAlloc - 4*uint64(len(b.s.Responses))
	}
	few, many := took(2), took(6)
	session := uint64(4 * 10 * 163842)
	// Besides the block there are two buffers of 32 Ki numbers and the stream's for each file, 0.4 MB, and a few numbers a vertex.
	if file := uint64(1 << 19); few > 2*(session+2*file)+60*163842 || many > few+8*file {
		t.Errorf("2 sessions take %d bytes beside the responses, 6 take %d; one session of a hemisphere is %d", few, many, session)
	}
}

func TestNSDCeilings(t *testing.T) {
	dir := nsdTree(t, tinyNSD)
	s := openNSD(t, dir, Options{Sessions: "3"})
	shown := tinyNSD.Shown()[:60]
	for i := range s.Images.Len() {
		k := 0
		for _, row := range shown {
			if subjecttest.PictureName(row) == s.Images.Stimuli[i].Name {
				k++
			}
		}
		if s.Trials[i] != k {
			t.Errorf("picture %d: %d trials, want %d", i, s.Trials[i], k)
		}
	}
	some := []int{0, 3, 7}
	for u, v := range s.Vertex {
		x := float64(subjecttest.NSDNCSNR(v))
		q := (1/float64(s.Trials[0]) + 1/float64(s.Trials[3]) + 1/float64(s.Trials[7])) / 3
		if got, want := float64(s.CeilingOf(some)[u]), stats.Ceiling(x, q); math.Abs(got-want) > 1e-6 {
			t.Errorf("unit %d: ceiling %v, want %v", u, got, want)
		}
	}
}

// linked copies a tree by hard links, so that files can be replaced in the copy alone.
func linked(t *testing.T, dir string) string {
	t.Helper()
	out := filepath.Join(t.TempDir(), "nsd")
	err := filepath.WalkDir(dir, func(path string, d os.DirEntry, err error) error {
		if err != nil {
			return err
		}
		rel, err := filepath.Rel(dir, path)
		if err != nil {
			return err
		}
		if d.IsDir() {
			return os.MkdirAll(filepath.Join(out, rel), 0o777)
		}
		return os.Link(path, filepath.Join(out, rel))
	})
	if err != nil {
		t.Fatal(err)
	}
	return out
}

// put replaces a file of a linked tree; nil removes it.
func put(t *testing.T, dir, name string, data []byte) {
	t.Helper()
	path := filepath.Join(dir, filepath.FromSlash(name))
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	if data == nil {
		return
	}
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
}

// Each fault in an NSD tree is found by its word, with a remedy where there is one, and Open refuses it too.
func TestNSDFaults(t *testing.T) {
	n := tinyNSD
	n.Sessions, n.Lacking, n.HDF5 = 4, false, false
	clean := nsdTree(t, n)
	o := Options{Demo: demoFS, Mask: filepath.Join(clean, "nsddata/freesurfer/fsaverage/label/nsdgeneral")}
	r, err := Check(context.Background(), clean, o)
	if err != nil || !r.Clean() || r.Kind != "nsd" || r.Counts["sessions"] != 4 || r.Counts["units"] != 16 || r.Counts["ncsnr_median"] == nil {
		t.Fatalf("the clean tree: %v %+v", err, r)
	}
	if got := r.ids(Warn); !slices.Equal(got, []string{"counts-published", "few-pictures"}) {
		t.Errorf("the clean tree has warnings %v", got)
	}
	const betas, experiment, fsaverage, own = "nsddata_betas/ppdata/subj06/fsaverage/betas_fithrf_GLMdenoise_RR/", "nsddata/experiments/nsd/", "nsddata/freesurfer/fsaverage/label/", "nsddata/freesurfer/subj06/label/"
	mat := func(order, im, shared []float64) []byte {
		return neuroiotest.MAT(neuroiotest.Array{Name: "masterordering", Dims: []int{1, len(order)}, Data: order}, neuroiotest.Array{Name: "sharedix", Dims: []int{1, len(shared)}, Data: shared},
			neuroiotest.Array{Name: "subjectim", Dims: []int{8, len(im) / 8}, Data: im})
	}
	repeat := func(x float64, k int) []float64 { return slices.Repeat([]float64{x}, k) }
	surface := func(x int32, at int, code int32) []byte {
		v := slices.Repeat([]int32{x}, 163842)
		v[at] = code
		var b bytes.Buffer
		if err := mgh.WriteZ(&b, v); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	floats := func(x float32, k int) []byte {
		var b bytes.Buffer
		if err := mgh.Write(&b, slices.Repeat([]float32{x}, k)); err != nil {
			t.Fatal(err)
		}
		return b.Bytes()
	}
	info := func(from, to string) []byte {
		text, err := os.ReadFile(filepath.Join(clean, experiment+"nsd_stim_info_merged.csv"))
		if err != nil {
			t.Fatal(err)
		}
		return []byte(regexp.MustCompile(from).ReplaceAllString(string(text), to))
	}
	shifted := func() []byte { // nsdId counted from 1
		text := string(info("^$", ""))
		return regexp.MustCompile(`0\.2,(\d+),`).ReplaceAllFunc([]byte(text), func(m []byte) []byte {
			id, err := strconv.Atoi(string(m[4 : len(m)-1]))
			if err != nil {
				t.Fatal(err)
			}
			return fmt.Appendf(nil, "0.2,%d,", id+1)
		})
	}
	for _, c := range []struct {
		id, says, file string
		data           []byte
	}{
		{"session-gap", "session 2 of rh is missing", betas + "rh.betas_session02.mgh", nil},
		{"nsd-shape", "fsaverage has 163842 vertices", betas + "lh.betas_session03.mgh", floats(1, 500)},
		{"nsd-shape", "the first one 20", betas + "lh.betas_session03.mgh", floats(1, 163842)},
		{"nsd-sessions", "no MGH file", betas + "lh.betas_session01.mgh", []byte("version https://git-lfs.github.com/spec/v1 and so on and on")},
		{"nsd-design", "does not exist", experiment + "nsd_expdesign.mat", nil},
		{"nsd-design", "the design has 60 trials", experiment + "nsd_expdesign.mat", mat(repeat(1, 60), repeat(1, 8), repeat(1, 3))},
		{"id-base", "NSD counts from 1 here", experiment + "nsd_expdesign.mat", mat(repeat(0, 80), repeat(1, 8), repeat(1, 3))},
		{"id-base", "subjectim has 80000", experiment + "nsd_expdesign.mat", mat(repeat(1, 80), repeat(80000, 8), repeat(1, 3))},
		{"id-base", "one number off", experiment + "nsd_stim_info_merged.csv", shifted()},
		{"nsd-info-differs", "by the table", experiment + "nsd_stim_info_merged.csv", info(`0\.2,\d+,`, "0.2,7,")},
		{"nsd-info", "column nsdId is missing", experiment + "nsd_stim_info_merged.csv", info("nsdId", "id")},
		{"pictures", "does not exist", "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5", nil},
		{"nsd-shape", "imgBrick has the shape", "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5", neuroiotest.HDF5(neuroiotest.Array{Name: "imgBrick", Dims: []int{2, 4, 3}, Data: make([]uint8, 24)})},
		{"nsd-shape", "the brick has 2", "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5", neuroiotest.HDF5(neuroiotest.Array{Name: "imgBrick", Dims: []int{2, 4, 4, 3}, Data: make([]uint8, 96)})},
		{"mask-codes", "a map of labels is no mask", fsaverage + "lh.nsdgeneral.mgz", surface(0, 5, 7)},
		{"ceiling-range", "take the file called ncsnr", betas + "lh.ncsnr.mgh", floats(40, 163842)},
		{"ceiling-count", "ncsnr has 9 values", betas + "rh.ncsnr.mgh", floats(1, 9)},
		{"id-base", "counts from 1", "nsddata/ppdata/subj06/transforms/lh.white-to-fsaverage.mgz", surface(1, 3, 0)},
		{"roi-count", "another subject's", own + "lh.floc-faces.mgz", func() []byte {
			var b bytes.Buffer
			_ = mgh.WriteZ(&b, make([]int32, 12)) // into memory
			return b.Bytes()
		}()},
		{"roi-label", "has no name", fsaverage + "rh.streams.mgz", surface(0, 5, 9)},
		{"mapping", "no number and a name", own + "floc-words.mgz.ctab", []byte("0 Unknown\nOWFA 1\n")},
	} {
		t.Run(c.id+" "+c.says, func(t *testing.T) {
			dir := linked(t, clean)
			put(t, dir, c.file, c.data)
			o := o
			o.Mask = filepath.Join(dir, "nsddata/freesurfer/fsaverage/label/nsdgeneral")
			r, err := Check(context.Background(), dir, o)
			if err != nil {
				t.Fatal(err)
			}
			found(t, r, Fault, c.id)
			if f := r.Findings[slices.IndexFunc(r.Findings, func(f Finding) bool { return f.ID == c.id })]; !strings.Contains(f.What+f.Where+f.Fix, c.says) {
				t.Errorf("%+v lacks %q", f, c.says)
			}
		})
	}
}

// What is asked of a tree that doesn't have it, and trees that aren't whole.
func TestNSDRefusals(t *testing.T) {
	n := tinyNSD
	n.Sessions, n.Lacking, n.HDF5 = 2, false, false
	dir := nsdTree(t, n)
	both := linked(t, dir)
	if err := os.MkdirAll(filepath.Join(both, "nsddata_betas/ppdata/subj03"), 0o777); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		dir  string
		o    Options
		says string
	}{
		{both, Options{}, "say which one"},
		{dir, Options{Subject: "subj01"}, "there are no betas of subj01; there are of subj06"},
		{dir, Options{Sessions: "challenge"}, "withheld the last 3 sessions"},
		{dir, Options{Sessions: "3"}, "2 are here"},
		{dir, Options{Sessions: "some"}, "all, challenge or a number"},
		{dir, Options{Mask: filepath.Join(dir, "none")}, "names no file lh.* or rh.*"},
		{filepath.Join(dir, "nsddata_betas/ppdata"), Options{}, "inside NSD's tree"},
		{filepath.Join(dir, "nsddata_betas/ppdata/subj06"), Options{}, "inside NSD's tree"},
	} {
		c.o.Demo = demoFS
		_, err := Open(context.Background(), c.dir, c.o)
		neuroiotest.Refused(t, err, c.says)
	}
	_, err := plain().withOptions(t, Options{Sessions: "2"})
	neuroiotest.Refused(t, err, "is none")
}

// The check's own estimate of ncsnr is the textbook's over the pictures with three trials.
func TestNSDNCSNRFromTrials(t *testing.T) {
	n := &nsd{builder: &builder{s: &Subject{Trials: []int{3, 2, 3}, Units: 2}}}
	z := [][]float64{{1, 0.5, 1.5}, {-1, -2, -0.4}} // of unit 0, then negated and halved
	n.squares = make([]float64, 2)
	n.s.Responses = make([]float32, 6)
	noise := [2]float64{}
	for i, trials := range map[int][]float64{0: z[0], 2: z[1]} {
		mean := (trials[0] + trials[1] + trials[2]) / 3
		for u, k := range []float64{1, -0.5} {
			n.s.Responses[2*i+u] = float32(k * mean)
			for _, x := range trials {
				n.squares[u] += k * x * k * x
				noise[u] += k * k * (x - mean) * (x - mean) / 2 / 2 // between three trials, mean over two pictures
			}
		}
	}
	n.fromTrials(2)
	for u := range noise {
		if want := math.Sqrt((1 - noise[u]) / noise[u]); n.repeated != 2 || math.Abs(n.squares[u]-want) > 1e-6 { // means in float32
			t.Errorf("unit %d: %v over %d pictures, want %v", u, n.squares[u], n.repeated, want)
		}
	}
}
