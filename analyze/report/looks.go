package report

import (
	"fmt"
	"image"
	"strings"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
	"cortexmap/internal/store"
)

// looksRow is how many regions stand side by side.
const looksRow = 4

// LookSection shows where each region looks, over one of the subject's own pictures as the network saw it.
func LookSection(m *store.Mapping, all []analyze.Look, picture image.Image, file string, credits []Credit) Section {
	t := draw.Tiles{Name: "image_points", Title: "Where regions look: the image points of their units", Unit: "units, of the region’s fullest square", Hi: 1, Simulated: m.Info.Simulated,
		Note: fmt.Sprintf("Over %s, in greys. Squares: how many of a region’s units have their image point there, as a part of its fullest square, which is framed.", file)}
	var said []string
	hidden := 0
	for k, l := range all {
		hidden += l.Hidden
		if k%looksRow == 0 {
			t.Rows = append(t.Rows, draw.TileRow{})
		}
		row := &t.Rows[len(t.Rows)-1]
		name, most := last(l.ROI), l.Share[l.Most()]
		heat := make([]float64, len(l.Share))
		for i, x := range l.Share {
			heat[i] = x / most
		}
		row.Tiles = append(row.Tiles, draw.Tile{Picture: picture, Grid: l.Grid(), Heat: heat, Cell: l.Most(), Label: fmt.Sprintf("%s, %d units", name, l.NUnits)})
		said = append(said, fmt.Sprintf("%s %d", name, l.NUnits))
	}
	table := analyze.LookTable(m, all)
	t.Note += fmt.Sprintf(" %s %d of these regions are left out.", table.Note, hidden)
	t.Alt = fmt.Sprintf("%s, once a region, with squares where the image points of its units lie. Units: %s.", file, strings.Join(said, ", "))
	return Section{ID: "looks", Title: "Where regions look in a picture", Simulated: m.Info.Simulated, Table: table,
		Text:     []string{"The implied retinotopy on one of the pictures that the subject saw. The picture is an example: a unit’s image point is the same in all."},
		Pictures: []Picture{{Plate: t.Plot(channelScale), Caption: t.Title + "." + credited([]string{file}, credits), Numbers: "tables/image_points.csv"}}}
}
