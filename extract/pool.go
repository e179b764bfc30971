package extract

// FitGrid is the fit grid's side where none is asked for.
const FitGrid = 8

// Protocols. Sound pools grids by area, paper samples them bilinearly.
const (
	Sound = "sound"
	Paper = "paper"
)

// axisWeights is how one axis of a native grid becomes one of the fit grid: [g, n] row-major, rows sum to 1.
//
//	sound, n ≥ g    w[i,j] = overlap of cells [i·n/g, (i+1)·n/g) and [j, j+1), divided by n/g
//	otherwise       bilinear: centre c = (i+½)·n/g − ½ clipped to [0, n−1]; 1−(c−⌊c⌋) at ⌊c⌋, c−⌊c⌋ at ⌊c⌋+1
//
// Definitions: contract.md section 5. The second is PyTorch's interpolate with mode bilinear, align_corners
// and antialias off.
func axisWeights(n, g int, protocol string) []float64 {
	w := make([]float64, g*n)
	for i := range g {
		if protocol != Paper && n >= g {
			overlaps(w[i*n:(i+1)*n], i, g)
		} else {
			bilinear(w[i*n:(i+1)*n], i, g)
		}
	}
	return w
}

func overlaps(row []float64, i, g int) {
	n := len(row)
	for j := range row { // in units of 1/g of a native cell, so that all ends are whole numbers
		if o := min((i+1)*n, (j+1)*g) - max(i*n, j*g); o > 0 {
			row[j] = float64(o) / float64(n)
		}
	}
}

func bilinear(row []float64, i, g int) {
	n := len(row)
	c := min(max((float64(i)+0.5)*float64(n)/float64(g)-0.5, 0), float64(n-1))
	low := int(c)
	row[low] += 1 - (c - float64(low))
	row[min(low+1, n-1)] += c - float64(low)
}

// meanKept says whether the mean over the fit grid is the mean over the native one: where every native cell
// counts equally.
func meanKept(h, w, g int, protocol string) bool { return protocol != Paper && h >= g && w >= g }

// transposed is the transpose of a [rows, cols] matrix.
func transposed(m []float32, rows, cols int) []float32 {
	t := make([]float32, len(m))
	for i := range rows {
		for j := range cols {
			t[j*rows+i] = m[i*cols+j]
		}
	}
	return t
}

func toFloat32(m []float64) []float32 {
	f := make([]float32, len(m))
	for i, v := range m {
		f[i] = float32(v)
	}
	return f
}

func constant(n int, v float32) []float32 {
	f := make([]float32, n)
	for i := range f {
		f[i] = v
	}
	return f
}
