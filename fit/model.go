package fit

import (
	"context"
	"math"
	"time"

	"cortexmap/internal/ort"
)

// model is everything that is fitted, and the graphs that every part of a fit needs.
type model struct {
	*problem
	bottleneck *params     // K_l, H_l
	kc, hc     [][]float32 // κ_l, η_l [L][D]
	net        *network    // nil without topology: out is fitted itself
	frame      frame
	code       []float32 // [V, reducedWidth]
	w, b       []float32 // [V, C], [V], of the scaled responses
	alpha      float32
	sel        *selection // of the present networks; call look after changing them
	out        []float32  // [V, heads] what sel is made from by (3)

	projector *kernel // (5)
}

func newModel(p *problem) (*model, error) {
	m := &model{problem: p, bottleneck: bottleneckParams(p.widths, p.C), alpha: 1,
		w: make([]float32, p.V*p.C), b: make([]float32, p.V)}
	if p.set.Mean {
		m.alpha = 1 / float32(p.C)
	}
	for _, d := range p.widths {
		m.kc, m.hc = append(m.kc, make([]float32, d)), append(m.hc, make([]float32, d))
	}
	var err error
	m.sel = newSelection(m.V, m.L, m.G)
	if p.set.Ablation == NoFactorisation {
		if err := p.fitsJoint(ort.MemoryBudget(p.memory)); err != nil {
			return nil, err
		}
		m.sel = newJointSelection(m.V, m.L, m.G)
	}
	if m.sel.held, err = heldBy(p.set.Ablation, p.L); err != nil {
		return nil, err
	}
	m.out = make([]float32, m.V*m.sel.heads())
	if p.topology() {
		if m.net, err = newNetwork(p.e, m.sel.networks()); err != nil {
			return nil, err
		}
		m.place()
	}
	if m.projector, err = p.e.load(tableGraph(p.widths, p.G, p.C)); err != nil {
		return nil, err
	}
	m.start()
	return m, nil
}

// place codes the fitted units' positions in the frame of the whole mask.
func (m *model) place() {
	m.frame = frameOf(m.Subject.Positions)
	positions := make([][3]float32, m.V)
	for v, u := range m.units {
		positions[v] = m.Subject.Positions[u]
	}
	m.code = reduced(positionCode(positions, m.frame))
}

// start draws the weights that are not computed later: the networks, and for protocol paper all others.
func (m *model) start() {
	r := stream(m.seed, streamStart)
	if m.net != nil {
		startSelectors(m.net.params, r)
	}
	if m.set.sound() {
		return
	}
	for i, shape := range m.bottleneck.shape {
		uniform(r, m.bottleneck.part(m.bottleneck.data, i), shape[1])
	}
	uniform(r, m.w, m.C)
	uniform(r, m.b, m.C)
}

// selectors are the numbers that the picks are functions of: the networks, or what they would put out.
func (m *model) selectors() []float32 {
	if m.net == nil {
		return m.out
	}
	return m.net.params.data
}

// look brings the picks up to date with the selectors.
func (m *model) look(ctx context.Context) error { return m.lookAgain(ctx, false) }

// lookAgain is look; with remember the networks' gradient can be taken until they change.
func (m *model) lookAgain(ctx context.Context, remember bool) error {
	if m.net == nil {
		m.sel.set(0, m.out)
		return nil
	}
	return m.net.look(ctx, m.code, m.sel, m.out, remember)
}

// batch is the stored tokens of some images, of every layer.
type batch struct {
	images []int
	x      [][]uint16 // [L] float16 [images, G²+1, D]
}

func (p *problem) newBatch(images int) *batch {
	b := &batch{x: make([][]uint16, p.L)}
	for l, d := range p.widths {
		b.x[l] = make([]uint16, images*p.tokens()*d)
	}
	return b
}

// fill reads the tokens of at most as many images as the batch was made for.
func (p *problem) fill(ctx context.Context, b *batch, images []int) error {
	start := time.Now()
	defer func() { p.waits.Add(int64(time.Since(start))) }()
	return p.fillAhead(ctx, b, images)
}

// fillAhead is fill for what nobody waits for yet.
func (p *problem) fillAhead(ctx context.Context, b *batch, images []int) error {
	b.images = images
	for l, d := range p.widths {
		if err := p.readAhead(ctx, l, images, b.x[l][:len(images)*p.tokens()*d]); err != nil {
			return err
		}
	}
	return nil
}

// bindTokens adds a batch's images from "from" to "to" to a binding, in the order of graph.tokenInputs.
func (m *model) bindTokens(in *binding, b *batch, from, to int, weights bool) {
	for l, d := range m.widths {
		row := m.tokens() * d
		in.f16(b.x[l][from*row:to*row], to-from, m.tokens(), d)
		in.f32(m.kc[l], d).f32(m.hc[l], d)
		if weights {
			in.f32(m.bottleneck.part(m.bottleneck.data, 2*l), m.C, d)
			in.f32(m.bottleneck.part(m.bottleneck.data, 2*l+1), m.C, d)
		}
	}
}

// tableRow is the length of one image's row of the token table.
func (p *problem) tableRow() int { return (p.tokens() + 1) * p.L * p.C }

// project fills the token table t [images, G²+2, L, C] for a batch: (5), each worker a part of the images.
func (m *model) project(ctx context.Context, b *batch, t []float32) error {
	return m.e.each(ctx, func(ctx context.Context, w int) error {
		from, to := m.e.share(len(b.images), w)
		if from == to {
			return nil
		}
		var in binding
		defer in.close()
		m.bindTokens(&in, b, from, to, true)
		in.gives(t[from*m.tableRow():to*m.tableRow()], to-from, m.tokens()+1, m.L, m.C)
		return m.projector.run(ctx, w, &in)
	})
}

// parameters is how many numbers are fitted.
func (m *model) parameters() int64 {
	n := m.bottleneck.size() + len(m.selectors()) + len(m.w) + len(m.b)
	if m.net == nil {
		for _, h := range m.sel.networks() {
			if m.sel.held.holds(h.name + ".") {
				n -= m.V * h.width
			}
		}
		return int64(n)
	}
	for i, name := range m.net.params.names {
		if m.sel.held.holds(name) {
			n -= m.net.params.at[i+1] - m.net.params.at[i]
		}
	}
	return int64(n)
}

// unscale brings the readout back to the responses' own units.
func (m *model) unscale() {
	for v := range m.V {
		sd := 1 / m.inv[v]
		for c := range m.C {
			m.w[v*m.C+c] = float32(float64(m.w[v*m.C+c]) * sd)
		}
		m.b[v] = float32(float64(m.b[v])*sd + m.mean[v])
	}
}

func nan32() float32 { return float32(math.NaN()) }
