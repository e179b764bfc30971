package report

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"html/template"
	"io"
	"math"
	"slices"
	"strings"

	"cortexmap/analyze"
	"cortexmap/internal/store"
)

//go:embed page.html
var pageHTML string

//go:embed page.css
var pageCSS string

// page is what page.html is given. Texts are plain: the template escapes them.
type page struct {
	Title      string
	CSS        template.CSS
	Scripts    []script
	Viewer     *viewer // of several mappings; one mapping's stands in its part
	Simulated  bool
	Warnings   []store.Warning
	Overview   *table // of several mappings; nil for one
	Size       string // what the page's size cost
	Folded     bool   // the mappings' parts are closed at first
	Compared   []comparison
	Compare    string   // how comparisons were made
	Methods    []string // of the mappings, where they have no parts of their own
	Runs       []run
	Sections   []section
	Provenance Provenance
	Credits    []creditGroup
	Photos     int
	Sources    []Source
	Citations  []string
}

// run is one mapping's part of the page.
type run struct {
	ID         string
	Heading    string
	Units      string // at the beginning of a sentence
	Lead       string
	Simulated  bool
	Keys       []keyNumber
	Viewer     *viewer
	Hero       *figure
	Plates     []figure
	LeftOut    string
	Alignment  *figure
	AlignTable *table
	Levels     *table
	Recovery   *table
	Difficulty []string
	Layers     *figure
	LayerTable *table
	ROIs       *table
	Clusters   *table
	Sections   []section
	Curve      *figure
	Methods    []string
	Facts      []Fact
	Seconds    []Fact
	Settings   string
}

// keyNumber is one of the few numbers of the first screen.
type keyNumber struct{ Name, Value, Bounds, Note string }

// table is a table for people: texts, the first column a heading of its row.
type table struct {
	Caption string
	Head    []string
	Rows    [][]cell
	Note    string
}

// cell is a text, a second smaller line, and whether it is a number (then it stands to the right). Href is where on the
// page it leads, "" for nowhere.
type cell struct {
	Text, Small string
	Number      bool
	Href        string
}

// render writes report.html with at most so many parts of each kind.
func render(w io.Writer, in Input, d *drawn, parts int) error {
	t, err := template.New("report").Parse(pageHTML)
	if err != nil {
		return err // a bug: the template is embedded
	}
	return t.Execute(w, newPage(in, d, parts))
}

func newPage(in Input, d *drawn, parts int) *page {
	p := &page{Title: title(in), CSS: template.CSS(pageCSS), Provenance: in.Provenance, Credits: groupCredits(in.Credits),
		Photos: len(in.Credits), Sources: in.Sources, Citations: citations(in)}
	number := 0
	for i, c := range in.Comparisons {
		if p.Simulated = p.Simulated || c.simulated(); i < parts {
			p.Compared = append(p.Compared, newComparison(i, c, d.compared[i], &number))
		}
	}
	p.Compare = comparisonMethods(in.Comparisons)
	if in.Comparing { // what each mapping is by itself stands in its own run's report
		p.Methods = joinedMethods(in.Runs)
	}
	for i, r := range in.Runs {
		p.Simulated = p.Simulated || r.Mapping.Info.Simulated
		if !in.Comparing && i < parts {
			p.Runs = append(p.Runs, newRun(i, r, d.runs[i], &number))
		}
	}
	p.Sections = slices.Clone(d.sections[:min(parts, len(d.sections))])
	for i := range p.Sections {
		p.Sections[i].ID = fmt.Sprintf("part%d-%s", i+1, p.Sections[i].ID)
		for _, fig := range p.Sections[i].Figures {
			number++
			fig.Number = number
		}
		p.Simulated = p.Simulated || p.Sections[i].Simulated
	}
	if len(in.Runs) > 1 {
		p.Overview = overview(in.Runs, len(p.Runs))
	}
	p.Folded = len(p.Runs) > manyParts
	p.Size = sizeNotes(d.reduced, firstOf(parts, len(in.Comparisons), "comparisons"), firstOf(parts, len(in.Sections), "sections"))
	if !in.Comparing {
		p.Size = sizeNotes(false, firstOf(parts, len(in.Runs), "mappings"), p.Size)
	}
	p.Warnings = allWarnings(in)
	p.script(d.cortex)
	return p
}

// title is what the page is about.
func title(in Input) string {
	switch {
	case in.Title != "":
		return in.Title
	case len(in.Runs) == 0:
		return in.Sections[0].Title
	case in.Comparing:
		return comparisonTitle(in.Comparisons)
	}
	models, subjects := map[string]bool{}, map[string]bool{}
	for _, r := range in.Runs {
		models[r.Mapping.Info.Model], subjects[r.Mapping.Info.Subject] = true, true
	}
	first := &in.Runs[0].Mapping.Info
	what, whom := first.Model, onto(first.Subject)
	if n := len(models); n > 1 {
		what = plural(n, "network", "networks")
	}
	if n := len(subjects); n > 1 {
		whom = plural(n, "subject", "subjects")
	}
	return what + " mapped onto " + whom
}

// script adds the page's scripts, and the interactive cortex where a mapping has a surface.
func (p *page) script(v *viewer) {
	if v != nil {
		p.Scripts = append(p.Scripts, newScript(threeJS), newScript(viewerJS))
		if len(p.Runs) == 1 {
			p.Runs[0].Viewer = v
		} else {
			p.Viewer = v
		}
	}
	p.Scripts = append(p.Scripts, newScript(tablesJS))
}

// allWarnings are those of the run, then each mapping's and each analysis's, without repeats.
func allWarnings(in Input) []store.Warning {
	all := slices.Clone(in.Warnings)
	for _, r := range in.Runs {
		all = append(all, r.Results.Warnings...)
		all = append(all, r.Mapping.Info.Warnings...)
		if r.Features != nil {
			all = append(all, r.Features.Warnings...)
		}
	}
	var out []store.Warning
	for _, w := range all {
		// a mapping may carry the warning of its simulated subject in other words: the id decides for those
		same := func(o store.Warning) bool {
			return o.Text == w.Text || o.ID == w.ID && (w.ID == "simulated" || w.ID == "favours-generator")
		}
		if !slices.ContainsFunc(out, same) {
			out = append(out, w)
		}
	}
	return out
}

func heading(r Run) string {
	if r.name != "" {
		return r.name
	}
	return r.Mapping.Info.Model + " mapped onto " + onto(r.Mapping.Info.Subject)
}

// named gives mappings of one network onto one subject headings that tell them apart, by what they differ in.
func named(runs []Run) []Run {
	out := slices.Clone(runs)
	words := []func(*store.FitInfo) string{methodWord, func(i *store.FitInfo) string { return i.Protocol }, func(i *store.FitInfo) string { return i.Swept },
		func(i *store.FitInfo) string { return fmt.Sprintf("seed %d", i.Seed) }}
	for i, r := range runs {
		a := &r.Mapping.Info
		out[i].name = heading(r)
		for _, word := range words {
			if slices.ContainsFunc(runs, func(o Run) bool {
				b := &o.Mapping.Info
				return a.Model == b.Model && a.Subject == b.Subject && word(a) != word(b)
			}) && word(a) != "" {
				out[i].name += ", " + word(a)
			}
		}
	}
	return out
}

// runID is the anchor of a mapping's part.
func runID(i int) string { return fmt.Sprintf("run%d", i+1) }

func newRun(i int, r Run, f runFigures, number *int) run {
	info := &r.Mapping.Info
	out := run{ID: runID(i), Heading: heading(r), Units: capital(r.units()), Lead: lead(r), Simulated: info.Simulated, Keys: keyNumbers(r),
		Alignment: f.Alignment, Layers: f.Layers, Curve: f.Curve, Plates: f.Plates, LeftOut: leftOut(f.LeftOut), Methods: methods(r), Facts: facts(r), Settings: settings(info.Settings)}
	if len(out.Plates) > 0 {
		out.Hero, out.Plates = &out.Plates[0], out.Plates[1:]
	}
	for _, s := range sortedKeys(info.Seconds) {
		out.Seconds = append(out.Seconds, Fact{strings.ReplaceAll(s, "_", " "), seconds(info.Seconds[s])})
	}
	if len(r.Results.Alignment) > 0 {
		out.AlignTable, out.Levels = alignTable(r), levelTable(r)
	}
	if r.Results.Recovery != nil {
		out.Recovery = recoveryTable(r)
	}
	for _, part := range strings.Split(r.Difficulty, "\n\n") {
		if part = strings.TrimSpace(part); part != "" {
			out.Difficulty = append(out.Difficulty, part)
		}
	}
	if len(r.Results.Layers) > 0 {
		out.LayerTable = layerTable(r)
	}
	if len(r.Results.ROIs) > 0 {
		out.ROIs = roiTable(r)
	}
	if c := r.Results.Clusters; c != nil && len(c.Size) > 0 {
		out.Clusters = clusterTable(r)
	}
	out.Sections = slices.Clone(f.Sections)
	for i := range out.Sections {
		out.Sections[i].ID = out.ID + "-" + out.Sections[i].ID
	}
	for _, fig := range out.figures() {
		*number++
		fig.Number = *number
	}
	return out
}

// figures are a run's in the order of the page.
func (r *run) figures() []*figure {
	var out []*figure
	add := func(f *figure) {
		if f != nil {
			out = append(out, f)
		}
	}
	add(r.Hero)
	for i := range r.Plates {
		out = append(out, &r.Plates[i])
	}
	add(r.Alignment)
	add(r.Layers)
	for i := range r.Sections {
		out = append(out, r.Sections[i].Figures...)
	}
	add(r.Curve)
	return out
}

// lead is the sentence below the heading.
func lead(r Run) string {
	info := &r.Mapping.Info
	method := "FactorTopy"
	switch info.Method {
	case "factortopy_free":
		method = "FactorTopy without topology"
	case "ridge_layers":
		method = "a ridge regression of each layer"
	case "ridge_all":
		method = "a ridge regression on all layers"
	case "banded":
		method = "a banded ridge regression on all layers"
	}
	if ablated(info.Ablation) != "" {
		method += " (ablation " + info.Ablation + ")"
	}
	where := ""
	if info.Surface != "" {
		where = " on " + info.Surface
	}
	of := ""
	if n := len(r.Mapping.Vertices); n != r.fitted() {
		of = fmt.Sprintf(" of %s", count(n))
	}
	return fmt.Sprintf("%s with %s, protocol %s, seed %d: %s%s%s, %s images (%s to train, %s to validate, %s to test).",
		plural(len(info.Layers), "layer", "layers"), method, info.Protocol, info.Seed, plural(r.fitted(), r.unit(), r.units()), of, where,
		count(len(info.Split.Train)+len(info.Split.Val)+len(info.Split.Test)), count(len(info.Split.Train)), count(len(info.Split.Val)), count(len(info.Split.Test)))
}

// keyNumbers are what a person looks for first.
func keyNumbers(r Run) []keyNumber {
	var out []keyNumber
	v := analyze.Summarise(r.Mapping)
	out = append(out, keyNumber{"R² on test images", short(v.R2), "", "mean over " + r.units() + ", fraction of variance"})
	if !math.IsNaN(v.R2Norm) {
		out = append(out, keyNumber{"R² / noise ceiling", short(v.R2Norm), "", fmt.Sprintf("mean over %s; mean ceiling %s", r.units(), short(v.Ceiling))})
	}
	if !math.IsNaN(v.R) {
		out = append(out, keyNumber{"median r", short(v.R), "", "Pearson on test images, over " + r.units()})
	}
	for _, a := range r.Results.Alignment {
		if a.Quantity == "share" && a.Over == "rois" && !math.IsNaN(a.Slope.Estimate) {
			out = append(out, keyNumber{"hierarchy slope", short(a.Slope.Estimate), bounds(a.Slope),
				fmt.Sprintf("depth %s at the first level, %s at the last; r = %s over %d levels", short(a.B0), short(a.B1), short(a.R), len(a.Points))})
		}
	}
	if best, ok := analyze.Chosen(r.Results.Layers, "r_median"); ok {
		out = append(out, keyNumber{"best layer", best.Name, "", fmt.Sprintf("chosen on validation images; median r %s on test images; depth %s (0 first, 1 last layer)", short(best.Value), short(best.Depth))})
	}
	if rec := r.Results.Recovery; rec != nil {
		out = append(out, keyNumber{"layer error", short(rec.LayerExpectedMAE), "", fmt.Sprintf("of %d layers, mean |found − planted|", len(r.Mapping.Info.Layers))},
			keyNumber{"image point error", short(rec.SpaceErrorMedian), "", "median distance from the planted one; the image is 2 wide"})
	}
	return out
}

func text(s string) cell { return cell{Text: s} }
func num(x float64) cell { return cell{Text: short(x), Number: true} }
func whole(n int) cell   { return cell{Text: count(n), Number: true} }
func with(x analyze.Interval) cell {
	return cell{Text: short(x.Estimate), Small: bounds(x), Number: true}
}

// methodWord is a mapping's method, and what was taken away from it.
func methodWord(info *store.FitInfo) string {
	if ablated(info.Ablation) == "" {
		return strings.ReplaceAll(info.Method, "_", " ")
	}
	return strings.ReplaceAll(info.Method, "_", " ") + ", " + info.Ablation
}

// overview compares several mappings, a row each; the first ones lead to their parts.
func overview(runs []Run, parts int) *table {
	t := &table{Caption: "All mappings", Head: []string{"Network", "Subject", "Method", "Protocol", "Seed", "R²", "R² / ceiling", "median r", "Slope (shares, levels)"}}
	for i, r := range runs {
		info, v := &r.Mapping.Info, analyze.Summarise(r.Mapping)
		name := text(info.Model)
		if i < parts {
			name.Href = "#" + runID(i)
		}
		slope := analyze.Interval{Estimate: math.NaN(), Lo: math.NaN(), Hi: math.NaN()}
		for _, a := range r.Results.Alignment {
			if a.Quantity == "share" && a.Over == "rois" {
				slope = a.Slope
			}
		}
		t.Rows = append(t.Rows, []cell{name, text(info.Subject + simulatedWord(info.Simulated)), text(methodWord(info)), text(strings.TrimSpace(info.Protocol + " " + info.Swept)), whole(info.Seed), num(v.R2), num(v.R2Norm), num(v.R), with(slope)})
	}
	return t
}

func simulatedWord(yes bool) string {
	if yes {
		return " (simulated)"
	}
	return ""
}

func alignTable(r Run) *table {
	t := &table{Caption: "Hierarchy alignment" + simulatedWord(r.Mapping.Info.Simulated), Head: []string{"Depth of", "Over", "Points", "Slope [95 %]", "b0", "b1", "r", "tau", "Remarks"},
		Note: "Depths run from 0 (first layer) to 1 (last). Slope = b1 − b0. Shares come first: a selector alone does not say how much a layer contributes."}
	over := map[string]string{"rois": "levels", "vertices": r.units()}
	for _, a := range r.Results.Alignment {
		n := 0
		for _, p := range a.Points {
			n += p.NVertices
		}
		if a.Over == "rois" {
			n = len(a.Points)
		}
		var remarks []string
		if len(a.Missing) > 0 {
			remarks = append(remarks, "no fitted "+r.units()+": "+strings.Join(a.Missing, ", "))
		}
		t.Rows = append(t.Rows, []cell{text(quantityName[a.Quantity]), text(over[a.Over]), whole(n), with(a.Slope), num(a.B0), num(a.B1), num(a.R), num(a.Tau),
			text(strings.Join(append(remarks, a.Reasons...), "; "))})
	}
	return t
}

// levelTable is the alignment's figure in numbers.
func levelTable(r Run) *table {
	t := &table{Caption: "Depth at each level, the figure's numbers" + simulatedWord(r.Mapping.Info.Simulated), Head: []string{"Level", "Regions", "Place", "Fitted " + r.units()}}
	rows := map[int][]cell{}
	for _, q := range analyze.Quantities {
		t.Head = append(t.Head, "Depth, "+quantityName[q])
		for _, a := range r.Results.Alignment {
			if a.Quantity != q || a.Over != "rois" {
				continue
			}
			for _, p := range a.Points {
				if rows[p.K] == nil {
					rows[p.K] = []cell{text(p.Name), text(strings.Join(r.Hierarchy.Levels[p.K].ROIs, ", ")), num(p.X), whole(p.NVertices)}
				}
				rows[p.K] = append(rows[p.K], with(p.Depth))
			}
		}
	}
	for k := range r.Hierarchy.Levels {
		if row := rows[k]; len(row) == len(t.Head) {
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

func recoveryTable(r Run) *table {
	rec := r.Results.Recovery
	return &table{Caption: "Recovery of the planted truth (simulated)", Head: []string{"Measure", "Found", "What it is"}, Rows: [][]cell{
		{text("R² / noise ceiling"), num(rec.R2OverCeilingMean), text("mean over vertices; 1 would be a perfect model of the signal")},
		{text("Layer error"), num(rec.LayerExpectedMAE), text(fmt.Sprintf("mean |expected layer − planted layer|, in layers of %d", len(r.Mapping.Info.Layers)))},
		{text("Depth error"), num(rec.DepthMAE), text("mean |depth of the shares − planted depth|, 0..1")},
		{text("Image point error"), num(rec.SpaceErrorMedian), text(fmt.Sprintf("median distance, −1..1 coordinates, over the %s whose planted local share is above 0.5", plural(rec.NSpace, "vertex", "vertices")))},
		{text("Local share error"), num(rec.LocalShareMAE), text("mean |local share − planted local share|, 0..1")},
	}, Note: fmt.Sprintf("Over %s. The responses were made from %s, and only its own mapping can be compared with the truth.", plural(rec.NVertices, "fitted vertex", "fitted vertices"), r.Mapping.Info.Generator)}
}

// layerTable has a row a layer and a column a score.
func layerTable(r Run) *table {
	t := &table{Caption: "Score of each layer alone, the figure's numbers" + simulatedWord(r.Mapping.Info.Simulated), Head: []string{"Layer", "Depth"}}
	rows := map[int][]cell{}
	for _, s := range r.Results.Layers {
		if !slices.Contains(t.Head, scoreName(s.Score)) {
			t.Head = append(t.Head, scoreName(s.Score))
		}
		if rows[s.Layer] == nil {
			rows[s.Layer] = []cell{text(s.Name), num(s.Depth)}
		}
		for len(rows[s.Layer]) < len(t.Head)-1 {
			rows[s.Layer] = append(rows[s.Layer], num(math.NaN()))
		}
		rows[s.Layer] = append(rows[s.Layer], num(s.Value))
	}
	for l := range r.Mapping.Info.Layers {
		if row := rows[l]; row != nil {
			for len(row) < len(t.Head) {
				row = append(row, num(math.NaN()))
			}
			t.Rows = append(t.Rows, row)
		}
	}
	return t
}

// roiTable leaves out the columns that no region has a number for.
func roiTable(r Run) *table {
	t := &table{Caption: "Regions" + simulatedWord(r.Mapping.Info.Simulated), Head: []string{"Region", "Fitted " + r.units()},
		Note: "Means over a region’s fitted " + r.units() + ", 95 % spatial intervals below them where they are given. All columns and digits: tables/rois.csv."}
	if r.Geometry == nil {
		t.Note = "Means over a region’s fitted units, which have no place on a surface: no spatial intervals. All columns and digits: tables/rois.csv."
	}
	columns := [][2]string{{"r2_mean", "R²"}, {"r2_norm_mean", "R² / ceiling"}, {"ceiling_mean", "Ceiling"}, {"depth_mean", "Depth (0..1)"}, {"layer_expected_mean", "Expected layer (index)"},
		{"local_share_mean", "Local share (0..1)"}, {"space_x_mean", "x (−1..1, right)"}, {"space_y_mean", "y (−1..1, down)"}, {"ecc_mean", "Eccentricity (°)"}}
	for _, roi := range r.Results.ROIs {
		t.Rows = append(t.Rows, []cell{text(last(roi.Name)), whole(roi.NVertices)})
	}
	for _, c := range columns {
		known := slices.ContainsFunc(r.Results.ROIs, func(roi analyze.ROI) bool { return !math.IsNaN(roi.Mean(c[0]).Estimate) })
		if !known {
			continue
		}
		t.Head = append(t.Head, c[1])
		for i := range r.Results.ROIs {
			x := r.Results.ROIs[i].Mean(c[0])
			if strings.HasPrefix(c[0], "space_") { // a region's two halves look at two sides: bounds of their mean say little
				x.Lo, x.Hi = math.NaN(), math.NaN()
			}
			t.Rows[i] = append(t.Rows[i], with(x))
		}
	}
	return t
}

// clusterTable names the regions that share most with each cluster.
func clusterTable(r Run) *table {
	c := r.Results.Clusters
	t := &table{Caption: "Channel clusters" + simulatedWord(r.Mapping.Info.Simulated), Head: []string{"Cluster", capital(r.units()), "Regions that share most with it (Dice)"},
		Note: fmt.Sprintf("Agreement of clusters and regions: adjusted Rand index %s (0 by chance, 1 the same). All overlaps: tables/clusters.csv.", short(c.Rand))}
	for k, n := range c.Size {
		var names []string
		for _, o := range c.Overlaps {
			if o.Cluster == k && o.ROI != "" && len(names) < 4 {
				names = append(names, fmt.Sprintf("%s %s", last(o.ROI), short(o.Dice)))
			}
		}
		t.Rows = append(t.Rows, []cell{{Text: fmt.Sprint(k + 1), Number: true}, whole(n), text(strings.Join(names, ", "))})
	}
	return t
}

// facts say which mapping this is.
func facts(r Run) []Fact {
	info := &r.Mapping.Info
	var out []Fact
	add := func(name, value string) {
		if value != "" && value != "0" {
			out = append(out, Fact{name, value})
		}
	}
	add("mapping", info.Key)
	add("features", info.FeaturesKey)
	add("network", strings.TrimSpace(info.Network.Path+"  sha256 "+info.Network.SHA256))
	add("network’s parameters", count(int(info.Network.Parameters)))
	add("network’s licence", info.Network.Licence)
	add("network’s origin", info.Network.Origin)
	add("subject", strings.TrimSpace(info.Subject+"  "+info.SubjectKind))
	add("subject’s licence", info.Licence)
	add("subject’s attribution", info.Attribution)
	add("fitted numbers", count(int(info.Parameters)))
	add("provider", info.Provider)
	add("library", info.Library)
	add("threads", fmt.Sprint(info.Threads))
	add("cortexmap", info.Version)
	if f := r.Features; f != nil {
		add("tokens", fmt.Sprintf("%s images, grid %d × %d, %s, protocol %s", count(f.Images), f.Grid, f.Grid, f.Precision, f.Protocol))
		add("principal components", kept(f.Components))
		add("preprocessing", settings(f.Preprocessing))
	}
	return out
}

// kept says how many components of each layer the tokens are, and how much of its variance they keep.
func kept(c *store.Components) string {
	if c == nil {
		return ""
	}
	lines := []string{fmt.Sprintf("at most %d a layer, fitted on %s training pictures; shares of the variance that they keep:", c.Number, count(c.Images))}
	for _, l := range c.Layers {
		lines = append(lines, fmt.Sprintf("%s: %d of %d, local %.3f, global %.3f", l.Name, l.Kept, l.Width, l.Local, l.Global))
	}
	return strings.Join(lines, "\n")
}

// settings writes whatever was set as indented JSON, "" for nothing.
func settings(v any) string {
	if v == nil {
		return ""
	}
	data, err := json.MarshalIndent(v, "", "  ")
	if err != nil {
		return ""
	}
	return string(data)
}

func sortedKeys(m map[string]float64) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b string) int {
		if m[a] != m[b] {
			if m[a] > m[b] {
				return -1
			}
			return 1
		}
		return strings.Compare(a, b)
	})
	return out
}
