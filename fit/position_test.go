package fit

import (
	"math"
	"math/rand/v2"
	"testing"
)

// TestReducedCode: nothing of the 192 features is lost in the 84, for places anywhere in a box whose axes differ
// in length. The tolerance is some steps of float32 at 5.7, the length of an axis' part of the code; 26 numbers
// an axis instead of 28 would be off by 1e-4.
func TestReducedCode(t *testing.T) {
	r := rand.New(rand.NewPCG(1, 2))
	positions := make([][3]float32, 3000)
	for i := range positions {
		positions[i] = [3]float32{140*r.Float32() - 70, 170*r.Float32() - 100, 120 * r.Float32()}
	}
	code, basis := positionCode(positions, frameOf(positions)), codeBasis()
	small := reduced(code)
	const tolerance = 3e-6
	worst := 0.0
	for v := range positions {
		for j := range codeWidth {
			var back float64
			for i, x := range small[v*reducedWidth : (v+1)*reducedWidth] {
				back += float64(x) * float64(basis[i*codeWidth+j])
			}
			worst = max(worst, math.Abs(back-float64(code[v*codeWidth+j])))
		}
	}
	if worst > tolerance {
		t.Errorf("Rᵀ(R e) is off from e by up to %.2g, %.2g is allowed", worst, tolerance)
	}
	t.Logf("off by %.2g", worst)
}
