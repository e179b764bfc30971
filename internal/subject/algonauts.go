package subject

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"math"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/npy"
	"cortexmap/internal/stimuli"
)

// Folders of the challenge, as downloaded.
const (
	trainingFolder   = "training_split"
	trainingPictures = "training_split/training_images"
	trainingFMRI     = "training_split/training_fmri"
	testPictures     = "test_split/test_images"
	testFMRI         = "test_split/test_fmri"
	testCeiling      = "test_split/noise_ceiling"
	maskFolder       = "roi_masks"
)

// challengeSurface is where its vertices lie: fsaverage in full resolution.
const challengeSurface = "fsaverage7"

// challengeDegrees is the pictures' width in degrees of visual angle (the data set's manual).
const challengeDegrees = 8.4

// challenge reads a subject of the Algonauts 2023 challenge:
//
//	training_split/training_images/train-0001_nsd-00013.png …       picture i of the sorted names is row i
//	training_split/training_fmri/{lh,rh}_training_fmri.npy          float32 (pictures, vertices)
//	test_split/test_images/test-0001_nsd-00845.png …
//	test_split/test_fmri/{lh,rh}_test_fmri.npy                      released later, as are the ceilings
//	test_split/noise_ceiling/{lh,rh}_noise_ceiling.npy              fraction of variance
//	roi_masks/{lh,rh}.all-vertices_fsaverage_space.npy              (163842): not 0 where a vertex takes part
//	roi_masks/{lh,rh}.FAMILY_{fsaverage,challenge}_space.npy        labels
//	roi_masks/mapping_FAMILY.npy                                    a pickled dict of labels and names
//
// Source: the challenge's own preparation script (neuro.md 2.1). Column j of a hemisphere is the j-th vertex of
// its mask. Responses are means over one to three trials that nobody counted, so repeats give no ceiling.
type challenge struct {
	*builder
	sides    [2]hemisphere
	training int // pictures of the training split, the first of the set
}

// hemisphere is what is known about one before its responses are read.
type hemisphere struct {
	name    string
	columns int     // of the fMRI files; -1: not known
	mask    []int32 // vertices that take part, ascending
}

func (c *challenge) steps() []step {
	without := func(do func() error) func(context.Context) error {
		return func(context.Context) error { return do() }
	}
	for i, side := range cortex.Sides {
		c.sides[i] = hemisphere{name: side, columns: -1}
	}
	return []step{
		{"pictures", nil, c.pictures},
		{"responses", nil, without(c.shapes)},
		{"masks", []string{"responses"}, without(c.masks)},
		{"positions", []string{"masks"}, without(c.onFsaverage)},
		{"values", []string{"pictures", "responses"}, c.values},
		{"ceiling", []string{"responses"}, without(c.ceilings)},
		{"regions", []string{"masks"}, without(c.families)},
		{"masks", []string{"values", "positions", "ceiling", "regions"}, without(c.narrow)},
		{"ceiling", []string{"values", "positions"}, without(c.givenCeiling)},
		{"regions", []string{"regions"}, without(c.givenROIs)},
		{"hierarchy", []string{"regions"}, without(c.paper)},
		{"counts-published", []string{"pictures", "responses"}, without(c.published)},
		{"values", []string{"values"}, without(c.survey)},
	}
}

// pictureName is how the challenge names them: the row, counted from 1, and the row of the data set's own
// brick of 73,000 pictures, counted from 0.
var pictureName = regexp.MustCompile(`^(train|test)-(\d+)_nsd-(\d+)\.png$`)

// bricks is the number of pictures in the brick.
const bricks = 73000

// pictures lists both splits; those of the test split only where their responses are there.
func (c *challenge) pictures(ctx context.Context) error {
	s := c.s
	s.Name, s.StimulusDegrees = c.label(), challengeDegrees
	s.Licence = "data use terms of the Natural Scenes Dataset; not to be passed on"
	s.Attribution = "Gifford et al. 2023, The Algonauts Project 2023 Challenge, arXiv:2301.03198; Allen et al. 2022, Nature Neuroscience 25, 116-126"
	c.d = &description{Name: s.Name}
	c.d.Responses.File = trainingFMRI
	rows, err := c.listed(trainingPictures, "")
	if err != nil {
		return err
	}
	c.training = len(rows)
	if c.has(testFMRI) {
		test, err := c.listed(testPictures, "test")
		if err != nil {
			return err
		}
		rows = append(rows, test...)
	}
	if c.set, err = stimuli.List(ctx, c.root.FS(), ".", rows, stimuli.Options{Name: s.Name, Where: c.path, Workers: c.options.Workers}); err != nil {
		return err
	}
	s.close = append(s.close, c.set.Close)
	s.Images, c.place = c.set.Distinct()
	s.columns(c.set, c.place)
	if n := c.set.Len() - s.Images.Len(); n > 0 {
		s.warn("duplicate-pictures", fmt.Sprintf("%s: %d pictures are the same as another, by content; their responses are averaged", s.Name, n))
	}
	s.Split = make([]string, s.Images.Len())
	for i, n := range c.place {
		if i >= c.training && slices.Contains(c.place[:c.training], n) {
			return named("split-leak", fault.Inputf("a test picture is a training picture, by content").In("%s", c.folder.place(rows[i].File)).
				Remedy("unpack the challenge's archive again"))
		}
		s.Split[n] = rows[i].Columns[splitColumn]
	}
	return nil
}

// label is the folder's own name.
func (c *challenge) label() string {
	if whole, err := filepath.Abs(c.path); err == nil {
		return filepath.Base(whole)
	}
	return filepath.Base(c.path)
}

// listed are the pictures of a folder in the order of their names, which must count from 1 without a gap.
func (c *challenge) listed(dir, side string) ([]stimuli.Row, error) {
	entries, err := fs.ReadDir(c.root.FS(), dir)
	if err != nil {
		return nil, durable.Explain(err, c.folder.place(dir))
	}
	var rows []stimuli.Row
	last := -1
	for _, e := range entries {
		if strings.HasPrefix(e.Name(), ".") {
			continue
		}
		m := pictureName.FindStringSubmatch(e.Name())
		if m == nil || (m[1] == "test") != (side == "test") {
			return nil, named("picture-name", fault.Inputf("%s is not called as the challenge's pictures are", e.Name()).In("%s", c.folder.place(dir)).
				Remedy("move it out of the folder: the order of the names is the order of the responses"))
		}
		number, err1 := strconv.Atoi(m[2])
		id, err2 := strconv.Atoi(m[3])
		switch at := c.folder.place(path.Join(dir, e.Name())); {
		case err1 != nil || number != len(rows)+1:
			return nil, named("picture-gap", fault.Inputf("picture %d by its name stands at place %d: one before it is missing or was added", number, len(rows)+1).In("%s", at).
				Remedy("unpack the challenge's archive again; rows and pictures would be shifted"))
		case err2 != nil || id >= bricks:
			return nil, named("id-base", fault.Inputf("picture %s of the data set is named, they count from 0 to %d", m[3], bricks-1).In("%s", at).
				Remedy("names carry ids that count from 0: subtract 1 from nsd_expdesign's"))
		case id <= last:
			return nil, named("picture-order", fault.Inputf("picture %d of the data set follows %d; the challenge's names ascend in both numbers", id, last).In("%s", at).
				Remedy("unpack the challenge's archive again"))
		default:
			last = id
		}
		rows = append(rows, stimuli.Row{File: path.Join(dir, e.Name()), Columns: map[string]string{splitColumn: side, "nsd": strconv.Itoa(id)}})
	}
	if len(rows) == 0 {
		return nil, fault.Inputf("no pictures here").In("%s", c.folder.place(dir))
	}
	return rows, nil
}

// sideFile is the file of a hemisphere in one of the split folders.
func sideFile(dir, side string) string { return path.Join(dir, side+"_"+path.Base(dir)+".npy") }

// shapes reads the headers of the fMRI files.
func (c *challenge) shapes() error {
	var all []error
	for i := range c.sides {
		h := &c.sides[i]
		a, err := c.matrix(trainingFMRI, h.name)
		if err != nil {
			all = append(all, err)
			continue
		}
		h.columns = a.Shape[1]
		a.Close()
	}
	c.s.Units = c.sides[0].columns + c.sides[1].columns
	if all == nil && c.s.Units == 0 {
		return fault.Inputf("no hemisphere has vertices").In("%s", c.folder.place(trainingFMRI))
	}
	return errors.Join(all...)
}

// matrix opens an fMRI file: pictures and vertices.
func (c *challenge) matrix(dir, side string) (*npy.Array, error) {
	name := sideFile(dir, side)
	a, err := c.npy(name)
	if err != nil {
		return nil, err
	}
	if len(a.Shape) != 2 {
		a.Close()
		return nil, fault.Inputf("the responses have %d dimensions, 2 are needed: pictures and vertices", len(a.Shape)).In("%s", c.folder.place(name))
	}
	return a, nil
}

// masks reads which vertices take part. The codes are sums of two masks, so every positive one counts.
func (c *challenge) masks() error {
	var all []error
	for i := range c.sides {
		h := &c.sides[i]
		name := path.Join(maskFolder, h.name+".all-vertices_fsaverage_space.npy")
		_, values, err := c.whole(name)
		if err == nil {
			err = h.take(values, c.folder.place(name))
		}
		all = append(all, err)
	}
	if err := errors.Join(all...); err != nil {
		return err
	}
	l, r := &c.sides[0], &c.sides[1]
	if len(l.mask) == r.columns && len(r.mask) == l.columns && l.columns != r.columns {
		return named("hemispheres-swapped", fault.Inputf("the masks have %d lh and %d rh vertices, the responses %d and %d: the hemispheres have changed places",
			len(l.mask), len(r.mask), l.columns, r.columns).In("%s", c.folder.place(maskFolder)).Remedy("unpack masks and responses again, or rename the one pair that was renamed"))
	}
	for _, h := range c.sides {
		if len(h.mask) != h.columns {
			all = append(all, named("mask-count", fault.Inputf("the mask of %s has %d vertices, its responses %d", h.name, len(h.mask), h.columns).
				In("%s", c.folder.place(path.Join(maskFolder, h.name+".all-vertices_fsaverage_space.npy"))).
				Remedy("masks are each subject's own (6 and 8 have fewer vertices): take this subject's")))
		}
	}
	return errors.Join(all...)
}

// take understands a mask, which messages call at.
func (h *hemisphere) take(values []int64, at string) error {
	if n := sizes[challengeSurface]; len(values) != n {
		return named("mask-length", fault.Inputf("the mask has %d values, the surface of a hemisphere %d", len(values), n).In("%s", at).
			Remedy("take the mask in fsaverage space, not the one in challenge space"))
	}
	for v, x := range values {
		if x < 0 || x > 2 {
			return named("mask-codes", fault.Inputf("the mask holds %d (at vertex %d); 0, 1 and 2 (a sum of two masks) are known", x, v).In("%s", at).
				Remedy("-1 marks what isn't cortex: save mask > 0; a map of labels is no mask"))
		}
		if x > 0 {
			h.mask = append(h.mask, int32(v))
		}
	}
	return nil
}

// onFsaverage places the units, lh first.
func (c *challenge) onFsaverage() error { return c.placeOn(c.sides) }

// placeOn places units on the vertices of fsaverage that two hemispheres' masks name.
func (b *builder) placeOn(sides [2]hemisphere) error {
	g, err := b.fsaverage(challengeSurface)
	if err != nil {
		return err
	}
	var hemi []string
	var vertex []int32
	for _, h := range sides {
		vertex = append(vertex, h.mask...)
		for range h.mask {
			hemi = append(hemi, h.name)
		}
	}
	return b.s.on(g, hemi, vertex)
}

// values joins the hemispheres' responses: a row is read from the mapped files at a time, so the memory is
// that of the result, 4 N V bytes.
func (c *challenge) values(ctx context.Context) error {
	s := c.s
	splits := []struct {
		dir    string
		places []int // of each row in s.Images
	}{{trainingFMRI, c.place[:c.training]}, {testFMRI, c.place[c.training:]}}
	if len(c.place) == c.training {
		splits = splits[:1]
	}
	s.Responses = make([]float32, s.Images.Len()*s.Units)
	sums := newRowMeans(c.place)
	from := 0
	for _, h := range c.sides {
		for _, split := range splits {
			if err := c.rows(ctx, split.dir, h, split.places, from, sums); err != nil {
				return err
			}
		}
		sums.into(s.Responses, s.Units, from, h.columns)
		from += h.columns
	}
	return nil
}

// rows reads a hemisphere's file of a split into the columns from on.
func (c *challenge) rows(ctx context.Context, dir string, h hemisphere, places []int, from int, sums *rowMeans) error {
	a, err := c.matrix(dir, h.name)
	if err != nil {
		return err
	}
	defer a.Close()
	at := c.folder.place(sideFile(dir, h.name))
	if a.Shape[0] != len(places) || a.Shape[1] != h.columns {
		return named("row-count", fault.Inputf("%d pictures and %d vertices are needed, the responses have %d and %d", len(places), h.columns, a.Shape[0], a.Shape[1]).In("%s", at).
			Remedy("pictures or responses are another subject's, or some are missing: unpack the challenge's archive again"))
	}
	var all []float32
	if a.Fortran {
		if all, err = a.Float32(); err != nil {
			return durable.Explain(err, at)
		}
	}
	row := make([]float32, h.columns)
	for i, n := range places {
		if err := ctx.Err(); err != nil {
			return err
		}
		if all != nil {
			row = all[i*h.columns : (i+1)*h.columns]
		} else if err := a.ReadFloat32(row, i*h.columns); err != nil {
			return durable.Explain(err, at)
		}
		copy(c.s.Responses[n*c.s.Units+from:], row)
		sums.add(n, row)
	}
	return nil
}

// rowMeans averages the rows of pictures that stand more than once; NaN is left out.
type rowMeans struct {
	sum   map[int][]float64 // by picture, only of those
	count map[int][]float64
}

func newRowMeans(places []int) *rowMeans {
	m := &rowMeans{map[int][]float64{}, map[int][]float64{}}
	seen := map[int]bool{}
	for _, n := range places {
		if seen[n] {
			m.sum[n] = nil
		}
		seen[n] = true
	}
	return m
}

func (m *rowMeans) add(n int, row []float32) {
	sum, ok := m.sum[n]
	if !ok {
		return
	}
	if sum == nil {
		m.sum[n], m.count[n] = make([]float64, len(row)), make([]float64, len(row))
	}
	for u, x := range row {
		if x == x {
			m.sum[n][u] += float64(x)
			m.count[n][u]++
		}
	}
}

// into writes the means of a block of columns, and begins anew.
func (m *rowMeans) into(responses []float32, units, from, columns int) {
	for n, sum := range m.sum {
		for u := range columns {
			responses[n*units+from+u] = float32(sum[u] / m.count[n][u]) // 0/0 is NaN
		}
		m.sum[n] = nil
	}
}

// ceilings reads those of the test pictures, where the organisers' files are there; else they are unknown.
func (c *challenge) ceilings() error {
	s := c.s
	s.Ceiling = make([]float32, 0, s.Units)
	if !c.has(testCeiling) {
		for range s.Units {
			s.Ceiling = append(s.Ceiling, float32(math.NaN()))
		}
		return nil
	}
	for _, h := range c.sides {
		name := path.Join(testCeiling, h.name+"_noise_ceiling.npy")
		shape, values, err := c.numbers(name)
		if err != nil {
			return err
		}
		at := c.folder.place(name)
		if len(values) != h.columns {
			return named("ceiling-count", fault.Inputf("the ceilings have shape %v, the responses of %s %d vertices", shape, h.name, h.columns).In("%s", at).
				Remedy("every subject has a file of this name: take this subject's"))
		}
		for v, x := range values {
			if x < 0 || x > 1 {
				e := fault.Inputf("the ceiling of vertex %d of %s is %v, a fraction of variance lies within 0 and 1", v, h.name, x).In("%s", at)
				if top := slices.Max(values); top > 1.5 {
					e = e.Remedy("the largest is %.1f: these may be percent; divide them by 100", top)
				}
				return named("ceiling-range", e)
			}
			s.Ceiling = append(s.Ceiling, float32(x))
		}
	}
	return nil
}

// publishedCounts are the challenge's own, by the subject's number: pictures of the training and the test
// split, vertices of lh and rh (neuro.md 2.1).
var publishedCounts = map[string][4]int{
	"subj01": {9841, 159, 19004, 20544}, "subj02": {9841, 159, 19004, 20544}, "subj03": {9082, 293, 19004, 20544},
	"subj04": {8779, 395, 19004, 20544}, "subj05": {9841, 159, 19004, 20544}, "subj06": {9082, 293, 18978, 20220},
	"subj07": {9841, 159, 19004, 20544}, "subj08": {8779, 395, 18981, 20530},
}

// published warns where a subject of that name has other counts.
func (c *challenge) published() error {
	want, known := publishedCounts[c.s.Name]
	if !known {
		return nil
	}
	test := 0
	if entries, err := fs.ReadDir(c.root.FS(), testPictures); err == nil {
		for _, e := range entries {
			if pictureName.MatchString(e.Name()) {
				test++
			}
		}
	}
	have := [4]int{c.training, test, c.sides[0].columns, c.sides[1].columns}
	var differ []string
	for i, what := range []string{"training pictures", "test pictures", "vertices of lh", "vertices of rh"} {
		if have[i] != want[i] && !(i == 1 && test == 0) { // the test split is a download of its own
			differ = append(differ, fmt.Sprintf("%d %s, published %d", have[i], what, want[i]))
		}
	}
	if differ != nil {
		c.s.warn("counts-published", fmt.Sprintf("%s: %s", c.s.Name, strings.Join(differ, "; ")))
	}
	return nil
}
