package pipeline

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"time"

	"cortexmap/analyze"
	"cortexmap/analyze/report"
	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/store"
)

// CompareOptions of Compare.
type CompareOptions struct {
	Runs     []string // run folders, or folders below their mappings/
	Pair     bool     // there are two, before and after
	Colours  string   // of maps: accessible, the default, or paper
	Out      string   // "": below runs/
	Demo     fs.FS    // the embedded demo folder, for its surfaces
	Version  string
	Command  string
	Log      *slog.Logger
	Progress func(stage string, done, total int)
}

// Compare reads mappings that exist and writes tables, difference maps and a report of what they differ in. Nothing
// is fitted, and neither networks nor subjects are opened: what is needed of them lies in the runs' folders.
//
// With Pair every network of the first folder (there must be one) is before, that of the second after. Otherwise a
// network that run.json says was tuned from another is compared with that one; if none was, all are compared with
// the first.
func Compare(ctx context.Context, o CompareOptions) (*Result, error) {
	if o.Progress == nil {
		o.Progress = func(string, int, int) {}
	}
	c := &comparer{CompareOptions: o, ctx: ctx, surfaces: map[string]*cortex.Geometry{}}
	sides := make([][]*fitted, len(o.Runs))
	for i, path := range o.Runs {
		o.Progress("read", i, len(o.Runs))
		var err error
		if sides[i], err = c.load(path); err != nil {
			return nil, err
		}
	}
	o.Progress("read", len(o.Runs), len(o.Runs))
	c.tellApart(sides)
	couples, err := c.couples(sides)
	if err != nil {
		return nil, err
	}
	return c.write(slices.Concat(sides...), couples)
}

// comparer is one Compare on its way.
type comparer struct {
	CompareOptions
	ctx      context.Context
	surfaces map[string]*cortex.Geometry
	warnings []store.Warning
	roots    map[*fitted]string
}

func (c *comparer) warn(id, format string, args ...any) {
	w := store.Warning{ID: id, Text: fmt.Sprintf(format, args...)}
	if !slices.Contains(c.warnings, w) {
		c.warnings = append(c.warnings, w)
		c.Log.Warn(w.Text, "id", w.ID)
	}
}

// load reads the mappings of a run folder, or those of one of its folders.
func (c *comparer) load(path string) ([]*fitted, error) {
	root, err := runFolder(path)
	if err != nil {
		return nil, err
	}
	f, err := readRun(root)
	if err != nil {
		return nil, err
	}
	var out []*fitted
	for _, e := range f.Mappings {
		folder := filepath.Join(root, filepath.FromSlash(e.Folder))
		if folder != filepath.Clean(path) && !within(folder, path) {
			continue
		}
		one, err := c.fitted(root, folder, e)
		if err != nil {
			return nil, err
		}
		if c.roots == nil {
			c.roots = map[*fitted]string{}
		}
		c.roots[one] = root
		out = append(out, one)
	}
	if len(out) == 0 {
		return nil, fault.Inputf("%s holds no mapping that its run.json knows of", path).
			Remedy("finish the run first (`cortexmap run` with the same file), or name a folder below its mappings/")
	}
	return out, nil
}

// runFolder is the folder with run.json that path is or lies in.
func runFolder(path string) (string, error) {
	if info, err := os.Stat(path); err != nil {
		return "", fault.Inputf("%s can't be read: %w", path, err).Remedy("name the folder that a run has written (its out)")
	} else if !info.IsDir() {
		return "", fault.Inputf("%s is a file", path).Remedy("name the folder that a run has written (its out), or one below its mappings/")
	}
	for at, depth := filepath.Clean(path), 0; depth < 5; at, depth = filepath.Dir(at), depth+1 {
		if durable.Exists(filepath.Join(at, runName)) {
			return at, nil
		}
	}
	return "", fault.Inputf("%s is no run folder: neither it nor a folder above it holds run.json", path).Remedy("name the folder that a run has written (its out)")
}

// fitted reads a mapping and computes what is computed from it alone.
func (c *comparer) fitted(root, folder string, e mappingEntry) (*fitted, error) {
	m, err := store.ReadMapping(folder)
	if err != nil {
		return nil, err
	}
	m.Info.Model, m.Info.Family, m.Info.Subject, m.Info.Swept = e.Model, e.Family, e.Subject, e.Settings
	out := &fitted{size: e.Size, base: e.FinetunedFrom, Run: report.Run{Mapping: m, Hierarchy: e.Hierarchy}}
	if f := filepath.Join(root, filepath.FromSlash(e.Features)); e.Features != "" && durable.Exists(f) {
		out.features = f
	} else {
		c.warn("no-tokens", "%s: its tokens (%s) are not there any more, so that its layers are not compared", e.Model, e.Features)
	}
	if out.Geometry, err = c.surface(m); err != nil {
		return nil, err
	}
	if m.Info.SubjectKind == "simulated" && out.Geometry != nil {
		if out.Outlines, err = report.Parcellation(out.Geometry, e.Hierarchy, c.Demo, "rois/lh.glasser_360.annot", "rois/rh.glasser_360.annot"); err != nil {
			return nil, err
		}
	}
	out.Results, err = analyze.Run(c.ctx, analyze.Input{Mapping: m, Geometry: out.Geometry, Hierarchy: e.Hierarchy, R2Top: math.NaN()})
	return out, err
}

// surface is the embedded fsaverage that a mapping lies on; nil, with a warning, for a subject's own surface.
func (c *comparer) surface(m *store.Mapping) (*cortex.Geometry, error) {
	name := m.Info.Surface
	switch {
	case name == "":
		return nil, nil
	case !strings.HasPrefix(name, "fsaverage"):
		c.warn("own-surface", "%s lies on a surface of its own (%s), which is not part of a run's folder: no maps and no spatial intervals", m.Info.Subject, name)
		return nil, nil
	case c.surfaces[name] != nil:
		return c.surfaces[name], nil
	}
	g, err := cortex.LoadFsaverage(c.Demo, name)
	c.surfaces[name] = g
	return g, err
}

// tellApart gives networks of one name that differ in their run or protocol a name of their own.
func (c *comparer) tellApart(sides [][]*fitted) {
	all := slices.Concat(sides...)
	differ := func(f *fitted, of func(*fitted) string) bool {
		return slices.ContainsFunc(all, func(o *fitted) bool {
			a, b := &f.Mapping.Info, &o.Mapping.Info
			return a.Model == b.Model && a.Subject == b.Subject && a.Method == b.Method && of(f) != of(o)
		})
	}
	protocol := func(f *fitted) string {
		return strings.TrimSpace(f.Mapping.Info.Protocol + " " + f.Mapping.Info.Swept)
	}
	root := func(f *fitted) string { return c.roots[f] }
	names := make([]string, len(all))
	for i, f := range all {
		names[i] = f.Mapping.Info.Model
		var what []string
		if differ(f, protocol) {
			what = append(what, protocol(f))
		} else if differ(f, root) {
			what = append(what, filepath.Base(root(f)))
		}
		if len(what) > 0 {
			names[i] += " (" + strings.Join(what, ", ") + ")"
		}
	}
	for i, f := range all {
		f.Mapping.Info.Model = names[i]
	}
}

// couples are what is compared with what.
func (c *comparer) couples(sides [][]*fitted) ([]couple, error) {
	if c.Pair {
		return c.pair(sides)
	}
	all := arms(slices.Concat(sides...))
	if out := tuned(all); len(out) > 0 {
		return out, nil
	}
	var out []couple
	for i, after := range all {
		for _, before := range all[:i] {
			if before.key.subject == after.key.subject && before.key.method == after.key.method {
				out = append(out, couple{before, after})
				break // with the first
			}
		}
	}
	if len(out) == 0 {
		return nil, fault.Inputf("nothing to compare: no two networks or protocols were mapped onto the same subject by the same method").
			Remedy("name runs of two networks on one subject, or one run with several models")
	}
	return out, nil
}

// pair takes one network of each side.
func (c *comparer) pair(sides [][]*fitted) (out []couple, err error) {
	var two [2][]*arm
	for i, side := range sides {
		two[i] = arms(side)
		for _, a := range two[i] {
			if a.key.model != two[i][0].key.model {
				return nil, fault.Inputf("%s holds more than one network: %s and %s", c.Runs[i], two[i][0].key.model, a.key.model).
					Remedy("name the network's own folder, such as %s", filepath.Join(c.roots[a.fits[0]], "mappings", store.SafeName(a.key.model)))
			}
		}
	}
	for _, before := range two[0] {
		for _, after := range two[1] {
			if before.key.subject == after.key.subject && before.key.method == after.key.method {
				out = append(out, couple{before, after})
			}
		}
	}
	if len(out) == 0 {
		return nil, fault.Inputf("%s and %s have no subject in common that both were mapped onto by the same method", c.Runs[0], c.Runs[1]).
			Remedy("map both networks onto one subject")
	}
	return out, nil
}

// comparisonName marks a folder as a comparison's: only those are replaced.
const comparisonName = "comparison.json"

// write measures the couples and writes everything below out.
func (c *comparer) write(all []*fitted, couples []couple) (*Result, error) {
	if c.Out == "" {
		var words []string
		for _, p := range c.Runs {
			words = append(words, store.SafeName(filepath.Base(filepath.Clean(p))))
		}
		c.Out = filepath.Join("runs", store.SafeName("compare-"+strings.Join(words, "-")))
	}
	if left, err := os.ReadDir(c.Out); err == nil && len(left) > 0 && !durable.Exists(filepath.Join(c.Out, comparisonName)) {
		return nil, fault.Inputf("%s exists and is not an earlier comparison", c.Out).Remedy("choose another folder with --out")
	} else if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, durable.Explain(err, c.Out)
	}
	j, err := compare(c.ctx, couples, func(done, total int) { c.Progress("compare", done, total) })
	if err != nil {
		return nil, err
	}
	if err := j.families(c.ctx, all, analyze.BoundsAuto); err != nil {
		return nil, err
	}
	if err := os.RemoveAll(c.Out + durable.PartialSuffix); err != nil {
		return nil, durable.Explain(err, c.Out)
	}
	partial, err := durable.OpenDir(c.Out)
	if err != nil {
		return nil, elsewhere(err)
	}
	done := false
	defer func() {
		if !done {
			partial.Discard()
		}
	}()
	in := c.report(all, j)
	out, err := report.Write(c.ctx, partial.Path, in)
	if err != nil {
		return nil, err
	}
	if err := j.export(c.ctx, filepath.Join(partial.Path, "maps"), c.Version); err != nil {
		return nil, err
	}
	res := &Result{Out: c.Out, Report: filepath.Join(c.Out, filepath.Base(out.HTML)), Warnings: c.warnings, Summary: compared(j.comparisons)}
	for name, of := range map[string]*[]string{"tables/*.csv": &res.Tables, "plates/*": &res.Plates} {
		found, err := list(partial.Path, name)
		if err != nil {
			return nil, err
		}
		for _, f := range found {
			*of = append(*of, filepath.Join(c.Out, filepath.FromSlash(f)))
		}
	}
	if err := durable.WriteFile(filepath.Join(partial.Path, comparisonName), c.made(all)); err != nil {
		return nil, err
	}
	if err := replaceDir(partial, c.Out); err != nil {
		return nil, err
	}
	done = true
	return res, nil
}

// report is what the page shows.
func (c *comparer) report(all []*fitted, j *joint) report.Input {
	in := report.Input{Comparing: true, Comparisons: j.comparisons, Tables: j.tables, Sections: j.sections, Warnings: c.warnings, Style: report.Colours(c.Colours)}
	seen := map[string]bool{}
	for _, f := range all {
		in.Runs = append(in.Runs, f.Run)
		i := &f.Mapping.Info
		for _, s := range []report.Source{{What: i.Model + " (network)", Licence: i.Network.Licence, Attribution: i.Network.Origin}, {What: i.Subject + " (responses)", Licence: i.Licence, Attribution: i.Attribution}} {
			if !seen[s.What] {
				seen[s.What] = true
				in.Sources = append(in.Sources, s)
			}
		}
		in.Provenance.Digests = append(in.Provenance.Digests, report.Fact{Name: fmt.Sprintf("%s on %s, %s, seed %d", i.Model, i.Subject, i.Method, i.Seed), Value: "mapping " + i.Key})
	}
	in.Provenance.Command = c.Command
	in.Provenance.Facts = []report.Fact{{Name: "cortexmap", Value: c.Version}, {Name: "system", Value: runtime.GOOS + "/" + runtime.GOARCH + ", " + runtime.Version()},
		{Name: "made", Value: time.Now().UTC().Format("2006-01-02 15:04 UTC")}}
	return in
}

// made is comparison.json: what was compared.
func (c *comparer) made(all []*fitted) []byte {
	type entry struct {
		Run, Model, Subject, Method, Key string
		Seed                             int
	}
	out := struct {
		Version, Command string
		Mappings         []entry
	}{Version: c.Version, Command: c.Command}
	for _, f := range all {
		i := &f.Mapping.Info
		out.Mappings = append(out.Mappings, entry{c.roots[f], i.Model, i.Subject, i.Method, i.Key, i.Seed})
	}
	return indented(out)
}

// compared is what is printed at the end: a row a comparison.
func compared(all []report.Comparison) [][]string {
	rows := [][]string{{"after - before", "subject", "method", "units", "change of R2", "change of slope [95 %]", "floor", "vertices q<0.05", "least CKA"}}
	for _, c := range all {
		i := &c.Before.Info
		subject := i.Subject
		if i.Simulated {
			subject += " (simulated)"
		}
		mean, n := 0.0, 0
		for _, d := range c.Vertices.R2 {
			if !math.IsNaN(d) {
				mean, n = mean+d, n+1
			}
		}
		row := []string{c.After.Info.Model + " - " + i.Model, subject, i.Method, fmt.Sprint(c.Units), number(mean / float64(n)), "", "", "", ""}
		for _, s := range c.Slopes {
			if s.Quantity == "share" && s.Over == "rois" && !math.IsNaN(s.Slope.Estimate) {
				_, most := c.FloorOf("slope_share", "rois")
				row[5], row[6] = fmt.Sprintf("%s [%s, %s]", number(s.Slope.Estimate), number(s.Slope.Lo), number(s.Slope.Hi)), number(most)
			}
		}
		if slices.ContainsFunc(c.Vertices.P, func(p float64) bool { return !math.IsNaN(p) }) {
			row[7] = fmt.Sprint(c.Vertices.Discovered)
		}
		if c.Similarity != nil {
			row[8] = number(slices.Min(c.Similarity.CKA))
		}
		rows = append(rows, row)
	}
	return rows
}

// replaceDir puts a finished folder in the place of an earlier one. A crash between the two renames leaves the old
// one under ".old", which the next comparison removes.
func replaceDir(dir *durable.Dir, path string) error {
	old := path + ".old"
	if err := os.RemoveAll(old); err != nil {
		return durable.Explain(err, old)
	}
	if err := os.Rename(path, old); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return durable.Explain(err, path)
	}
	if err := dir.Commit(); err != nil {
		return err
	}
	return durable.Explain(os.RemoveAll(old), old)
}
