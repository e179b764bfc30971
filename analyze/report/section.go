package report

import (
	"math"
	"path/filepath"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
	"cortexmap/internal/durable"
)

// Section is an analysis as the page shows it: words, figures, a table, and what a methods section would say. The
// table is also written below tables, joined with those of its name of other sections and mappings.
type Section struct {
	ID        string // of the page's anchor, unique within its mapping
	Title     string
	Simulated bool
	Text      []string // paragraphs before the figures
	Charts    []Chart
	Pictures  []Picture
	Table     *analyze.Table
	Show      []Show // the table's columns that people see; nil: no table on the page
	Methods   []string
}

// Chart is a drawing of package draw; Numbers is where its numbers lie, for people.
type Chart struct {
	Drawing drawing
	Numbers string
}

// drawing is a chart or a matrix.
type drawing interface {
	Plot(scale float64) *draw.Plate
}

// Picture is a plate of pixels, photographs for example, which is no SVG; Caption stands below it, Numbers is where its
// numbers lie, for people.
type Picture struct {
	Plate            *draw.Plate
	Caption, Numbers string
}

// Show is a column of a table under a heading for people. Lo and Hi name its bounds, "" for none.
type Show struct{ Column, Head, Lo, Hi string }

// section is what page.html is given.
type section struct {
	ID, Title string
	Simulated bool
	Text      []string
	Figures   []*figure
	Table     *table
	Methods   []string
	LeftOut   int // pictures that are files only
}

// drawSections draws and writes the figures of sections; stem, if any, begins their files' names.
func drawSections(dir, stem string, all []Section) ([]section, error) {
	var out []section
	for _, s := range all {
		r := section{ID: s.ID, Title: s.Title, Simulated: s.Simulated, Text: s.Text, Methods: s.Methods}
		for _, c := range s.Charts {
			f, err := writeChart(dir, stem, c.Drawing, c.Numbers)
			if err != nil {
				return nil, err
			}
			r.Figures = append(r.Figures, f)
		}
		for _, p := range s.Pictures {
			f, err := writePicture(dir, stem, p)
			if err != nil {
				return nil, err
			}
			r.Figures = append(r.Figures, f)
		}
		if s.Table != nil && s.Show != nil && len(s.Table.Rows) > 0 {
			r.Table = shown(s.Table, s.Show, s.Simulated)
		}
		out = append(out, r)
	}
	return out, nil
}

// writePicture writes a picture; the page shows it with 256 colours, which photographs in one ramp of colours bear.
func writePicture(dir, stem string, p Picture) (*figure, error) {
	file, err := p.Plate.PNG()
	if err != nil {
		return nil, err
	}
	name := p.Plate.Name
	if stem != "" {
		name = stem + "_" + name
	}
	if err := durable.WriteFile(filepath.Join(dir, name+".png"), file); err != nil {
		return nil, err
	}
	if file, err = draw.Reduce(file, 1); err != nil {
		return nil, err
	}
	return &figure{file: file, Alt: p.Plate.Alt, Caption: p.Caption, Files: p.Numbers, Width: int(math.Round(p.Plate.Width)), Height: int(math.Round(p.Plate.Height))}, nil
}

// shown is a table with the columns that people see.
func shown(t *analyze.Table, columns []Show, simulated bool) *table {
	out := &table{Caption: t.Title + simulatedWord(simulated), Note: t.Note + " All columns and digits: tables/" + t.Name + ".csv."}
	for _, c := range columns {
		out.Head = append(out.Head, c.Head)
	}
	for _, row := range t.Rows {
		var cells []cell
		for _, c := range columns {
			cells = append(cells, shownCell(t, row, c))
		}
		out.Rows = append(out.Rows, cells)
	}
	return out
}

func shownCell(t *analyze.Table, row []any, c Show) cell {
	switch x := row[t.Column(c.Column)].(type) {
	case float64:
		i := analyze.Interval{Estimate: x, Lo: nan, Hi: nan}
		if c.Lo != "" {
			i.Lo, i.Hi = row[t.Column(c.Lo)].(float64), row[t.Column(c.Hi)].(float64)
		}
		return with(i)
	case int:
		return whole(x)
	default:
		return text(analyze.Cell(x, 3))
	}
}

// Missing says which pictures are files only.
func (s section) Missing() string { return leftOut(s.LeftOut) }
