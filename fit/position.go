package fit

import (
	"math"

	"gonum.org/v1/gonum/blas"
	"gonum.org/v1/gonum/blas/blas32"
	"gonum.org/v1/gonum/mat"
)

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

// codeRank is how many numbers hold what an axis' 64 features do. Most frequencies turn by less than once over
// the whole axis, so their sines and cosines are nearly combinations of each other: beyond the first 28
// principal axes nothing is left that float32 could tell (below 1e-6 of features of order 1).
const codeRank = 28

// reducedWidth is the number of reduced features of a position.
const reducedWidth = 3 * codeRank

// codeBasis is the matrix R [reducedWidth, codeWidth] of orthonormal rows by which e ≈ Rᵀ (R e) for the code e
// of every place in the frame: an axis' principal axes over places at equal distances. The selectors' first
// layer (2) is then M0 e = (M0 Rᵀ)(R e), which costs less than half, and its gradient (∂/∂(M0 Rᵀ)) R.
func codeBasis() []float32 {
	const places, width = 4097, 2 * frequencies
	line := make([][3]float32, places)
	for i := range line {
		line[i][0] = codeSpan * float32(i) / (places - 1)
	}
	code := positionCode(line, frame{extent: codeSpan})
	moments := mat.NewSymDense(width, nil)
	row := mat.NewVecDense(width, nil)
	for i := range line {
		for k := range width {
			row.SetVec(k, float64(code[i*codeWidth+k]))
		}
		moments.SymRankOne(moments, 1, row)
	}
	var eigen mat.EigenSym
	eigen.Factorize(moments, true)
	var axes mat.Dense
	eigen.VectorsTo(&axes)
	basis := make([]float32, reducedWidth*codeWidth)
	for i := range reducedWidth {
		axis, k := i/codeRank, i%codeRank
		for j := range width {
			basis[i*codeWidth+axis*width+j] = float32(axes.At(j, width-1-k)) // ascending: the last are the largest
		}
	}
	return basis
}

// reduced is R e of every row of a code.
func reduced(code []float32) []float32 {
	n := len(code) / codeWidth
	out := make([]float32, n*reducedWidth)
	if n > 0 {
		blas32.Gemm(blas.NoTrans, blas.Trans, 1, blas32.General{Rows: n, Cols: codeWidth, Stride: codeWidth, Data: code},
			blas32.General{Rows: reducedWidth, Cols: codeWidth, Stride: codeWidth, Data: codeBasis()}, 0,
			blas32.General{Rows: n, Cols: reducedWidth, Stride: reducedWidth, Data: out})
	}
	return out
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
