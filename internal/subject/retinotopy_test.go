package subject

import (
	"errors"
	"math"
	"strings"
	"testing"

	"cortexmap/internal/fault"
)

// TestRetinotopyForms: a template's angles, told from the upper meridian, become angles from the right, in the half of
// the field opposite to the hemisphere; what is told so already stays.
func TestRetinotopyForms(t *testing.T) {
	angles := []float64{45, 45, math.NaN()}
	base := plain().with("ecc.npy", array([]float64{1, 2, math.NaN()}, 3)).with("angle.npy", array(angles, 3)).
		with("xyz.csv", []byte("hemi,x,y,z\nlh,-1,2,3\nrh,4,5,6\nrh,7,8,9\n")).more("positions: {csv: xyz.csv}\n")
	upper := base.more("retinotopy: {eccentricity: ecc.npy, angle: angle.npy, convention: upper}\n").mustOpen(t).Retinotopy
	if upper.Angle[0] != 45 || upper.Angle[1] != 135 || !math.IsNaN(upper.Angle[2]) || upper.Ecc[1] != 2 {
		t.Errorf("%+v", upper)
	}
	if same := base.more("retinotopy: {eccentricity: ecc.npy, angle: angle.npy}\n").mustOpen(t).Retinotopy; same.Angle[1] != 45 {
		t.Errorf("%+v", same)
	}
	for line, want := range map[string]string{
		"retinotopy: {eccentricity: ecc.npy}":                                     "files of eccentricity and angle",
		"retinotopy: {eccentricity: ecc.npy, angle: angle.npy, convention: left}": "right or upper",
		"retinotopy: {eccentricity: responses.npy, angle: angle.npy}":             "there are 3 units",
	} {
		_, err := base.more(line + "\n").open(t)
		var e *fault.Error
		if !errors.As(err, &e) || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", line, err)
		}
	}
}
