package bench

import (
	"bytes"
	"context"
	"math"
	"math/rand/v2"
	"slices"

	"cortexmap/internal/cortex"
	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/npy"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
	"cortexmap/internal/synth"
)

// The simulated subject of the paper's scale. Its places are those of the embedded subject, planted by
// package synth on fsaverage5 and interpolated on the mesh split twice (fsaverage7's). What a vertex reads is
// planted here, on the stored tokens of the fit grid, because a network of this size is not to be run twice:
//
//	feature   f_l[t, k] = Σ_d w_lk[d]/sd_l[d] x_l[t, d]      k = 1..160, each of 20 channels drawn at random
//	local_l   = Σ_t F[t] Σ_k u[k] f_l[t, k]                  F a Gaussian on the grid
//	signal    = z( Σ_l share_l ((1-s) z(local_l) + s z(global_l)) ),   response = sqrt(c) signal + sqrt(1-c) noise
//
// with share, s, F and c as in package synth, u half smooth over the cortex (Gaussians of 12 mm about 80
// vertices) and half the vertex's own. So its fits are a matter of speed and memory; for how well planted
// selectors are found there is `bench recovery`, whose planting lies outside the fit's own grid.
const (
	plantFeatures = 160
	plantSparse   = 20
	plantWidth    = 12.0 // mm
	plantCeiling  = 0.40
	plantBlock    = 2048 // vertices a Run
	plantImages   = 16
)

// fineTruth is what was planted, at the vertices of both fine hemispheres that are used.
type fineTruth struct {
	hemi                       []int
	vertex                     []int32
	point                      [][3]float32
	depth, global, sigma, x, y []float64
	layers                     int
	prototype, own             [][]float32 // [V][features/2]
}

// places interpolates the planted truth and chooses the vertices, evenly from all that have one.
func (p *paperScale) places() (*fineTruth, error) {
	sub, g, err := subject.Simulated(p.Demo, subject.SimOptions{Seed: paperSeed, PerPhoto: 1})
	if err != nil {
		return nil, err
	}
	var shapes []synth.Shape
	for _, l := range p.net.Layers {
		shapes = append(shapes, synth.Shape{Name: l.Name, Width: l.Width, H: l.Grid[0], W: l.Grid[1]})
	}
	plan, err := synth.Plant(sub, g, shapes, synth.Options{Seed: paperSeed, Generator: "vit_b16_random", Ceiling: plantCeiling})
	if err != nil {
		return nil, err
	}
	t := plan.Truth()
	all := &fineTruth{layers: len(shapes)}
	maps := [][]float64{t.Depth, t.Global, t.Sigma, t.X, t.Y}
	for side, h := range g.Hemis {
		fine := make([][]float32, len(maps))
		var sphere *cortex.Surface
		for i, values := range maps {
			only := *h
			only.White, only.Pial, only.Inflated, only.Flat, only.Sulc = nil, nil, nil, nil, nil
			only.Curv = onMesh(values, sub, cortex.Sides[side], h.N())
			pair := &cortex.Geometry{Name: g.Name}
			pair.Hemis[side] = &only
			finer, err := pair.Fine(163842)
			if err != nil {
				return nil, err
			}
			fine[i], sphere = finer.Hemis[side].Curv, finer.Hemis[side].Sphere
		}
		for v, d := range fine[0] {
			if d != d {
				continue
			}
			all.hemi, all.vertex, all.point = append(all.hemi, side), append(all.vertex, int32(v)), append(all.point, sphere.Points[v])
			for i, into := range []*[]float64{&all.depth, &all.global, &all.sigma, &all.x, &all.y} {
				*into = append(*into, float64(fine[i][v]))
			}
		}
	}
	return all.thin(PaperVertices)
}

// onMesh spreads a number a unit over a hemisphere's vertices; NaN elsewhere.
func onMesh(values []float64, s *subject.Subject, side string, n int) []float32 {
	out := make([]float32, n)
	for i := range out {
		out[i] = float32(math.NaN())
	}
	for u, v := range s.Vertex {
		if s.Hemi[u] == side {
			out[v] = float32(values[u])
		}
	}
	return out
}

// thin keeps n of the vertices, evenly, and draws what they read.
func (t *fineTruth) thin(n int) (*fineTruth, error) {
	total := len(t.vertex)
	if total < n {
		return nil, fault.New(fault.Bug, "%d fine vertices have a planted place, %d are needed", total, n)
	}
	out := &fineTruth{layers: t.layers}
	for k := range n {
		i := k * total / n
		out.hemi, out.vertex, out.point = append(out.hemi, t.hemi[i]), append(out.vertex, t.vertex[i]), append(out.point, t.point[i])
		out.depth, out.global, out.sigma = append(out.depth, t.depth[i]), append(out.global, t.global[i]), append(out.sigma, t.sigma[i])
		out.x, out.y = append(out.x, t.x[i]), append(out.y, t.y[i])
	}
	r := rand.New(rand.NewPCG(paperSeed, 7))
	centres := r.Perm(n)[:plantFeatures/2]
	for v := range n {
		bumps, own := make([]float32, len(centres)), make([]float32, len(centres))
		var length float64
		for k, c := range centres {
			if out.hemi[c] == out.hemi[v] {
				d := separation(out.point[v], out.point[c])
				bumps[k] = float32(math.Exp(-d * d / (2 * plantWidth * plantWidth)))
				length += float64(bumps[k]) * float64(bumps[k])
			}
			own[k] = float32(r.NormFloat64() / math.Sqrt(float64(len(centres))))
		}
		for k := range bumps {
			bumps[k] /= float32(math.Sqrt(length) + 1e-9)
		}
		out.prototype, out.own = append(out.prototype, bumps), append(out.own, own)
	}
	return out, nil
}

// separation is the great-circle distance of two points of a sphere of 100 mm.
func separation(a, b [3]float32) float64 {
	var dot, aa, bb float64
	for i := range a {
		dot += float64(a[i]) * float64(b[i])
		aa += float64(a[i]) * float64(a[i])
		bb += float64(b[i]) * float64(b[i])
	}
	return 100 * math.Acos(max(-1, min(1, dot/math.Sqrt(aa*bb))))
}

// share is the part of vertex v that layer l carries.
func (t *fineTruth) share(l, v int) float64 { return max(0, 1-math.Abs(t.depth[v]-float64(l))) }

// field is F at the token's cell.
func (t *fineTruth) field(v, grid int) []float64 {
	profile := func(centre float64) []float64 {
		g, sum := make([]float64, grid), 0.0
		for i := range g {
			d := (float64(i)+0.5)/float64(grid)*2 - 1 - centre
			g[i] = math.Exp(-d*d/(2*t.sigma[v]*t.sigma[v])) + 1e-12
			sum += g[i]
		}
		for i := range g {
			g[i] /= sum
		}
		return g
	}
	across, down := profile(t.x[v]), profile(t.y[v])
	out := make([]float64, 0, grid*grid)
	for _, a := range down {
		for _, b := range across {
			out = append(out, a*b)
		}
	}
	return out
}

// respond writes the subject's folder: places, responses, ceilings and subject.yaml, which comes last.
func (p *paperScale) respond(ctx context.Context, f *store.Features) error {
	done := p.path("subject", "subject.yaml")
	if durable.Exists(done) {
		return nil
	}
	t, err := p.places()
	if err != nil {
		return err
	}
	signal := make([]float32, f.Len()*len(t.vertex))
	for l := range f.Layers {
		if err := p.readLayer(ctx, f, t, l, signal); err != nil {
			return err
		}
		p.Progress("simulate responses", l+1, len(f.Layers))
	}
	t.finish(signal, f.Len())
	if err := store.WriteMatrix(p.path("subject", "responses.npy"), f.Len(), len(t.vertex), signal); err != nil {
		return err
	}
	ceiling := slices.Repeat([]float32{plantCeiling}, len(t.vertex))
	if err := writeArray(p.path("subject", "ceiling.npy"), ceiling); err != nil {
		return err
	}
	for side, name := range cortex.Sides {
		var vertices []int32
		for i, v := range t.vertex {
			if t.hemi[i] == side {
				vertices = append(vertices, v)
			}
		}
		if err := writeArray(p.path("subject", name+".vertices.npy"), vertices); err != nil {
			return err
		}
	}
	return durable.WriteFile(done, []byte(paperSubject))
}

const paperSubject = `format: 1
name: paper-scale
simulated: true
images: {folder: images, list: images.csv}
responses: {file: responses.npy}
ceiling: {file: ceiling.npy}
positions:
  surface: fsaverage7
  mask: {lh: lh.vertices.npy, rh: rh.vertices.npy}
`

func writeArray[T npy.Number](path string, data []T) error {
	var b bytes.Buffer
	if err := npy.Write(&b, data, len(data)); err != nil {
		return err
	}
	return durable.WriteFile(path, b.Bytes())
}

// plantGraph reads a block of vertices: x float16 [n, T, D], a [D, k] features, u [k, m] and f [T-1, m].
// Outputs the local and the global part [n, m].
func plantGraph(grid, width int) ([]byte, []string, []string) {
	b := onnx.NewBuilder(17)
	cells := int64(grid * grid)
	b.Input("x", onnx.Float16, "n", cells+1, width)
	b.Input("a", onnx.Float32, width, plantFeatures)
	b.Input("u", onnx.Float32, plantFeatures, "m")
	b.Input("f", onnx.Float32, cells, "m")
	x := b.Op("Cast", []string{"x"}, onnx.Int("to", int64(onnx.Float32)))
	y := b.Op("MatMul", []string{b.Op("MatMul", []string{x, "a"}), "u"})
	local := b.Op("Slice", []string{y, b.Shape(0), b.Shape(cells), b.Shape(1)})
	b.OpTo("local", "ReduceSum", []string{b.Op("Mul", []string{local, "f"}), b.Shape(1)}, onnx.Int("keepdims", 0))
	global := b.Op("Slice", []string{y, b.Shape(cells), b.Shape(cells + 1), b.Shape(1)})
	b.OpTo("global", "Squeeze", []string{global, b.Shape(1)})
	b.Output("local", onnx.Float32, "n", "m")
	b.Output("global", onnx.Float32, "n", "m")
	return b.Model(), []string{"x", "a", "u", "f"}, []string{"local", "global"}
}

// readLayer adds what the vertices read from a layer to their signals [N, V].
func (p *paperScale) readLayer(ctx context.Context, f *store.Features, t *fineTruth, l int, signal []float32) error {
	var readers []int
	for v := range t.vertex {
		if t.share(l, v) > 0 {
			readers = append(readers, v)
		}
	}
	if len(readers) == 0 {
		return nil
	}
	grid := int(math.Round(math.Sqrt(float64(f.Tokens(l) - 1))))
	features, err := p.features(ctx, f, l)
	if err != nil {
		return err
	}
	model, in, out := plantGraph(grid, f.Layers[l].Width)
	s, err := p.rt.Open(model, in, out, ort.Options{Threads: p.Threads})
	if err != nil {
		return err
	}
	defer s.Close()
	n := f.Len()
	for from := 0; from < len(readers); from += plantBlock {
		block := readers[from:min(from+plantBlock, len(readers))]
		local, global, err := p.readBlock(ctx, f, s, t, l, grid, features, block)
		if err != nil {
			return err
		}
		m := len(block)
		for i, v := range block {
			part := t.share(l, v)
			addStandardised(signal, v, len(t.vertex), local, i, m, n, part*(1-t.global[v]))
			addStandardised(signal, v, len(t.vertex), global, i, m, n, part*t.global[v])
		}
	}
	return nil
}

// features are w_lk/sd_l, [D, k]; the deviations come from 64 images.
func (p *paperScale) features(ctx context.Context, f *store.Features, l int) ([]float32, error) {
	width, images := f.Layers[l].Width, min(64, f.Len())
	rows := make([]int, images)
	for i := range rows {
		rows[i] = i * f.Len() / images
	}
	half := make([]uint16, images*f.RowLen(l))
	if err := f.Read(ctx, l, rows, half); err != nil {
		return nil, err
	}
	sum, sq := make([]float64, width), make([]float64, width)
	for i, h := range half {
		x := float64(store.Float(h))
		sum[i%width] += x
		sq[i%width] += x * x
	}
	n := float64(len(half) / width)
	r := rand.New(rand.NewPCG(paperSeed, uint64(100+l)))
	out := make([]float32, width*plantFeatures)
	for k := range plantFeatures {
		for _, d := range r.Perm(width)[:plantSparse] {
			sd := math.Sqrt(max(sq[d]/n-sum[d]/n*sum[d]/n, 1e-12))
			out[d*plantFeatures+k] = float32(r.NormFloat64() / sd)
		}
	}
	return out, nil
}

// readBlock is the local and the global part of some vertices for all images, [N, m].
func (p *paperScale) readBlock(ctx context.Context, f *store.Features, s *ort.Session, t *fineTruth, l, grid int, features []float32, block []int) (local, global []float32, err error) {
	m, n, width := len(block), f.Len(), f.Layers[l].Width
	u, field := make([]float32, plantFeatures*m), make([]float32, grid*grid*m)
	for i, v := range block {
		for k := range plantFeatures / 2 {
			u[k*m+i], u[(k+plantFeatures/2)*m+i] = t.prototype[v][k], t.own[v][k]
		}
		for c, w := range t.field(v, grid) {
			field[c*m+i] = float32(w)
		}
	}
	local, global = make([]float32, n*m), make([]float32, n*m)
	x := make([]uint16, plantImages*f.RowLen(l))
	rows := make([]int, 0, plantImages)
	for from := 0; from < n; from += plantImages {
		to := min(n, from+plantImages)
		rows = rows[:0]
		for i := from; i < to; i++ {
			rows = append(rows, i)
		}
		if err := f.Read(ctx, l, rows, x[:len(rows)*f.RowLen(l)]); err != nil {
			return nil, nil, err
		}
		c := int64(to - from)
		in := tensors{}
		in.f16(x[:len(rows)*f.RowLen(l)], c, int64(f.Tokens(l)), int64(width))
		in.f32(features, int64(width), plantFeatures)
		in.f32(u, plantFeatures, int64(m))
		in.f32(field, int64(grid*grid), int64(m))
		in.f32(local[from*m:to*m], c, int64(m))
		in.f32(global[from*m:to*m], c, int64(m))
		if in.err == nil {
			in.err = s.Run(ctx, in.all[:4], in.all[4:])
		}
		in.close()
		if in.err != nil {
			return nil, nil, in.err
		}
	}
	return local, global, nil
}

// tensors are views that are closed together.
type tensors struct {
	all []*ort.Tensor
	err error
}

func (t *tensors) add(x *ort.Tensor, err error) {
	t.all = append(t.all, x)
	if t.err == nil {
		t.err = err
	}
}

func (t *tensors) f32(data []float32, dims ...int64) { t.add(ort.NewF32(data, dims...)) }
func (t *tensors) f16(data []uint16, dims ...int64)  { t.add(ort.NewF16(data, dims...)) }

func (t *tensors) close() {
	for _, x := range t.all {
		x.Close()
	}
}

// addStandardised adds weight times the z-scored column i of read [n, m] to column v of signal [n, units].
func addStandardised(signal []float32, v, units int, read []float32, i, m, n int, weight float64) {
	var sum, sq float64
	for k := range n {
		x := float64(read[k*m+i])
		sum += x
		sq += x * x
	}
	mean := sum / float64(n)
	sd := math.Sqrt(max(sq/float64(n)-mean*mean, 0))
	if sd == 0 {
		return
	}
	for k := range n {
		signal[k*units+v] += float32(weight * (float64(read[k*m+i]) - mean) / sd)
	}
}

// finish z-scores the signals and adds noise.
func (t *fineTruth) finish(signal []float32, n int) {
	units := len(t.vertex)
	for v := range units {
		r := rand.New(rand.NewPCG(paperSeed, uint64(v)<<8|3))
		var sum, sq float64
		for k := range n {
			x := float64(signal[k*units+v])
			sum += x
			sq += x * x
		}
		mean := sum / float64(n)
		sd := math.Sqrt(max(sq/float64(n)-mean*mean, 1e-12))
		for k := range n {
			x := &signal[k*units+v]
			*x = float32(math.Sqrt(plantCeiling)*(float64(*x)-mean)/sd + math.Sqrt(1-plantCeiling)*r.NormFloat64())
		}
	}
}
