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
	if all[0].Hidden != 0 || all[0].Most() != 7*16+8 || len(LookTable(in.Mapping, all).Rows) != 3 {
		t.Errorf("most at %d, %d rows", all[0].Most(), len(LookTable(in.Mapping, all).Rows))
	}
}

// TestLooksHidden: units that read the whole image are left out of the histogram, and a region of nothing but such units is
// not in it. Units whose shares nobody knows are kept.
func TestLooksHidden(t *testing.T) {
	in := bareInput(map[string]float64{"A": 0.1, "B": 0.9}, 4, chain("A", "B"))
	nan := float32(math.NaN())
	local := map[string][]float32{"A": {0.0999, 0.1001, nan, 1}, "B": {0, 0, 0, 0.05}}
	seen := map[string]int{}
	in.Mapping = changed(in.Mapping, func(i int, v *store.Vertex) {
		roi := "A"
		if In(v, "B") {
			roi = "B"
		}
		v.LocalShare, v.SpaceX, v.SpaceY = local[roi][seen[roi]%4], float32(seen[roi]%4)/2-1, 0
		seen[roi]++
	})
	all := Looks(in)
	if len(all) != 1 || all[0].ROI != "areas/A" || all[0].NUnits != 3*seen["A"]/4 || all[0].Hidden != seen["A"]/4 {
		t.Fatalf("%+v of %v", all, seen)
	}
	if all[0].Share[8*lookCells] != 0 {
		t.Errorf("%v of the units look where only hidden ones do", all[0].Share[8*lookCells])
	}
}
