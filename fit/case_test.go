package fit

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/stimuli"
	"cortexmap/internal/store"
	"cortexmap/internal/subject"
)

// smallCase is a reference with random weights whose vertices look everywhere, the outer ring of cells
// included, and in which some responses may be missing.
func smallCase(seed uint64, b, v, c int, widths []int, missing bool) *reference {
	r := rand.New(rand.NewPCG(seed, 0))
	ref := &reference{B: b, V: v, L: len(widths), C: c, G: 8, widths: widths, alpha: 1, p: map[string][]float64{}}
	positions := make([][3]float64, v)
	for i := range positions {
		for k := range 3 {
			positions[i][k] = math.Round(r.Float64() * 200)
		}
	}
	ref.code = refPositionCode(positions)
	for l, d := range widths {
		x := normal(r, b*65*d, 1)
		for i := range x {
			x[i] = float64(store.Float(store.Half(float32(x[i] + 0.5))))
		}
		ref.x = append(ref.x, x)
		for _, path := range []string{"local", "global"} {
			ref.p[fmt.Sprintf("%s.%d.weight", path, l)] = normal(r, c*d, 1/math.Sqrt(float64(d)))
			ref.p[fmt.Sprintf("%s.%d.centre", path, l)] = normal(r, d, 0.5)
		}
	}
	for _, h := range []struct {
		name  string
		width int
		sd    float64
	}{{"space", 2, 0.5}, {"layer", len(widths), 0.5}, {"scale", 1, 0.5}} {
		ref.p[h.name+".0.weight"], ref.p[h.name+".0.bias"] = normal(r, 128*192, 0.1), normal(r, 128, 0.1)
		ref.p[h.name+".1.weight"], ref.p[h.name+".1.bias"] = normal(r, 128*128, 0.15), normal(r, 128, 0.1)
		ref.p[h.name+".2.weight"] = normal(r, h.width*128, h.sd)
	}
	ref.p["readout.weight"], ref.p["readout.bias"] = normal(r, v*c, 0.3), normal(r, v, 0.3)
	ref.target = normal(r, b*v, 1)
	if missing {
		for i := range ref.target {
			if r.IntN(7) == 0 {
				ref.target[i] = math.NaN()
			}
		}
	}
	ref.round()
	return ref
}

// round brings all numbers to float32, so that both forms start from the same.
func (r *reference) round() {
	for _, p := range r.p {
		for i, x := range p {
			p[i] = float64(float32(x))
		}
	}
	for i, x := range r.target {
		r.target[i] = float64(float32(x))
	}
	for i, x := range r.code {
		r.code[i] = float64(float32(x))
	}
}

// input is the case's images and responses as a store and a subject: the batch is the whole image set.
func (r *reference) input(t testing.TB) Input {
	t.Helper()
	images := make([]stimuli.Stimulus, r.B)
	digests := make([]store.Digest, r.B)
	for i := range images {
		digests[i] = sha256.Sum256([]byte{byte(i), byte(i >> 8)})
		images[i] = stimuli.Stimulus{Digest: digests[i], Name: fmt.Sprint(i)}
	}
	tokens := make([][]float32, r.L)
	for l := range tokens {
		for _, x := range r.x[l] {
			tokens[l] = append(tokens[l], float32(x))
		}
	}
	s := &subject.Subject{Name: "case", Images: &stimuli.Set{Stimuli: images}, Units: r.V,
		Positions: make([][3]float32, r.V), StimulusDegrees: math.NaN()}
	for _, y := range r.target {
		s.Responses = append(s.Responses, float32(y))
	}
	all := upTo[int](r.B)
	return Input{Features: makeStore(t, t.TempDir(), digests, r.widths, tokens), Subject: s, Train: all, Test: all}
}

// makeStore writes tokens [L][N, 65, D] into a feature store and opens it.
func makeStore(t testing.TB, dir string, images []store.Digest, widths []int, tokens [][]float32) *store.Features {
	t.Helper()
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	var layers []store.Layer
	for l, d := range widths {
		layers = append(layers, store.Layer{Index: l, Name: fmt.Sprintf("block%d", l+1), Width: d, Grid: [2]int{8, 8}})
	}
	for l, d := range widths {
		meta := store.FeatureMeta{Layer: layers[l], Tokens: 65, ModelSHA256: "m", Key: "k"}
		w, err := store.NewFeatureWriter(store.PartPath(dir, layers[l], len(layers), 0), meta)
		must(err)
		for i, digest := range images {
			var row []byte
			for _, x := range tokens[l][i*65*d : (i+1)*65*d] {
				row = binary.LittleEndian.AppendUint16(row, store.Half(x))
			}
			must(w.Append(digest, int64(i), row))
		}
		must(w.Close())
	}
	must(store.WriteLayers(dir, layers))
	must(store.WriteManifest(dir, store.Manifest{Key: "k", Model: store.ModelRef{Name: "net", SHA256: "m"}, Images: len(images), Grid: 8}))
	f, err := store.OpenFeatures(dir)
	must(err)
	t.Cleanup(func() { f.Close() })
	return f
}

// model is the case as the product holds it. Settings are those of the protocol, without any rate.
func (r *reference) model(t testing.TB, set Settings, threads int) *model {
	t.Helper()
	return r.modelOn(t, set, threads, ort.CPU)
}

func (r *reference) modelOn(t testing.TB, set Settings, threads int, device string) *model {
	t.Helper()
	rt := orttest.Runtime(t)
	p, err := newProblem(rt, r.input(t), Options{Settings: &set, Threads: threads, Device: device})
	if err != nil {
		t.Fatal(err)
	}
	p.C = r.C
	for v := range p.V { // the case's targets are taken as they are
		p.mean[v], p.inv[v] = 0, 1
	}
	t.Cleanup(p.e.close)
	m, err := newModel(p)
	if err != nil {
		t.Fatal(err)
	}
	m.alpha = float32(r.alpha)
	m.load(r)
	return m
}

// load copies the reference's weights.
func (m *model) load(r *reference) {
	set := func(dst []float32, name string) {
		for i, x := range r.p[name] {
			dst[i] = float32(x)
		}
	}
	for i, name := range m.bottleneck.names {
		set(m.bottleneck.part(m.bottleneck.data, i), name)
	}
	for i, name := range m.net.params.names {
		set(m.net.params.part(m.net.params.data, i), name)
	}
	for l := range m.kc {
		set(m.kc[l], fmt.Sprintf("local.%d.centre", l))
		set(m.hc[l], fmt.Sprintf("global.%d.centre", l))
	}
	set(m.w, "readout.weight")
	set(m.b, "readout.bias")
	code := make([]float32, len(r.code))
	for i, x := range r.code {
		code[i] = float32(x)
	}
	m.code = reduced(code)
}

// gradient is one step's gradients under the reference's names, taken without moving anything.
func (m *model) gradient(t testing.TB) (map[string][]float32, float64) {
	t.Helper()
	ctx := context.Background()
	d, err := newDescent(m)
	if err != nil {
		t.Fatal(err)
	}
	b := m.newBatch(len(m.Train))
	if err := m.fill(ctx, b, m.Train); err != nil {
		t.Fatal(err)
	}
	loss, err := d.step(ctx, b, 0)
	if err != nil {
		t.Fatal(err)
	}
	g := map[string][]float32{}
	for i, name := range m.bottleneck.names {
		g[name] = m.bottleneck.part(d.gk[0], i)
	}
	for i, name := range m.net.params.names {
		g[name] = m.net.params.part(d.gsel, i)
	}
	g["readout.weight"], g["readout.bias"] = make([]float32, len(d.gw)), make([]float32, len(d.gb))
	d.lay.scatter(g["readout.weight"], d.gw, m.C)
	d.lay.scatter(g["readout.bias"], d.gb, 1)
	d.unbind()
	return g, loss
}

// furthest is the largest difference of two arrays over the largest magnitude in want.
func furthest(got []float32, want []float64) float64 {
	if len(got) != len(want) {
		return math.Inf(1)
	}
	var worst, size float64
	for i, w := range want {
		d := math.Abs(float64(got[i]) - w)
		if math.IsNaN(d) {
			return math.Inf(1)
		}
		worst, size = max(worst, d), max(size, math.Abs(w))
	}
	if size == 0 {
		return worst
	}
	return worst / size
}
