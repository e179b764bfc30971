package report

import (
	"math"
	"testing"

	"cortexmap/analyze"
	"cortexmap/analyze/draw"
)

// TestScalingCharts: a chart for each quantity and what grows; its ticks are named by what the axis shows, also where a
// number of layers happens to be the logarithm of a number of parameters.
func TestScalingCharts(t *testing.T) {
	member := func(size string, parameters int64, layers int, r2 float64) analyze.Member {
		number := func(x float64) analyze.Value {
			return analyze.Value{Interval: analyze.Interval{Estimate: x, Lo: -1, Hi: 1}}
		}
		return analyze.Member{Network: analyze.Network{Family: "f", Size: size, Parameters: parameters, Layers: layers}, Subjects: []string{"s1"}, Images: 500,
			Values: []analyze.Value{number(r2), number(r2), number(math.NaN())}}
	}
	s := &analyze.Scaling{Members: []analyze.Member{member("B", 1e8, 8, 0.2), member("", 1e9, 12, 0.3)}}
	want := map[string][]draw.Tick{
		"scaling_r2_mean_params": {{At: 8, Name: "B"}, {At: 9, Name: "1000.0 M"}},
		"scaling_r2_mean_layers": {{At: 8, Name: "8"}, {At: 12, Name: "12"}},
	}
	all := scalingCharts(s) // none over pictures, which are alike, and none of a slope that is not there
	if len(all) != len(want) {
		t.Fatalf("%d charts, want %d", len(all), len(want))
	}
	for _, x := range all {
		c := x.Drawing.(draw.Chart)
		ticks := want[c.Name]
		if len(c.XTicks) != 2 || len(ticks) != 2 || c.XTicks[0] != ticks[0] || c.XTicks[1] != ticks[1] {
			t.Errorf("%s: ticks %v, want %v", c.Name, c.XTicks, ticks)
			continue
		}
		if air := (ticks[1].At - ticks[0].At) / 12; math.Abs(c.XLo-ticks[0].At+air) > 1e-12 || math.Abs(c.XHi-ticks[1].At-air) > 1e-12 {
			t.Errorf("%s: from %v to %v", c.Name, c.XLo, c.XHi)
		}
		if len(c.Series) != 1 || c.Series[0].Y[1] != 0.3 || c.Series[0].Lo[1] != -1 {
			t.Errorf("%s: series %+v", c.Name, c.Series)
		}
	}
}
