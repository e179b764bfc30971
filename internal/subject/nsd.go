package subject

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/hdf5"
	"cortexmap/internal/neuroio/matlab"
	"cortexmap/internal/stimuli"
)

// Files of NSD's own tree.
const (
	nsdDesign   = "nsddata/experiments/nsd/nsd_expdesign.mat"
	nsdStimuli  = "nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5"
	nsdInfo     = "nsddata/experiments/nsd/nsd_stim_info_merged.csv"
	nsdSubjects = "nsddata_betas/ppdata"
	nsdBetas    = "fsaverage/betas_fithrf_GLMdenoise_RR"
	nsdLabels   = "nsddata/freesurfer"
)

// withheld is the number of sessions, the last ones, from which the Algonauts challenge took its test pictures.
const withheld = 3

// nsd reads a subject of the Natural Scenes Dataset as published:
//
//	nsddata/experiments/nsd/nsd_expdesign.mat                                which picture each trial showed, from 1
//	nsddata/experiments/nsd/nsd_stim_info_merged.csv                         the same the other way round; may be missing
//	nsddata_stimuli/stimuli/nsd/nsd_stimuli.hdf5        /imgBrick            uint8 (73000, 425, 425, 3), from 0
//	nsddata_betas/ppdata/subjNN/fsaverage/betas_fithrf_GLMdenoise_RR/
//	    {lh,rh}.betas_sessionSS.mgh                                          float32, a frame a trial, 750 a session
//	    {lh,rh}.ncsnr.mgh                                                    single trials' signal over noise
//	nsddata/freesurfer/subjNN/label/{lh,rh}.FAMILY.mgz, FAMILY.mgz.ctab      drawn on the subject's own surface
//	nsddata/ppdata/subjNN/transforms/{lh,rh}.white-to-fsaverage.mgz          the own vertex at each of fsaverage, from 1
//	nsddata/freesurfer/fsaverage/label/{lh,rh}.NAME.mgz, NAME.mgz.ctab       maps of fsaverage: nsdgeneral, streams, …
//
// Sources: the NSD data manual, and the preparation scripts of the Algonauts challenge (neuro.md 2.2).
//
// # What becomes of the trials
//
// With z the response of a vertex to a trial, its mean over the session's trials taken off and divided by their
// standard deviation (over n; a constant vertex is 0), a picture's response is the mean of z over the trials that
// showed it. A vertex without a number in any trial of any session is left out. Pictures come in the order
// of their numbers in the brick. That is the challenge's recipe; `sessions` says which trials count:
//
//	all        every session
//	N          the first N sessions
//	challenge  those of the challenge: all but the last three for training pictures; test pictures are those
//	           that only the last three showed, without the shared ones (but, for the subjects who
//	           finished all 40 sessions, with those shown three times there)
//
// # Memory
//
// 4 N V bytes for the responses (float32, to which each trial's z is added), and one session of one hemisphere, 4 T V_h.
type nsd struct {
	*builder
	id       string // subjNN
	number   int    // NN
	sides    [2]hemisphere
	sessions []session
	trials   int // of a session
	design   design
	pictures []int            // rows of the brick, in the order of the set
	shown    []trialGroup     // what the trials of each used session showed
	used     int              // sessions whose trials count
	squares  []float64        // [V] sums of squares of z over the trials of pictures with all repeats, then ncsnr as these trials have it
	repeated int              // pictures with all repeats
	info     map[int][]string // of a row of the brick: columns of nsd_stim_info_merged.csv
}

// session is one session's files of betas.
type session struct {
	number int
	files  [2]string
}

// trialGroup gives for the trials of a session the place of the picture in s.Images, -1 for trials that don't count.
type trialGroup []int

// design says what was shown when.
type design struct {
	picture []int        // of each trial, the row of the brick, counted from 0
	shared  map[int]bool // rows that everybody saw
}

func (n *nsd) steps() []step {
	without := func(do func() error) func(context.Context) error {
		return func(context.Context) error { return do() }
	}
	for i, side := range cortex.Sides {
		n.sides[i] = hemisphere{name: side, columns: -1}
	}
	return []step{
		{"nsd-subject", nil, without(n.choose)},
		{"nsd-sessions", []string{"nsd-subject"}, without(n.findSessions)},
		{"nsd-design", []string{"nsd-sessions"}, without(n.readDesign)},
		{"nsd-info", []string{"nsd-design"}, without(n.readInfo)},
		{"pictures", []string{"nsd-design"}, n.openPictures},
		{"masks", []string{"nsd-subject"}, without(n.masks)},
		{"values", []string{"pictures", "masks", "nsd-sessions"}, n.values},
		{"positions", []string{"values"}, without(n.onFsaverage)},
		{"ceiling", []string{"values"}, without(n.ceilings)},
		{"regions", []string{"positions"}, without(n.regions)},
		{"ceiling", []string{"values", "positions"}, without(n.givenCeiling)},
		{"regions", []string{"regions"}, without(n.givenROIs)},
		{"hierarchy", []string{"regions"}, without(n.paper)},
		{"counts-published", []string{"nsd-sessions"}, without(n.published)},
		{"values", []string{"values"}, without(n.survey)},
	}
}

var nsdName = regexp.MustCompile(`^subj(0[1-9]|[1-9][0-9])$`)

// choose finds out whose data are meant.
func (n *nsd) choose() error {
	entries, err := n.list(nsdSubjects)
	if err != nil {
		return err
	}
	var have []string
	for _, e := range entries {
		if nsdName.MatchString(e) {
			have = append(have, e)
		}
	}
	n.id = n.options.Subject
	switch {
	case n.id == "" && len(have) == 1:
		n.id = have[0]
	case len(have) == 0:
		return fault.Inputf("no subject has betas here").In("%s", n.folder.place(nsdSubjects)).Remedy("download nsddata_betas/ppdata/subj01 and its like")
	case n.id == "":
		return fault.Inputf("the tree has %d subjects: %s", len(have), strings.Join(have, ", ")).In("%s", n.folder.place(nsdSubjects)).
			Remedy("say which one: `{path: %s, subject: %s}` under subjects, or --subject %s", n.folder.path, have[0], have[0])
	case !slices.Contains(have, n.id):
		return fault.Inputf("there are no betas of %s; there are of %s", n.id, strings.Join(have, ", ")).In("%s", n.folder.place(nsdSubjects))
	}
	if n.number, err = strconv.Atoi(strings.TrimPrefix(n.id, "subj")); err != nil {
		return err
	}
	s := n.s
	s.Name, s.StimulusDegrees = n.id, challengeDegrees
	s.Licence = "data use terms of the Natural Scenes Dataset; not to be passed on"
	s.Attribution = "Allen et al. 2022, A massive 7T fMRI dataset to bridge cognitive neuroscience and artificial intelligence, Nature Neuroscience 25, 116-126"
	n.d = &description{Name: s.Name}
	n.d.Responses.File = n.betas()
	return nil
}

// betas is the folder of the subject's betas.
func (n *nsd) betas() string { return path.Join(nsdSubjects, n.id, nsdBetas) }

var sessionName = regexp.MustCompile(`^(lh|rh)\.betas_session(\d\d)\.(mgh|mgz|hdf5)$`)

// findSessions lists the sessions, which must count from 1 without a gap in both hemispheres, and looks at their headers.
func (n *nsd) findSessions() error {
	names, err := n.list(n.betas())
	if err != nil {
		return err
	}
	at := n.folder.place(n.betas())
	all := map[int]*session{}
	for _, name := range names {
		m := sessionName.FindStringSubmatch(name)
		if m == nil {
			continue
		}
		number, err := strconv.Atoi(m[2])
		if err != nil {
			return err
		}
		if all[number] == nil {
			all[number] = &session{number: number}
		}
		into := &all[number].files[cortex.Side(m[1])]
		if *into != "" {
			return named("nsd-sessions", fault.Inputf("session %d of %s stands twice: %s and %s", number, m[1], path.Base(*into), name).In("%s", at).Remedy("remove one of the two"))
		}
		*into = path.Join(n.betas(), name)
	}
	for i, number := range slices.Sorted(maps.Keys(all)) {
		se := all[number]
		for side, file := range se.files {
			if file == "" {
				return named("session-gap", fault.Inputf("session %d of %s is missing", number, cortex.Sides[side]).In("%s", at).Remedy("download it; trials are counted over the sessions"))
			}
		}
		if number != i+1 {
			return named("session-gap", fault.Inputf("session %d is missing, %d is there", i+1, number).In("%s", at).Remedy("download it; trials are counted over the sessions"))
		}
		n.sessions = append(n.sessions, *se)
	}
	if len(n.sessions) == 0 {
		return fault.Inputf("no session's betas are here").In("%s", at).Remedy("download lh.betas_session01.mgh, rh.betas_session01.mgh and so on")
	}
	if err := n.headers(); err != nil {
		return err
	}
	return n.limit()
}

// headers compares the shapes of all sessions.
func (n *nsd) headers() error {
	var all []error
	for _, se := range n.sessions {
		for _, name := range se.files {
			b, err := n.openBetas(name)
			if err != nil {
				all = append(all, err)
				continue
			}
			b.close()
			at := n.folder.place(name)
			switch {
			case b.vertices != sizes[challengeSurface]:
				all = append(all, named("nsd-shape", fault.Inputf("a trial has %d numbers, fsaverage has %d vertices", b.vertices, sizes[challengeSurface]).In("%s", at).
					Remedy("take the betas of fsaverage, not of the subject's own surface or volume")))
			case n.trials == 0:
				n.trials = b.trials
			case b.trials != n.trials:
				all = append(all, named("nsd-shape", fault.Inputf("the session has %d trials, the first one %d", b.trials, n.trials).In("%s", at).
					Remedy("the file is cut short or of another experiment: download it again")))
			}
		}
	}
	return errors.Join(all...)
}

// limit understands which sessions are asked for.
func (n *nsd) limit() error {
	n.used = len(n.sessions)
	switch word := n.options.Sessions; word {
	case "", "all":
		return nil
	case "challenge":
		if n.used = len(n.sessions) - withheld; n.used < 1 {
			return fault.Inputf("the challenge withheld the last %d sessions, and only %d are here", withheld, len(n.sessions)).In("%s", n.folder.place(n.betas())).
				Remedy("download all sessions, or take `sessions: all`")
		}
	default:
		first, err := strconv.Atoi(word)
		if err != nil || first < 1 {
			return fault.Inputf("sessions is %q; all, challenge or a number is needed", word)
		}
		if n.used = first; first > len(n.sessions) {
			return fault.Inputf("the first %d sessions are asked for, %d are here", first, len(n.sessions)).In("%s", n.folder.place(n.betas())).Remedy("download the others, or take `sessions: all`")
		}
	}
	return nil
}

// readDesign reads which picture each trial showed.
func (n *nsd) readDesign() error {
	f, err := n.open(nsdDesign)
	if err != nil {
		return err
	}
	at := n.folder.place(nsdDesign)
	m, err := matlab.OpenFile(f, at)
	if err != nil {
		return durable.Explain(err, at)
	}
	defer m.Close()
	values := map[string]*matlab.Value{}
	for _, name := range []string{"masterordering", "subjectim", "sharedix"} {
		if values[name], err = m.Value(name); err != nil {
			return fileFault(err, at)
		}
	}
	d, err := newDesign(values["masterordering"].Numbers, values["subjectim"], values["sharedix"].Numbers, n.number)
	if err != nil {
		return fileFault(err, at)
	}
	if need := len(n.sessions) * n.trials; need > len(d.picture) {
		return fault.Inputf("%d sessions of %d trials are here, the design has %d trials", len(n.sessions), n.trials, len(d.picture)).In("%s", at)
	}
	n.design = *d
	return nil
}

// newDesign turns NSD's numbers into ours. It is the one place where numbers that count from 1 become numbers that
// count from 0: picture[t] = subjectim[subject, masterordering[t]] - 1.
func newDesign(order []float64, subjects *matlab.Value, shared []float64, subject int) (*design, error) {
	if len(subjects.Dims) != 2 || subject > subjects.Dims[0] {
		return nil, fault.Inputf("subjectim has the shape %v, subject %d is asked for", subjects.Dims, subject)
	}
	rows, columns := subjects.Dims[0], subjects.Dims[1]
	d := &design{shared: map[int]bool{}}
	row := func(what string, x float64, most int) (int, error) {
		if x != float64(int(x)) || x < 1 || x > float64(most) {
			e := fault.Inputf("%s has %v, whole numbers from 1 to %d are expected", what, x, most)
			if x == 0 {
				e = e.Remedy("NSD counts from 1 here; 1 was taken off by somebody: download the file again")
			}
			return 0, named("id-base", e)
		}
		return int(x) - 1, nil
	}
	for _, x := range order {
		column, err := row("masterordering", x, columns)
		if err != nil {
			return nil, err
		}
		picture, err := row("subjectim", subjects.Numbers[column*rows+subject-1], bricks)
		if err != nil {
			return nil, err
		}
		d.picture = append(d.picture, picture)
	}
	for _, x := range shared {
		picture, err := row("sharedix", x, bricks)
		if err != nil {
			return nil, err
		}
		d.shared[picture] = true
	}
	return d, nil
}

// infoColumns are those of nsd_stim_info_merged.csv that go with a picture, and what they are called as groups.
var infoColumns = [][2]string{{"cocoId", "coco"}, {"cocoSplit", "coco_split"}}

// readInfo holds the table of pictures against the design: subjectN_repK is the trial, from 1, that showed a
// picture for the K-th time.
func (n *nsd) readInfo() error {
	if !n.has(nsdInfo) {
		n.s.warn("nsd-info-missing", fmt.Sprintf("%s: %s isn't there; the design is not held against it, and COCO's numbers aren't known", n.s.Name, nsdInfo))
		return nil
	}
	_, err := read(n.folder, nsdInfo, func(r io.Reader) (struct{}, error) { return struct{}{}, n.checkInfo(r) })
	return err
}

func (n *nsd) checkInfo(r io.Reader) error {
	rows, header, err := readCSV(r)
	if err != nil {
		return err
	}
	need := []string{"nsdId"}
	for _, c := range infoColumns {
		need = append(need, c[0])
	}
	for k := range 3 {
		need = append(need, fmt.Sprintf("subject%d_rep%d", n.number, k))
	}
	for _, name := range need {
		if _, ok := header[name]; !ok {
			return fault.Inputf("the column %s is missing", name)
		}
	}
	n.info = make(map[int][]string, len(rows))
	differ, shifted, first := 0, 0, ""
	for i, row := range rows {
		id, err := strconv.Atoi(row[header["nsdId"]])
		if err != nil || id < 0 || id >= bricks {
			return named("id-base", fault.Inputf("row %d: nsdId is %q, the brick's rows count from 0 to %d", i+1, row[header["nsdId"]], bricks-1))
		}
		var group []string
		for _, c := range infoColumns {
			group = append(group, row[header[c[0]]])
		}
		n.info[id] = group
		for k := range 3 {
			trial, err := strconv.Atoi(row[header[fmt.Sprintf("subject%d_rep%d", n.number, k)]])
			if err != nil || trial < 0 || trial > len(n.design.picture) {
				return fault.Inputf("row %d: subject%d_rep%d is %q, a trial from 1 to %d or 0 is expected", i+1, n.number, k, row[header[fmt.Sprintf("subject%d_rep%d", n.number, k)]], len(n.design.picture))
			}
			if trial == 0 || n.design.picture[trial-1] == id {
				continue
			}
			if differ++; first == "" {
				first = fmt.Sprintf("trial %d showed %d by the design, %d by the table", trial, n.design.picture[trial-1], id)
			}
			if d := n.design.picture[trial-1] - id; d == 1 || d == -1 {
				shifted++
			}
		}
	}
	switch {
	case differ > 0 && 2*shifted > differ:
		return named("id-base", fault.Inputf("%d trials showed a picture one number off that of %s; %s", differ, path.Base(nsdDesign), first).
			Remedy("nsdId counts from 0, the design's ids from 1: download both files again"))
	case differ > 0:
		return named("nsd-info-differs", fault.Inputf("%d trials showed another picture than by %s; %s", differ, path.Base(nsdDesign), first).
			Remedy("download both files again"))
	}
	return nil
}

// openPictures makes the set of the pictures that were shown, and notes which trials showed each.
func (n *nsd) openPictures(ctx context.Context) error {
	train, test := n.choosePictures()
	n.pictures = slices.Concat(train, test)
	set, err := n.brick(ctx, len(train))
	if err != nil {
		return err
	}
	s := n.s
	n.set = set
	s.close = append(s.close, set.Close)
	s.Images, n.place = set.Distinct()
	s.columns(set, n.place)
	s.Split = make([]string, s.Images.Len())
	place := map[int]int{}
	for i, row := range n.pictures {
		place[row] = n.place[i]
		s.Split[n.place[i]] = set.Stimuli[i].Columns[splitColumn]
	}
	s.Trials = make([]int, s.Images.Len())
	for i := range n.sessions {
		group := make(trialGroup, n.trials)
		for t := range group {
			row := n.design.picture[i*n.trials+t]
			at, counts := place[row]
			if !counts || i >= n.used && s.Split[at] != "test" {
				group[t] = -1
				continue
			}
			group[t] = at
			s.Trials[at]++
		}
		n.shown = append(n.shown, group)
	}
	return nil
}

// choosePictures are rows of the brick: those that the used sessions showed, and, for the challenge, its test.
func (n *nsd) choosePictures() (train, test []int) {
	inside := map[int]bool{}
	for _, row := range n.design.picture[:n.used*n.trials] {
		inside[row] = true
	}
	train = slices.Sorted(maps.Keys(inside))
	if n.options.Sessions != "challenge" {
		return train, nil
	}
	times := map[int]int{}
	for _, row := range n.design.picture[n.used*n.trials : len(n.sessions)*n.trials] {
		if !inside[row] {
			times[row]++
		}
	}
	for _, row := range slices.Sorted(maps.Keys(times)) {
		if !n.design.shared[row] || slices.Contains(finished, n.number) && times[row] == 3 {
			test = append(test, row)
		}
	}
	return train, test
}

// finished are the subjects with all 40 sessions.
var finished = []int{1, 2, 5, 7}

// brick opens the pictures; the first train of n.pictures are no test pictures.
func (n *nsd) brick(ctx context.Context, train int) (*stimuli.Set, error) {
	file, err := n.open(nsdStimuli)
	if err != nil {
		return nil, err
	}
	at := n.folder.place(nsdStimuli)
	f, err := hdf5.OpenFile(file, at)
	if err != nil {
		return nil, durable.Explain(err, at)
	}
	n.s.close = append(n.s.close, f.Close)
	d, err := f.Dataset("imgBrick")
	if err != nil {
		return nil, fileFault(err, at)
	}
	if len(d.Shape) != 4 || d.Shape[3] != 3 || d.Type.Class != hdf5.Numbers || d.Type.Size != 1 {
		return nil, named("nsd-shape", fault.Inputf("imgBrick has the shape %v of %s, pictures x height x width x 3 of uint8 are expected", d.Shape, d.Type.Number).In("%s", at))
	}
	if last := slices.Max(n.pictures); last >= d.Shape[0] {
		return nil, named("nsd-shape", fault.Inputf("picture %d was shown, the brick has %d", last, d.Shape[0]).In("%s", at).Remedy("the file is cut short or another's: download it again"))
	}
	h, w := d.Shape[1], d.Shape[2]
	b := stimuli.Brick{Where: at, W: w, H: h, Read: func(dst []byte, row int) error {
		return fileFault(d.Read(dst, []int{row, 0, 0, 0}, []int{1, h, w, 3}), at)
	}}
	session := map[int]int{} // in which a picture was shown first
	for t := len(n.sessions)*n.trials - 1; t >= 0; t-- {
		session[n.design.picture[t]] = t/n.trials + 1
	}
	test := map[int]bool{}
	for _, row := range n.pictures[train:] {
		test[row] = true
	}
	return b.Set(ctx, n.pictures, func(row int) string { return fmt.Sprintf("nsd-%05d", row) }, func(row int) map[string]string {
		c := map[string]string{"nsd": strconv.Itoa(row), "shared": "0", "session": strconv.Itoa(session[row]), splitColumn: ""}
		if n.design.shared[row] {
			c["shared"] = "1"
		}
		if test[row] {
			c[splitColumn] = "test"
		}
		for i, name := range infoColumns {
			if row, ok := n.info[row]; ok {
				c[name[1]] = row[i]
			}
		}
		return c
	}, stimuli.Options{Name: n.s.Name, Workers: n.options.Workers})
}

// publishedSessions and publishedNCSNR are NSD's own, by the subject's number (users.md section 5): sessions, and inside
// nsdgeneral on fsaverage the median ncsnr.
var (
	publishedSessions = [...]int{40, 40, 32, 30, 40, 32, 40, 30}
	publishedNCSNR    = [...]float64{0.490, 0.510, 0.431, 0.392, 0.542, 0.439, 0.371, 0.323}
)

// sessionTrials is the number of trials of a session.
const sessionTrials = 750

// published warns where the counts aren't NSD's.
func (n *nsd) published() error {
	var differ []string
	if i := n.number - 1; i < len(publishedSessions) && len(n.sessions) != publishedSessions[i] {
		differ = append(differ, fmt.Sprintf("%d sessions, published %d", len(n.sessions), publishedSessions[i]))
	}
	if n.trials != sessionTrials {
		differ = append(differ, fmt.Sprintf("%d trials a session, published %d", n.trials, sessionTrials))
	}
	if differ != nil {
		n.s.warn("counts-published", fmt.Sprintf("%s: %s", n.s.Name, strings.Join(differ, "; ")))
	}
	return nil
}
