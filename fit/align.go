package fit

import (
	"context"

	"cortexmap/internal/fault"

	"gonum.org/v1/gonum/mat"
)

// align is (18): every layer's channels are rotated onto the layer's below, then the global token's onto
// the local ones. Rotations only, so no bottleneck's span or spectrum changes.
func (m *model) align(ctx context.Context, s *scoreMap) error {
	rotations := make([]*mat.Dense, m.L)
	rotations[0] = identity(m.C)
	for l := 1; l < m.L; l++ {
		if err := ctx.Err(); err != nil {
			return err
		}
		// Z_{l-1} was rotated too: (Z Rᵀ)ᵀ Z_l = R ZᵀZ_l.
		var cross mat.Dense
		cross.Mul(rotations[l-1], s.layers[l])
		r, err := nearestRotation(&cross)
		if err != nil {
			return err
		}
		rotations[l] = r
	}
	return m.e.spread(ctx, m.L, func(_ context.Context, _, l int) error {
		var cross mat.Dense
		cross.Mul(rotations[l], s.paths[l])
		global, err := nearestRotation(&cross)
		if err != nil {
			return err
		}
		m.rotate(2*l, rotations[l])
		m.rotate(2*l+1, global)
		return nil
	})
}

// nearestRotation is U Vᵀ of the singular value decomposition. Where the matrix lacks rank the rest of
// the rotation is arbitrary, and acts on channels that are zero.
func nearestRotation(cross *mat.Dense) (*mat.Dense, error) {
	var svd mat.SVD
	if !svd.Factorize(cross, mat.SVDFull) {
		return nil, fault.Inputf("tokens of two layers have no cross-covariance: values that are not finite")
	}
	var u, v, r mat.Dense
	svd.UTo(&u)
	svd.VTo(&v)
	r.Mul(&u, v.T())
	return &r, nil
}

func identity(n int) *mat.Dense {
	d := mat.NewDense(n, n, nil)
	for i := range n {
		d.Set(i, i, 1)
	}
	return d
}

// rotate multiplies the i-th bottleneck [C, D] by r from the left.
func (m *model) rotate(i int, r *mat.Dense) {
	k := m.bottleneck.part(m.bottleneck.data, i)
	d := m.bottleneck.shape[i][1]
	old := mat.NewDense(m.C, d, nil)
	for c := range m.C {
		for j := range d {
			old.Set(c, j, float64(k[c*d+j]))
		}
	}
	var out mat.Dense
	out.Mul(r, old)
	for c := range m.C {
		for j := range d {
			k[c*d+j] = float32(out.At(c, j))
		}
	}
}
