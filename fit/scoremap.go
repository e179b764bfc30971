package fit

import (
	"context"
	"math"
	"slices"

	"gonum.org/v1/gonum/mat"
)

const mapImages = 64 // images a Run when tokens are brought to channels

// scoreMap is (17): how well each token of each layer predicts some vertices.
type scoreMap struct {
	vertices  []int32
	L, G      int
	held      held
	sharpness float64   // of the profile over layers
	score     []float32 // [vertices, L, G²+1] adjusted R²
	// What alignment (18) needs of the same tokens, unrotated: Z_{l-1}ᵀ Z_l (nil for l = 0) and the grid's
	// mean against the global token, both [C, C].
	layers, paths []*mat.Dense
}

func (s *scoreMap) at(i, l, t int) *float32 {
	tokens := s.G*s.G + 1
	return &s.score[(i*s.L+l)*tokens+t]
}

// scores fills a score map layer by layer: a layer's channels of all images are held at a time.
func (m *model) scores(ctx context.Context, images []int, ranks []int) (*scoreMap, error) {
	s := &scoreMap{vertices: m.asked(m.set.InitVertices, streamVertices), L: m.L, G: m.G, held: m.sel.held, sharpness: layerSharpness}
	if m.net == nil {
		s.sharpness = freeSharpness
	}
	s.score = make([]float32, len(s.vertices)*m.L*m.tokens())
	s.layers, s.paths = make([]*mat.Dense, m.L), make([]*mat.Dense, m.L)
	y := m.centredTargets(s.vertices, images)
	// Two layers at a time: this one's channels and those of the one before.
	var before []float32
	size := slices.Max(ranks) * m.tokens() * len(images)
	rooms := [2][]float32{make([]float32, size), make([]float32, size)}
	for l := range m.L {
		x := rooms[l%2][:ranks[l]*m.tokens()*len(images)]
		if err := m.channelsOf(ctx, x, l, ranks[l], images); err != nil {
			return nil, err
		}
		if err := m.scoreLayer(ctx, s, l, ranks[l], x, y); err != nil {
			return nil, err
		}
		if err := m.crossLayer(ctx, s, l, ranks, len(images), before, x); err != nil {
			return nil, err
		}
		before = x
		m.report.progress("score map", l+1, m.L)
	}
	return s, nil
}

// centredTargets is [vertices, images], of mean 0 and sum of squares 1 each; missing responses are 0.
func (m *model) centredTargets(vertices []int32, images []int) []float32 {
	y := make([]float32, len(vertices)*len(images))
	m.targets(y, vertices, images)
	n := len(images)
	for i := range vertices {
		row := y[i*n : (i+1)*n]
		var sum, count, sq float64
		for _, v := range row {
			if v == v {
				sum, count = sum+float64(v), count+1
			}
		}
		mean := float32(sum / max(count, 1))
		for k, v := range row {
			row[k] = v - mean
			if v != v {
				row[k] = 0
			}
			sq += float64(row[k]) * float64(row[k])
		}
		if sq > 0 {
			scale := float32(1 / math.Sqrt(sq))
			for k := range row {
				row[k] *= scale
			}
		}
	}
	return y
}

// channelsOf fills x with a layer's tokens after the bottleneck, [G²+1, images, rank].
func (m *model) channelsOf(ctx context.Context, x []float32, l, rank int, images []int) error {
	k, err := m.e.loadOnce(layerGraph(m.widths[l], m.G, rank))
	if err != nil {
		return err
	}
	defer k.close()
	n, d := len(images), m.widths[l]
	in, out := make([][]uint16, m.e.workers), make([][]float32, m.e.workers)
	for w := range in {
		in[w], out[w] = make([]uint16, mapImages*m.tokens()*d), make([]float32, m.tokens()*mapImages*rank)
	}
	return m.e.spread(ctx, (n+mapImages-1)/mapImages, func(ctx context.Context, w, i int) error {
		from, to := i*mapImages, min(n, (i+1)*mapImages)
		c := to - from
		if err := m.read(ctx, l, images[from:to], in[w][:c*m.tokens()*d]); err != nil {
			return err
		}
		var b binding
		defer b.close()
		b.f16(in[w][:c*m.tokens()*d], c, m.tokens(), d).f32(m.kc[l], d).f32(m.hc[l], d)
		b.f32(m.bottleneck.part(m.bottleneck.data, 2*l)[:rank*d], rank, d)
		b.f32(m.bottleneck.part(m.bottleneck.data, 2*l+1)[:rank*d], rank, d)
		b.gives(out[w][:m.tokens()*c*rank], m.tokens(), c, rank)
		if err := k.run(ctx, w, &b); err != nil {
			return err
		}
		for t := range m.tokens() {
			copy(x[(t*n+from)*rank:(t*n+to)*rank], out[w][t*c*rank:(t+1)*c*rank])
		}
		return nil
	})
}

// scoreLayer takes the least squares of every token.
func (m *model) scoreLayer(ctx context.Context, s *scoreMap, l, rank int, x, y []float32) error {
	fitK, err := m.e.loadOnce(mapGraph(rank))
	if err != nil {
		return err
	}
	defer fitK.close()
	endK, err := m.e.loadOnce(explainedGraph(rank))
	if err != nil {
		return err
	}
	defer endK.close()
	v := len(s.vertices)
	n := len(y) / v
	type room struct{ gram, cross, inverse, part []float32 }
	rooms := make([]room, m.e.workers)
	for w := range rooms {
		rooms[w] = room{make([]float32, rank*rank), make([]float32, v*rank), make([]float32, rank*rank), make([]float32, v)}
	}
	return m.e.spread(ctx, m.tokens(), func(ctx context.Context, w, t int) error {
		r := rooms[w]
		var b binding
		defer b.close()
		b.f32(x[t*n*rank:(t+1)*n*rank], n, rank).f32(y, v, n).gives(r.gram, rank, rank).gives(r.cross, v, rank)
		if err := fitK.run(ctx, w, &b); err != nil {
			return err
		}
		kept := inverseRoot(r.inverse, r.gram, rank)
		b.close()
		b.f32(r.cross, v, rank).f32(r.inverse, rank, rank).gives(r.part, v)
		if err := endK.run(ctx, w, &b); err != nil {
			return err
		}
		for i := range s.vertices {
			*s.at(i, l, t) = adjusted(float64(r.part[i]), n, kept)
		}
		return nil
	})
}

// adjusted corrects an R² for the number of channels it was found with.
func adjusted(r2 float64, n, k int) float32 {
	if n-k-1 <= 0 {
		return 0
	}
	return float32(1 - (1-r2)*float64(n-1)/float64(n-k-1))
}

// inverseRoot puts L⁻¹ of G + 0.01 (mean of its diagonal) = L Lᵀ into dst [k, k], with zero rows for channels
// that don't vary, and returns how many do.
func inverseRoot(dst, gram []float32, k int) int {
	clear(dst)
	var top float64
	for i := range k {
		top = max(top, float64(gram[i*k+i]))
	}
	var kept []int
	var trace float64
	for i := range k {
		if d := float64(gram[i*k+i]); d > 1e-6*top {
			kept, trace = append(kept, i), trace+d
		}
	}
	n := len(kept)
	if n == 0 {
		return 0
	}
	s := mat.NewSymDense(n, nil)
	for a, i := range kept {
		for b := a; b < n; b++ {
			s.SetSym(a, b, float64(gram[i*k+kept[b]]))
		}
		s.SetSym(a, a, s.At(a, a)+0.01*trace/float64(n))
	}
	var chol mat.Cholesky
	if !chol.Factorize(s) {
		return 0 // not finite: the token predicts nothing
	}
	var low, inv mat.TriDense
	chol.LTo(&low)
	if err := inv.InverseTri(&low); err != nil {
		return 0
	}
	for a, i := range kept {
		for b := 0; b <= a; b++ {
			dst[i*k+kept[b]] = float32(inv.At(a, b))
		}
	}
	return n
}

// crossLayer takes the products that alignment needs.
func (m *model) crossLayer(ctx context.Context, s *scoreMap, l int, ranks []int, n int, before, x []float32) error {
	k, local := ranks[l], m.G*m.G*n
	jobs := []func(ctx context.Context, w int) error{func(ctx context.Context, w int) (err error) {
		s.paths[l], err = m.cross(ctx, w, crossGraph(m.G, k, k, true), k, k, func(b *binding) {
			b.f32(x[:local*k], m.G*m.G, n, k).f32(x[local*k:], n, k)
		})
		return err
	}}
	if l > 0 {
		kb := ranks[l-1]
		jobs = append(jobs, func(ctx context.Context, w int) (err error) {
			s.layers[l], err = m.cross(ctx, w, crossGraph(m.G, kb, k, false), kb, k, func(b *binding) {
				b.f32(before[:local*kb], m.G*m.G, n, kb).f32(x[:local*k], m.G*m.G, n, k)
			})
			return err
		})
	}
	return m.e.spread(ctx, len(jobs), func(ctx context.Context, w, i int) error { return jobs[i](ctx, w) })
}

// cross runs a crossGraph once and pads its result to [C, C].
func (m *model) cross(ctx context.Context, w int, g *graph, rows, cols int, bind func(*binding)) (*mat.Dense, error) {
	k, err := m.e.loadOnce(g)
	if err != nil {
		return nil, err
	}
	defer k.close()
	out := make([]float32, rows*cols)
	var b binding
	defer b.close()
	bind(&b)
	b.gives(out, rows, cols)
	if err := k.run(ctx, w, &b); err != nil {
		return nil, err
	}
	d := mat.NewDense(m.C, m.C, nil)
	for i := range rows {
		for j := range cols {
			d.Set(i, j, float64(out[i*cols+j]))
		}
	}
	return d, nil
}
