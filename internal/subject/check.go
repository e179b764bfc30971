package subject

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/stats"
)

// Levels of a finding.
const (
	Fault = "fault"   // the subject can't be used so
	Warn  = "warning" // it can, but a reader of the results would want to know, or it looks like a known mistake
	Note  = "note"    // nothing is wrong
)

// Finding is one thing that Check saw. IDs are stable words in kebab-case.
type Finding struct {
	ID    string `json:"id"`
	Level string `json:"level"` // fault, warning or note
	Where string `json:"where"` // file, or what of the subject
	What  string `json:"what"`
	Fix   string `json:"fix"` // "": there is nothing to do
}

// Report is what Check found: contract.md section 8, subject check --json.
type Report struct {
	Subject  string         `json:"subject"`
	Kind     string         `json:"kind"`
	Counts   map[string]any `json:"counts"` // whole numbers; ceilings in percent
	Findings []Finding      `json:"findings"`
}

// Clean says whether no finding is a fault.
func (r *Report) Clean() bool {
	return !slices.ContainsFunc(r.Findings, func(f Finding) bool { return f.Level == Fault })
}

// Check reads a subject as Open does, but goes on after a fault with whatever doesn't need the part that
// failed, and looks for known mistakes besides. A folder that is no subject's is a fault of its own.
func Check(ctx context.Context, path string, o Options) (*Report, error) {
	b, err := newBuilder(path, o)
	if err != nil {
		return nil, err
	}
	defer b.abandon()
	r := &Report{Kind: b.s.Kind, Counts: map[string]any{}, Findings: []Finding{}}
	failed := map[string]bool{}
	for _, st := range b.steps {
		if slices.ContainsFunc(st.needs, func(id string) bool { return failed[id] }) {
			failed[st.id] = true
			continue
		}
		err := st.do(ctx)
		if ctx.Err() != nil {
			return nil, ctx.Err()
		}
		if err != nil {
			failed[st.id] = true
			for _, t := range troubles(st.id, err) {
				if err := r.fault(t, b.folder.path); err != nil {
					return nil, err
				}
			}
		}
	}
	if r.Subject = b.s.Name; r.Subject == "" {
		r.Subject = path
	}
	c := &checker{Report: r, b: b, failed: failed}
	c.warnings()
	c.pictures()
	c.responses()
	c.places()
	c.ceilings()
	if b.inspect != nil {
		b.inspect(c)
	}
	return r, ctx.Err()
}

// fault adds a fault; an error that is none (a bug) comes back.
func (r *Report) fault(t trouble, path string) error {
	var e *fault.Error
	if !errors.As(t.err, &e) {
		return t.err
	}
	where := e.At
	if where == "" {
		where = path
	}
	r.Findings = append(r.Findings, Finding{t.id, Fault, where, e.What, e.Fix})
	return nil
}

// checker looks at what could be read.
type checker struct {
	*Report
	b      *builder
	failed map[string]bool
}

func (c *checker) add(id, level, where, fix, format string, args ...any) {
	c.Findings = append(c.Findings, Finding{id, level, where, fmt.Sprintf(format, args...), fix})
}

// remedies of the warnings that reading a subject gives; those that are only notes stand below.
var remedies = map[string]string{
	"dead-units":         "leave them out of the responses, or look why they have no data; they are not fitted",
	"few-repeats":        "show more pictures twice, or give a ceiling",
	"trials-disagree":    "give the trials that the responses are the means of",
	"annot-values":       "the label table lacks these values: save the .annot again",
	"hierarchy-missing":  "add the regions, or take the level out of the hierarchy",
	"duplicate-pictures": "nothing, if the picture was shown so; else a file was copied under another's name: unpack the archive again",
	"counts-published":   "unpack the archive again, and check that the folder's name is this subject's",
	"mapping-missing":    "unpack roi_masks again",
	"mapping-differs":    "check that the names are this data set's",
	"roi-missing":        "unpack roi_masks, or download the maps and transforms, again",
	"no-mask":            "name a mask: --mask FOLDER/nsdgeneral",
	"vertices-missing":   "nothing: subjects 6 and 8 have such vertices; of another subject, download the session again",
	"ncsnr-missing":      "download lh.ncsnr.mgh and rh.ncsnr.mgh, or give ceilings",
	"nsd-info-missing":   "download nsd_stim_info_merged.csv",
	"ceiling-optimistic": "give ceilings as fractions for these responses, if you have them",
}

// notes are warnings of reading that nobody has to do anything about.
var notes = []string{"rois-outside"}

func (c *checker) warnings() {
	for _, w := range c.b.s.Warnings {
		level := Warn
		if slices.Contains(notes, w.ID) {
			level = Note
		}
		c.add(w.ID, level, c.b.folder.path, remedies[w.ID], "%s", strings.TrimPrefix(w.Text, c.b.s.Name+": "))
	}
}

// fewPictures is the number of distinct pictures below which no fit says much: a tenth of them are the test.
const fewPictures = 100

func (c *checker) pictures() {
	s := c.b.s
	if c.failed["pictures"] || s.Images == nil {
		return
	}
	c.Counts["rows"], c.Counts["pictures"] = c.b.set.Len(), s.Images.Len()
	bad := 0
	for i := range s.Images.Len() {
		if w, _ := s.Images.Size(i); w == 0 {
			if bad == 0 {
				_, err := s.Images.Pixels(i)
				c.add("picture-unreadable", Fault, c.b.folder.place(s.Images.Stimuli[i].Name), "save the picture again", "can't be decoded: %v", err)
			}
			bad++
		}
	}
	if bad > 1 {
		last := &c.Findings[len(c.Findings)-1]
		last.What = fmt.Sprintf("%d pictures can't be decoded; the first: %s", bad, strings.TrimPrefix(last.What, "can't be decoded: "))
	}
	if s.RDMs != nil {
		people := 0
		for _, r := range s.RDMs {
			people = max(people, len(r.People))
		}
		c.Counts["rois"], c.Counts["people"] = len(s.RDMs), people
		return
	}
	if n := s.Images.Len(); n < fewPictures {
		c.add("few-pictures", Warn, c.b.folder.path, "record more", "%d different pictures: scores on a tenth of them are rough", n)
	}
}

func (c *checker) responses() {
	s := c.b.s
	if !c.failed["responses"] && s.Units > 0 {
		c.Counts["units"] = s.Units
	}
	if c.failed["values"] || s.Responses == nil {
		return
	}
	n := s.Images.Len()
	missing, dead := make([]int, s.Units), c.dead()
	hash := make([]uint64, s.Units)
	sum, squares := make([]float64, s.Units), make([]float64, s.Units)
	for i := range n {
		for u, x := range s.Responses[i*s.Units : (i+1)*s.Units] {
			hash[u] = (hash[u] ^ uint64(math.Float32bits(x))) * 1099511628211 // FNV's prime
			if x != x {
				missing[u]++
				continue
			}
			sum[u] += float64(x)
			squares[u] += float64(x) * float64(x)
		}
	}
	c.missing(missing, n)
	c.same(hash, dead)
	if s.Kind == "algonauts" {
		c.scale(sum, squares, missing, n)
	}
}

// dead says which units have no data or are constant; a warning of reading counts them.
func (c *checker) dead() []bool {
	s := c.b.s
	dead, first := make([]bool, s.Units), make([]float32, s.Units)
	for u := range dead {
		dead[u], first[u] = true, float32(math.NaN())
	}
	for i := range s.Images.Len() {
		for u, x := range s.Responses[i*s.Units : (i+1)*s.Units] {
			switch f := first[u]; {
			case x != x:
			case f != f:
				first[u] = x
			case x != f:
				dead[u] = false
			}
		}
	}
	return dead
}

func (c *checker) missing(missing []int, n int) {
	some, cells := 0, 0
	for _, m := range missing {
		if m > 0 && m < n {
			some, cells = some+1, cells+m
		}
	}
	if some > 0 {
		c.add("missing-values", Warn, "responses", "nothing, if the data are missing there; those pictures don't count for those units",
			"%d units lack a response to some pictures (%d responses in all)", some, cells)
	}
}

// same looks for units that answer alike to every picture: a hemisphere or block that was copied.
func (c *checker) same(hash []uint64, dead []bool) {
	first := map[uint64]int{}
	copies, a, b := 0, 0, 0
	for u, h := range hash {
		if dead[u] {
			continue
		}
		v, seen := first[h]
		if !seen {
			first[h] = u
			continue
		}
		if copies == 0 {
			a, b = v, u
		}
		copies++
	}
	if copies > 0 {
		c.add("duplicate-units", Warn, "responses", "check that no hemisphere or block of units was written twice",
			"%d units have the same responses as another, the first are %d and %d", copies, a, b)
	}
}

// scale: means of z-scored trials have a standard deviation below 1; the medians of raw percentages lie above.
func (c *checker) scale(sum, squares []float64, missing []int, n int) {
	var all []float64
	for u := range sum {
		if k := float64(n - missing[u]); k > 1 {
			all = append(all, math.Sqrt(max(0, squares[u]/k-sum[u]/k*sum[u]/k)))
		}
	}
	if m := stats.Median(all); m > 1.5 {
		c.add("not-zscored", Warn, "responses", "z-score every vertex within each session before averaging, as the challenge did",
			"the median standard deviation is %.2f; averages of z-scored trials stay below 1", m)
	}
}

func (c *checker) places() {
	s := c.b.s
	if c.failed["positions"] || c.failed["masks"] {
		return
	}
	lh, rh, wrong := 0, 0, 0
	for u, side := range s.Hemi {
		switch side {
		case "lh":
			lh++
		case "rh":
			rh++
		}
		if s.Geometry == nil && s.Positions != nil && (side == "lh" && s.Positions[u][0] > 0 || side == "rh" && s.Positions[u][0] < 0) {
			wrong++
		}
	}
	if lh+rh > 0 {
		c.Counts["lh"], c.Counts["rh"] = lh, rh
	}
	if 2*wrong > lh+rh {
		c.add("hemispheres-swapped", Warn, "positions", "x runs from left to right: swap lh and rh, or turn the sign of x",
			"%d of %d units lie on the other side than their hemisphere says", wrong, lh+rh)
	}
	if s.Positions == nil && s.Units > 0 {
		c.add("no-positions", Note, "positions", "", "the units have no places: every unit picks layers and place for itself, without topology")
	}
	at := map[[3]float32]bool{}
	for _, p := range s.Positions {
		at[p] = true
	}
	if n := len(s.Positions) - len(at); n > 0 && s.Geometry == nil {
		c.add("same-place", Warn, "positions", "nothing, if several units were recorded there; else check the file", "%d units lie exactly where another does", n)
	}
	if c.failed["regions"] {
		return
	}
	rois, none := map[string]bool{}, 0
	for _, in := range s.ROIs {
		if len(in) == 0 {
			none++
		}
		for _, roi := range in {
			rois[roi] = true
		}
	}
	c.Counts["rois"], c.Counts["units_without_roi"] = len(rois), none
}

func (c *checker) ceilings() {
	s := c.b.s
	if c.failed["ceiling"] || s.Ceiling == nil {
		return
	}
	var known []float64
	for _, x := range s.Ceiling {
		if x == x {
			known = append(known, float64(x))
		}
	}
	if len(known) == 0 {
		c.add("ceiling-unknown", Note, "ceiling", "give one, or show pictures twice; without it R²/ceiling stays empty", "no unit has a noise ceiling")
		return
	}
	percent := func(x float64) float64 { return math.Round(1000*x) / 10 }
	top := slices.Max(known)
	c.Counts["ceilings"] = len(known)
	c.Counts["ceiling_median_percent"], c.Counts["ceiling_max_percent"] = percent(stats.Median(known)), percent(top)
	kind := c.b.d.Ceiling.Kind
	switch {
	case kind == "percent" && top <= 0.01:
		c.add("ceiling-unit", Warn, c.b.folder.place(c.b.d.Ceiling.File), "write `kind: fraction` if they are fractions", "no ceiling is above 1 percent")
	case kind == "ncsnr" && stats.Median(known) > 0.95:
		c.add("ceiling-unit", Warn, c.b.folder.place(c.b.d.Ceiling.File), "ncsnr is seldom above 1.7; write `kind: percent` if they are percent",
			"half of the ceilings are above 95 percent")
	case top == 0:
		c.add("ceiling-zero", Warn, "ceiling", "check the file: a noise ceiling of 0 means no signal", "every noise ceiling is 0")
	}
}
