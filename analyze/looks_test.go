package analyze

import (
	"math"
	"testing"

	"cortexmap/internal/store"
)

// TestLooks: every unit is counted in the cell of its image point, edges in the outermost ones, and shares sum to 1.
func TestLooks(t *testing.T) {
	in := bareInput(map[string]float64{"A": 0.1, "B": 0.9}, 4, chain("A", "B"))
	points := [][2]float32{{-1, -1}, {1, 1}, {0.01, -0.01}, {0.01, -0.01}}
	seen := map[string]int{}
	in.Mapping = changed(in.Mapping, func(i int, v *store.Vertex) {
		roi := "A"
		if In(v, "B") {
			roi = "B"
		}
		p := points[seen[roi]%4]
		seen[roi]++
		v.SpaceX, v.SpaceY = p[0], p[1]
		if roi == "B" {
			v.SpaceX = float32(math.NaN())
		}
	})
	all := Looks(in)
	if len(all) != 1 || all[0].ROI != "areas/A" || all[0].NUnits != seen["A"] {
		t.Fatalf("%+v", all)
	}
	want := map[int]float64{0: 0.25, 16*16 - 1: 0.25, 7*16 + 8: 0.5}
	for k, x := range all[0].Share {
		if x != want[k] {
			t.Errorf("cell %d holds %v, want %v", k, x, want[k])
		}
	}
	if all[0].Most() != 7*16+8 || len(LookTable(in.Mapping, all).Rows) != 3 {
		t.Errorf("most at %d, %d rows", all[0].Most(), len(LookTable(in.Mapping, all).Rows))
	}
}
