package analyze

import (
	"os"
	"strconv"
	"testing"
)

// TestCalibrate: on few cases nothing is far off, and the same seed gives the same answer on any number of cores.
// The whole table takes minutes: CORTEXMAP_CALIBRATION=1000 logs it for so many cases.
func TestCalibrate(t *testing.T) {
	in := onSurface(t, 4)
	trial := Trial{Cases: 60, Width: 5, Own: 0.2, Spread: 0.1, Slope: 0.6, Seed: 3}
	c, err := Calibrate(t.Context(), in, trial)
	if err != nil {
		t.Fatal(err)
	}
	// 60 cases of a 95 % interval hold 52 or more with a probability of 0.98, of 5 % false alarms 9 or fewer with 0.998
	if c.Covered.Estimate < 52.0/60 || c.AnyFalse.Estimate > 9.0/60 || c.Positive.Estimate > 0.12 {
		t.Errorf("covered %+v, regions with p < 0.05 %+v, pairs with a discovery %+v", c.Covered, c.Positive, c.AnyFalse)
	}
	if c.Naive >= c.Covered.Estimate {
		t.Errorf("intervals of independent vertices cover %v, spatial ones %v: this case is too easy", c.Naive, c.Covered.Estimate)
	}
	trial.Cases = 5
	var two [2]*Calibration
	for k := range two {
		if two[k], err = Calibrate(t.Context(), in, trial); err != nil {
			t.Fatal(err)
		}
	}
	if *two[0] != *two[1] {
		t.Errorf("the second time %+v, the first %+v", two[1], two[0])
	}
	if n := len(CalibrationTable(two[:]...).Rows); n != 2 {
		t.Errorf("the table has %d rows", n)
	}
	in.Geometry = nil
	if _, err := Calibrate(t.Context(), in, trial); err == nil {
		t.Error("without a surface there is no fault")
	}
	cases, _ := strconv.Atoi(os.Getenv("CORTEXMAP_CALIBRATION"))
	if cases == 0 {
		return
	}
	var all []*Calibration
	for _, width := range []float64{3, 5, 10} {
		c, err := Calibrate(t.Context(), onSurface(t, 1), Trial{Cases: cases, Width: width, Own: 0.2, Spread: 0.1, Slope: 0.6, Seed: 1})
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, c)
	}
	t.Logf("%s", CalibrationTable(all...).Markdown())
}
