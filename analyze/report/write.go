package report

import (
	"bytes"
	"cmp"
	"context"
	"path/filepath"
	"slices"

	"cortexmap/analyze"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// Output says what was written.
type Output struct {
	HTML   string            // path of report.html
	Tables map[string]string // path of each table's CSV, by the table's name
	Bytes  int               // of report.html
}

// Write renders tables, plates and the page under dir, which is made if it is missing.
func Write(ctx context.Context, dir string, in Input) (*Output, error) {
	if len(in.Runs) == 0 && len(in.Sections) == 0 {
		return nil, fault.Inputf("nothing to report: no mapping was given")
	}
	in.Runs = named(in.Runs)
	out := &Output{HTML: filepath.Join(dir, "report.html"), Tables: map[string]string{}}
	for _, t := range tables(in) {
		if err := writeTable(filepath.Join(dir, "tables"), t); err != nil {
			return nil, err
		}
		out.Tables[t.Name] = filepath.Join(dir, "tables", t.Name+".csv")
	}
	figures, stems := make([]runFigures, len(in.Runs)), fileStems(in.Runs)
	for i, r := range in.Runs {
		var err error
		if in.Comparing { // only what they differ in is drawn
			break
		}
		if figures[i], err = drawRun(ctx, filepath.Join(dir, "plates"), stems[i], r, in.Style); err != nil {
			return nil, err
		}
		if i >= partsMost { // a sweep's pictures would fill the memory
			figures[i] = runFigures{}
		}
	}
	compared := make([]comparisonFigures, len(in.Comparisons))
	for i, c := range in.Comparisons {
		var err error
		if compared[i], err = drawComparison(ctx, filepath.Join(dir, "plates"), c, in.Style, in.Comparing); err != nil {
			return nil, err
		}
		if i >= partsMost {
			compared[i] = comparisonFigures{}
		}
	}
	sections, err := drawSections(filepath.Join(dir, "plates"), "", in.Sections)
	if err != nil {
		return nil, err
	}
	d := drawn{runs: figures, compared: compared, sections: sections[:min(partsMost, len(sections))]}
	html, err := d.page(ctx, in)
	if err != nil {
		return nil, err
	}
	out.Bytes = len(html)
	return out, durable.WriteFile(out.HTML, html)
}

// drawn are the page's figures, and its interactive cortex.
type drawn struct {
	runs     []runFigures
	compared []comparisonFigures
	sections []section
	cortex   *viewer
	reduced  bool // pictures lost colours or pixels
}

// page renders the page with as many parts as it can hold.
func (d *drawn) page(ctx context.Context, in Input) ([]byte, error) {
	err := d.fitPictures(ctx, pictureMost)
	if err != nil {
		return nil, err
	}
	if d.cortex, err = newViewer(in, cortexMost); err != nil {
		return nil, err
	}
	for parts := partsMost; ; parts = parts * 3 / 4 {
		var buf bytes.Buffer
		if err := render(&buf, in, d, parts); err != nil {
			return nil, err
		}
		if err := ctx.Err(); err != nil || buf.Len() <= pageMost || parts == 0 {
			return buf.Bytes(), err
		}
	}
}

// tables joins the runs' tables by name, in the order of first appearance.
func tables(in Input) []*analyze.Table {
	var names []string
	byName := map[string][]*analyze.Table{}
	add := func(t *analyze.Table) {
		if t == nil {
			return
		}
		if byName[t.Name] == nil {
			names = append(names, t.Name)
		}
		byName[t.Name] = append(byName[t.Name], t)
	}
	for _, r := range in.Runs {
		for _, t := range r.Results.Tables {
			add(t)
		}
		for _, s := range sectionsOf(r) {
			if !slices.Contains(r.Results.Tables, s.Table) {
				add(s.Table)
			}
		}
	}
	for _, s := range in.Sections {
		add(s.Table)
	}
	for _, t := range in.Tables {
		add(t)
	}
	var out []*analyze.Table
	for _, name := range names {
		out = append(out, analyze.Join(byName[name]...))
	}
	return out
}

func writeTable(dir string, t *analyze.Table) error {
	parquet, err := t.Parquet()
	if err != nil {
		return err
	}
	for ext, data := range map[string][]byte{".csv": t.CSV(), ".md": t.Markdown(), ".tex": t.TeX(), ".parquet": parquet} {
		if err := durable.WriteFile(filepath.Join(dir, t.Name+ext), data); err != nil {
			return err
		}
	}
	return nil
}

// byCount lists the keys, the largest count first, equal ones by name.
func byCount(count map[string]int) []string {
	var out []string
	for k := range count {
		out = append(out, k)
	}
	slices.SortFunc(out, func(a, b string) int {
		return cmp.Or(cmp.Compare(count[b], count[a]), cmp.Compare(a, b))
	})
	return out
}
