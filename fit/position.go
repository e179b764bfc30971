package fit

import "math"

// codeWidth is the number of position-code features: 3 axes, 32 frequencies, sine and cosine.
const (
	frequencies = 32
	codeWidth   = 3 * frequencies * 2
	codeBase    = 1000.0
	codeSpan    = 100.0 // what the longest axis is stretched to
)

// frame is the box by which positions are scaled before they are coded: taken once, kept with the mapping.
type frame struct {
	low    [3]float32 // mm
	extent float32    // of the longest axis, mm
}

// frameOf is the frame of all finite positions.
func frameOf(positions [][3]float32) frame {
	low := [3]float32{inf32, inf32, inf32}
	high := [3]float32{-inf32, -inf32, -inf32}
	for _, p := range positions {
		if !finite3(p) {
			continue
		}
		for i, x := range p {
			low[i], high[i] = min(low[i], x), max(high[i], x)
		}
	}
	f := frame{low: low}
	for i := range low {
		f.extent = max(f.extent, high[i]-low[i])
	}
	return f
}

// positionCode is (1): the [V, 192] features of positions [V, 3] in a frame. Where all positions are equal
// they are coded as the frame's corner; the original divides 0 by 0 there.
func positionCode(positions [][3]float32, f frame) []float32 {
	code := make([]float32, len(positions)*codeWidth)
	scale := 0.0
	if f.extent > 0 {
		scale = codeSpan / float64(f.extent)
	}
	var omega [frequencies]float64
	for k := range omega {
		omega[k] = math.Pow(codeBase, -float64(k)/frequencies)
	}
	for v, p := range positions {
		for i := range p {
			tau := (float64(p[i]) - float64(f.low[i])) * scale
			row := code[v*codeWidth+i*2*frequencies:]
			for k, w := range omega {
				sin, cos := math.Sincos(w * tau)
				row[2*k], row[2*k+1] = float32(sin), float32(cos)
			}
		}
	}
	return code
}

var inf32 = float32(math.Inf(1))

func finite3(p [3]float32) bool {
	for _, x := range p {
		if x != x || x == inf32 || x == -inf32 {
			return false
		}
	}
	return true
}
