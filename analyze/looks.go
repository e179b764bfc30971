package analyze

import (
	"fmt"
	"math"
	"slices"

	"cortexmap/internal/store"
)

// Look is where a region's units look in the picture: the implied retinotopy as a histogram.
//
//	share_ij = #{v in R: ⌊n (y_v + 1)/2⌋ = i, ⌊n (x_v + 1)/2⌋ = j} / #{v in R}
//
// with (x_v, y_v) the image point of the space selector (−1..1, x right, y down), n cells a side, and R the region's
// fitted units that have a point whose local share is at least 0.1, as on the space map: of the others, which read the
// whole image, a point means nothing. It is the fit's own point, with all its smoothness.
type Look struct {
	ROI    string
	NUnits int       // fitted units with an image point that means something
	Hidden int       // fitted units with one that doesn't
	Share  []float64 // [lookCells · lookCells], from the top left; sums to 1
}

// lookCells is the grid's side: a sixteenth of the picture, near the median error of planted image points.
const lookCells = 16

// Looks are those of the regions that top channels are shown of; regions without such units are left out.
func Looks(in Input) (out []Look) {
	for _, name := range shownRegions(in) {
		l := Look{ROI: name, Share: make([]float64, lookCells*lookCells)}
		for i := range in.Mapping.Vertices {
			v := &in.Mapping.Vertices[i]
			if !v.Fitted || !In(v, name) || math.IsNaN(float64(v.SpaceX)) || math.IsNaN(float64(v.SpaceY)) {
				continue
			}
			if pointless(v) {
				l.Hidden++
				continue
			}
			l.NUnits++
			l.Share[lookCell(v.SpaceY)*lookCells+lookCell(v.SpaceX)]++
		}
		if l.NUnits == 0 {
			continue
		}
		for k := range l.Share {
			l.Share[k] /= float64(l.NUnits)
		}
		out = append(out, l)
	}
	return out
}

// lookCell is the row or column of a coordinate; the far edge belongs to the last.
func lookCell(x float32) int {
	return min(max(int(math.Floor(lookCells*(float64(x)+1)/2)), 0), lookCells-1)
}

// Grid is the histogram's rows and columns.
func (l Look) Grid() [2]int { return [2]int{lookCells, lookCells} }

// Most is the cell with the largest share.
func (l Look) Most() int { return slices.Index(l.Share, slices.Max(l.Share)) }

// LookTable is image_points.csv: a row a region and cell that any unit looks at.
func LookTable(m *store.Mapping, all []Look) *Table {
	note := fmt.Sprintf("Of the units whose local tokens carry at least %.0f %% of the prediction: of others an image point means nothing.", 100*spaceFloor)
	t := &Table{Name: "image_points", Title: "Where regions look", Note: note, Columns: fitColumns([]Column{
		{"roi", ""}, {"n_vertices", "fitted units with an image point and a local share of at least 0.1"},
		{"x", "middle of the cell, −1 left edge of the picture, 1 right"}, {"y", "−1 top edge, 1 bottom"}, {"share", "of those units, 0..1"}, simulatedColumn,
	})}
	middle := func(k int) float64 { return 2*(float64(k)+0.5)/lookCells - 1 }
	for _, l := range all {
		for k, x := range l.Share {
			if x > 0 {
				t.Add(fitCells(&m.Info, l.ROI, l.NUnits, middle(k%lookCells), middle(k/lookCells), x, m.Info.Simulated)...)
			}
		}
	}
	return t
}
