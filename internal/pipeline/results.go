package pipeline

import (
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"slices"
	"strconv"
	"strings"
	"time"

	"cortexmap/analyze"
	"cortexmap/analyze/maps"
	"cortexmap/analyze/report"
	"cortexmap/internal/config"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
	"cortexmap/internal/tasks"
)

// resultsName is the file in results that says from what they were made.
const (
	resultsName   = "results.json"
	resultsFolder = "results"
)

// made is that file.
type made struct {
	Report   string             `json:"report"` // below results
	Tables   []string           `json:"tables"`
	Plates   []string           `json:"plates"`
	Summary  [][]string         `json:"summary"`
	Notes    []string           `json:"notes"`
	Warnings []store.Warning    `json:"warnings"`
	Seconds  map[string]float64 `json:"seconds"`
}

// results plans tables, maps and the report of all mappings. There is one folder of that name: it is made
// anew when anything that is shown has changed.
func (r *run) results() {
	var needs []*tasks.Task
	for _, m := range r.mappings {
		needs = append(needs, m.task)
		if m.native != nil {
			needs = append(needs, m.native)
		}
	}
	for _, c := range r.controlled {
		needs = append(needs, c.task)
	}
	for _, h := range r.halved {
		for _, one := range h.each {
			needs = append(needs, one.task)
		}
	}
	for _, l := range r.alike {
		needs = append(needs, l.needs()...)
	}
	t := r.add("results", "tables, maps and report", r.resultsKey(r.mappings), resultsFolder, needs, r.analyze)
	t.Fixed, t.Some = true, true
}

// adopt takes what results hold into the run's result.
func (r *run) adopt() error {
	task := r.graph.Tasks[len(r.graph.Tasks)-1]
	if !task.State.Finished() {
		return nil
	}
	dir := filepath.Join(r.out, resultsFolder)
	m, err := readMade(dir)
	if err != nil {
		return err
	}
	below := func(names []string) (paths []string) {
		for _, n := range names {
			paths = append(paths, filepath.Join(dir, filepath.FromSlash(n)))
		}
		return paths
	}
	r.result.Tables, r.result.Plates, r.result.Report = below(m.Tables), below(m.Plates), filepath.Join(dir, m.Report)
	r.result.Summary, r.result.Notes = m.Summary, m.Notes
	for _, w := range m.Warnings {
		r.warn(w)
	}
	return nil
}

// readMade reads the results' own record. Names that lead out of the folder are a fault, like one that names no report.
func readMade(dir string) (m made, err error) {
	path := filepath.Join(dir, resultsName)
	if err := durable.ReadJSON(path, &m, durable.MakeAnew); err != nil {
		return m, err
	}
	for _, name := range slices.Concat([]string{m.Report}, m.Tables, m.Plates) {
		if !filepath.IsLocal(filepath.FromSlash(name)) {
			return m, fault.Inputf("damaged: %q is no file of the results", name).In("%s", path).Remedy(durable.MakeAnew)
		}
	}
	return m, nil
}

// there reads the mappings that could be made; the others are named in a warning.
func (r *run) there() (mappings []*mapped, lacking []store.Warning, err error) {
	for _, m := range r.mappings {
		if !m.task.State.Finished() {
			lacking = append(lacking, store.Warning{ID: "mapping-failed", Text: fmt.Sprintf("%s: not there, because it or something that it needs failed", m.task.Name)})
			continue
		}
		if err := m.read(r.out); err != nil {
			return nil, nil, err
		}
		if err := r.load(m.Brain); err != nil {
			return nil, nil, err
		}
		mappings = append(mappings, m)
	}
	return mappings, lacking, nil
}

// analyze fills the results' folder.
func (r *run) analyze(w work) error {
	mappings, lacking, err := r.there()
	if err != nil {
		return err
	}
	m := &made{Seconds: map[string]float64{}}
	said, err := r.warnings(mappings)
	if err != nil {
		return err
	}
	r.mu.Lock()
	m.Warnings = slices.Concat(r.result.Warnings, said, lacking)
	r.mu.Unlock()
	in := report.Input{Warnings: m.Warnings, Style: report.Colours(r.Config.Analyze.Colours)}
	vertices, err := store.CreateVertices(filepath.Join(w.Dir, store.VerticesName))
	if err != nil {
		return err
	}
	defer vertices.Abort()
	start := time.Now()
	for i, mapping := range mappings {
		w.Progress("analyze", i, len(mappings))
		run, err := r.study(w, mapping, mappings)
		if err != nil {
			return err
		}
		m.Warnings = append(m.Warnings, run.Results.Warnings...)
		if c := run.Results.Clusters; c != nil {
			c.Label(run.Mapping)
		}
		if t := r.groupTable(mapping, run); t != nil {
			run.Results.Tables = append(run.Results.Tables, t)
		}
		if len(r.settings) > 1 {
			for _, t := range run.Results.Tables {
				t.Insert("seed", analyze.Column{Name: "settings", Doc: "what the sweep set"}, mapping.Setting.Label)
			}
		}
		in.Runs = append(in.Runs, run)
		if err := vertices.Add(mapping.Mapping); err != nil {
			return err
		}
		if _, err := maps.Write(w.ctx, filepath.Join(w.Dir, "maps"), maps.Input{Mapping: run.Mapping, Geometry: run.Geometry, Spaces: r.spaces, Clusters: run.Results.Clusters, Style: in.Style, Version: r.Version}); err != nil {
			return err
		}
	}
	alike, lacking, err := r.scored(w)
	if err != nil {
		return err
	}
	m.Warnings = append(m.Warnings, lacking...)
	in.Sections = rdmSections(alike)
	if err := vertices.Commit(); err != nil {
		return err
	}
	m.Seconds["analyses"] = time.Since(start).Seconds()
	if err := r.together(w, &in, mappings, m); err != nil {
		return err
	}
	if in.Credits, in.Sources, err = r.credits(); err != nil {
		return err
	}
	if in.Provenance, err = r.provenance(mappings); err != nil {
		return err
	}
	start = time.Now()
	out, err := report.Write(w.ctx, w.Dir, in)
	if err != nil {
		return err
	}
	m.Seconds["report"] = time.Since(start).Seconds()
	m.Summary, m.Notes = summarise(in.Runs)
	m.Notes = append(m.Notes, rdmNotes(alike)...)
	m.Report = filepath.Base(out.HTML)
	m.Warnings = distinct(m.Warnings)
	if m.Tables, err = list(w.Dir, "tables/*.csv"); err != nil {
		return err
	}
	if m.Plates, err = list(w.Dir, "plates/*"); err != nil {
		return err
	}
	data, err := json.MarshalIndent(m, "", "  ")
	if err != nil {
		return err
	}
	return durable.WriteFile(filepath.Join(w.Dir, resultsName), append(data, '\n'))
}

// distinct leaves out what was said before.
func distinct(ws []store.Warning) (out []store.Warning) {
	for _, w := range ws {
		if !slices.Contains(out, w) {
			out = append(out, w)
		}
	}
	return out
}

// study computes everything that is computed from one mapping.
func (r *run) study(w work, m *mapped, all []*mapped) (report.Run, error) {
	h, err := r.hierarchy(m.Brain)
	if err != nil {
		return report.Run{}, err
	}
	run := report.Run{Mapping: m.Mapping, Hierarchy: h, Geometry: m.Brain.geometry}
	if s := m.Brain.sim; s != nil {
		run.Difficulty = s.Description.String()
		// from the atlas itself: the subject has but a part of each area's vertices
		run.Outlines, err = report.Parcellation(m.Brain.geometry, h, r.Demo, "rois/lh.glasser_360.annot", "rois/rh.glasser_360.annot")
		if err != nil {
			return report.Run{}, err
		}
		if s.planted(m) {
			m.Truth = s.truth
		}
	}
	manifest, err := store.ReadManifest(filepath.Join(r.out, filepath.FromSlash(m.tokens.Folder)))
	if err != nil {
		return run, err
	}
	run.Features = &manifest
	in := analyze.Input{Mapping: m.Mapping, Geometry: m.Brain.geometry, Hierarchy: h, R2Top: r2Top(all), Atlas: m.Brain.atlas(), Bounds: r.bounds()}
	if in.Shuffled, err = r.shuffled(m); err != nil {
		return run, err
	}
	if in.Draws = r.Config.Analyze.Bootstrap; in.Draws > 0 {
		if in.Test, err = r.testSet(m); err != nil {
			return run, err
		}
	}
	if run.Results, err = analyze.Run(w.ctx, in); err != nil {
		return run, err
	}
	if run.Results.Scores != nil {
		run.Sections = append(run.Sections, report.ImageSection(m.Info.Simulated, run.Results.Scores))
	}
	if err := r.addChannels(w, &run, m, in); err != nil {
		return run, err
	}
	return run, r.addControls(w, &run, m, in, all)
}

// bounds says which intervals are given.
func (r *run) bounds() analyze.Bounds { return analyze.Bounds(r.Config.Analyze.Interval) }

// r2Top is the common upper end of all plates' R².
func r2Top(mappings []*mapped) float64 {
	all := make([]*store.Mapping, len(mappings))
	for i, m := range mappings {
		all[i] = m.Mapping
	}
	return analyze.R2Top(all...)
}

// planted says whether a mapping can be compared with what was planted: it is FactorTopy's, with or without
// topology, of the network that made the responses, with the layers that they were made from.
func (s *simulation) planted(m *mapped) bool {
	return strings.HasPrefix(m.Info.Method, factorTopy) && m.Network.weights == s.weights && slices.EqualFunc(m.Info.Layers, s.file.Layers,
		func(a, b store.Layer) bool { return a.Tensor == b.Tensor })
}

// hierarchy is the one of the configuration, or else the subject's own; without levels there is no slope.
func (r *run) hierarchy(b *brain) (analyze.Hierarchy, error) {
	h := r.Config.Analyze.Hierarchy
	out := analyze.Hierarchy{Name: h.Name}
	levels := h.Levels
	switch {
	case len(levels) > 0:
		out.Name = "own"
	case h.Name == "" || h.Name == "glasser" && b.sim != nil:
		out.Name = "own"
		if b.sim != nil {
			out.Name = "glasser"
		}
		for _, l := range b.Hierarchy {
			levels = append(levels, config.Level(l))
		}
	default:
		for _, l := range subject.Hierarchy(h.Name) {
			levels = append(levels, config.Level(l))
		}
		if levels == nil {
			return out, fault.Inputf("analyze.hierarchy: %q is not a hierarchy that %s has", h.Name, b.Name).
				Remedy("name paper or streams, leave it out for the subject's own, or write the levels as a list")
		}
	}
	for _, l := range levels {
		out.Levels = append(out.Levels, analyze.Level(l))
	}
	return out, nil
}

// credits are the photographs' and the embedded material's, where those are what was shown or drawn.
func (r *run) credits() ([]report.Credit, []report.Source, error) {
	var sources []report.Source
	var credits []report.Credit
	demo := false
	for _, n := range r.networks {
		c := n.file.Card
		sources = append(sources, report.Source{What: n.Name + " (network)", Licence: c.Licence, Attribution: c.Origin})
	}
	for _, b := range r.brains {
		if b.sim != nil {
			demo = true
			continue
		}
		sources = append(sources, report.Source{What: b.Name + " (recordings)", Licence: b.Licence, Attribution: b.Attribution})
	}
	if !demo {
		return nil, sources, nil
	}
	const file = "photos/credits.csv"
	data, err := fs.ReadFile(r.Demo, file)
	if err != nil {
		return nil, nil, err
	}
	if credits, err = report.ReadCredits(file, data); err != nil {
		return nil, nil, err
	}
	sources = append(sources,
		report.Source{What: "fsaverage5 surfaces", Licence: "FreeSurfer Software License", Attribution: "The General Hospital Corporation, Boston; as shipped in nilearn 0.14.1"},
		report.Source{What: "HCP-MMP1.0 areas on fsaverage5", Licence: "BSD-3-Clause (ENIGMA Toolbox), WU-Minn HCP open access data use terms",
			Attribution: "Glasser et al. 2016; data were provided in part by the Human Connectome Project, WU-Minn Consortium"},
		report.Source{What: "photographs", Licence: "each one's own, listed below", Attribution: "windows and mirror images of them were shown; resized to 256 px on the short side"})
	return credits, sources, nil
}

// provenance is what the report's foot says of how it came about.
func (r *run) provenance(mappings []*mapped) (report.Provenance, error) {
	p := report.Provenance{Command: r.Command}
	add := func(name, value string) {
		if value != "" {
			p.Facts = append(p.Facts, report.Fact{Name: name, Value: value})
		}
	}
	add("cortexmap", r.Version)
	for _, m := range mappings {
		add("ONNX Runtime", m.Info.Library)
		add("device", m.Info.Provider)
		break
	}
	add("threads", strconv.Itoa(r.threads))
	add("system", runtime.GOOS+"/"+runtime.GOARCH+", "+runtime.Version())
	add("made", time.Now().UTC().Format("2006-01-02 15:04 UTC"))
	for _, n := range r.networks {
		p.Digests = append(p.Digests, report.Fact{Name: n.Path, Value: hex.EncodeToString(n.file.SHA256[:])})
	}
	for _, b := range r.brains {
		p.Digests = append(p.Digests, report.Fact{Name: b.Name + ", pictures", Value: b.imagesKey},
			report.Fact{Name: b.Name + ", data", Value: b.dataKey})
	}
	for _, t := range r.graph.Tasks {
		if t.Kind != "results" {
			p.Stages = append(p.Stages, report.Stage{Name: t.Kind + ": " + t.Name, Key: t.Key, State: t.State.String(), Seconds: t.Seconds})
		}
	}
	if info, ok := debug.ReadBuildInfo(); ok {
		for _, m := range info.Deps {
			p.Modules = append(p.Modules, m.Path+" "+m.Version)
		}
	}
	text, err := json.MarshalIndent(r.Config, "", "  ")
	if err != nil {
		return p, err
	}
	p.Config = string(text) + "\n" // JSON is YAML
	return p, nil
}

// list is the files below dir that match a pattern, sorted, with slashes.
func list(dir, pattern string) ([]string, error) {
	paths, err := filepath.Glob(filepath.Join(dir, filepath.FromSlash(pattern)))
	if err != nil {
		return nil, err
	}
	for i, p := range paths {
		rel, err := filepath.Rel(dir, p)
		if err != nil {
			return nil, err
		}
		paths[i] = filepath.ToSlash(rel)
	}
	slices.Sort(paths)
	return paths, nil
}

// summarise is what is printed at the end: a row a mapping, and what must be read with it.
func summarise(runs []report.Run) (rows [][]string, notes []string) {
	if len(runs) == 0 {
		return nil, nil
	}
	rows = [][]string{{"network", "subject", "method", "units", "R2", "R2/ceiling", "slope [95 %]", "b0", "b1"}}
	seeds := slices.ContainsFunc(runs, func(o report.Run) bool { return o.Mapping.Info.Seed != runs[0].Mapping.Info.Seed })
	swept := slices.ContainsFunc(runs, func(o report.Run) bool { return o.Mapping.Info.Swept != "" })
	insert := func(row []string, seed, settings string) []string {
		if seeds {
			row = slices.Insert(row, 3, seed)
		}
		if swept {
			row = slices.Insert(row, 3, settings)
		}
		return row
	}
	rows[0] = insert(rows[0], "seed", "settings")
	for _, run := range runs {
		i := &run.Mapping.Info
		rows = append(rows, insert(summaryRow(run), strconv.Itoa(i.Seed), i.Swept))
		of := ""
		if len(runs) > 1 {
			of = whichOf(i)
		}
		for _, note := range recoveryNotes(run) {
			notes = append(notes, of+note)
		}
		notes = append(notes, layerNotes(run)...)
	}
	return rows, notes
}

// whichOf says before a note which of several mappings it is about.
func whichOf(i *store.FitInfo) string {
	words := []string{i.Model + " onto " + i.Subject, analyze.MethodOf(i), fmt.Sprintf("seed %d", i.Seed)}
	if i.Swept != "" {
		words = append(words, i.Swept)
	}
	return strings.Join(words, ", ") + ": "
}

func summaryRow(run report.Run) []string {
	i := &run.Mapping.Info
	subject := i.Subject
	if i.Simulated {
		subject += " (simulated)"
	}
	s := analyze.Summarise(run.Mapping)
	row := []string{i.Model, subject, analyze.MethodOf(i), strconv.Itoa(s.Fitted), number(s.R2), number(s.R2Norm), "", "", ""}
	for _, a := range run.Results.Alignment {
		if a.Quantity == "share" && a.Over == "rois" {
			row[6] = fmt.Sprintf("%s [%s, %s]", number(a.Slope.Estimate), number(a.Slope.Lo), number(a.Slope.Hi))
			row[7], row[8] = number(a.B0), number(a.B1)
		}
	}
	return row
}

func recoveryNotes(run report.Run) []string {
	rec := run.Results.Recovery
	if rec == nil {
		return nil
	}
	notes := []string{fmt.Sprintf("recovery of the planted truth (simulated): R2/ceiling %s, expected layer off by %s of %d, depth off by %s, space off by %s (median), local share off by %s",
		number(rec.R2OverCeilingMean), number(rec.LayerExpectedMAE), len(run.Mapping.Info.Layers), number(rec.DepthMAE), number(rec.SpaceErrorMedian), number(rec.LocalShareMAE))}
	if !math.IsNaN(rec.SlopePlanted) {
		notes = append(notes, fmt.Sprintf("the slope is biased by the fit (simulated): %s planted, %s found; its interval knows of noise only", number(rec.SlopePlanted), number(rec.Slope)))
	}
	return notes
}

// layerNotes is, for a ridge a layer, the layer that validation pictures choose and its scores on test
// pictures.
func layerNotes(run report.Run) []string {
	best, ok := analyze.Best(run.Results.Layers, "r_val_median")
	if !ok {
		return controlNotes(run.Mapping.Info)
	}
	of := func(measure string) string {
		for _, s := range run.Results.Layers {
			if s.Score == measure && s.Layer == best.Layer {
				return number(s.Value)
			}
		}
		return ""
	}
	i := run.Mapping.Info
	return []string{fmt.Sprintf("%s onto %s: validation pictures choose layer %s (%d of %d); median r over units on test pictures %s, with pictures shuffled %s",
		i.Model, i.Subject, best.Name, best.Layer+1, len(i.Layers), of("r_median"), of("r_shuffled_median"))}
}

// controlNotes is a fit's score beside that of its control, if it has one.
func controlNotes(i store.FitInfo) []string {
	shuffled, ok := i.Scores["r_shuffled_median"]
	if !ok {
		return nil
	}
	return []string{fmt.Sprintf("%s onto %s, %s: median r over units on test pictures %s, with pictures shuffled %s",
		i.Model, i.Subject, i.Method, number(i.Scores["r_median"]), number(shuffled))}
}

func number(x float64) string {
	if math.IsNaN(x) {
		return ""
	}
	if math.Abs(x) < 0.0005 {
		x = 0 // no −0.000
	}
	return strconv.FormatFloat(x, 'f', 3, 64)
}
