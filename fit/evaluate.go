package fit

import (
	"context"
	"math"

	"cortexmap/internal/store"
)

// evalBatch is how many images are predicted at once.
const evalBatch = 48

// evaluator predicts responses with a model's present weights and collects scores (22) and shares (23).
type evaluator struct {
	*model
	plain, parts *kernel
	buffer       *batch
	table        []float32
}

func newEvaluator(m *model) (*evaluator, error) {
	e := &evaluator{model: m, buffer: m.newBatch(evalBatch), table: make([]float32, evalBatch*m.tableRow())}
	var err error
	if e.plain, err = m.e.load(predictGraph(m.L, m.G, m.C, false)); err != nil {
		return nil, err
	}
	e.parts, err = m.e.load(predictGraph(m.L, m.G, m.C, true))
	return e, err
}

// tally is the running sums of one unit's responses t and predictions y over images that have a response.
type tally struct{ n, t, tt, y, yy, ty float64 }

func (s *tally) add(t, y float64) {
	s.n++
	s.t += t
	s.tt += t * t
	s.y += y
	s.yy += y * y
	s.ty += t * y
}

// scores are R² and Pearson's r; NaN where the responses don't vary.
func (s *tally) scores() (r2, r float64) {
	sst := s.tt - s.t*s.t/s.n
	// The responses are of order 1: less than this is rounding, not variance.
	if s.n < 2 || sst <= 1e-9*s.n {
		return math.NaN(), math.NaN()
	}
	sse := s.tt - 2*s.ty + s.yy
	r2 = 1 - sse/sst
	ssy := s.yy - s.y*s.y/s.n
	if ssy <= 1e-12*s.n {
		return r2, math.NaN()
	}
	return r2, (s.ty - s.t*s.y/s.n) / math.Sqrt(sst*ssy)
}

// evaluation is what a pass over some images gave.
type evaluation struct {
	tally []tally // [V]
	// With shares: sums over all images of the coefficients' parts of the prediction, Σ p and Σ p ŷ [V, J],
	// and of the prediction without its bias, Σ ŷ and Σ ŷ² [V].
	images  float64 // so far
	sp, spy []float64
	sy, syy []float64
	// Also with shares, the predictions themselves.
	predicted *store.Predictions
}

// meanR2 is the mean over units that have one.
func (e *evaluation) meanR2() float64 { return meanR2(e.tally) }

// run predicts the images and tallies; the model's picks must be up to date.
func (e *evaluator) run(ctx context.Context, images []int, shares bool) (*evaluation, error) {
	j := e.sel.terms()
	ev := &evaluation{tally: make([]tally, e.V)}
	if shares {
		ev.sp, ev.spy = make([]float64, e.V*j), make([]float64, e.V*j)
		ev.sy, ev.syy = make([]float64, e.V), make([]float64, e.V)
		ev.predicted = e.noPredictions(len(images))
	}
	p := newPass(e)
	for at := 0; at < len(images); at += evalBatch {
		part := images[at:min(at+evalBatch, len(images))]
		if err := e.fill(ctx, e.buffer, part); err != nil {
			return nil, err
		}
		n := len(part)
		if err := e.project(ctx, e.buffer, e.table[:n*e.tableRow()]); err != nil {
			return nil, err
		}
		err := e.e.each(ctx, func(ctx context.Context, w int) error {
			for _, i := range p.lay.mine[w] {
				if err := p.cell(ctx, w, p.lay.jobs[i], part, ev); err != nil {
					return err
				}
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
		ev.images += float64(n)
	}
	return ev, nil
}

// pass is the weights in the order of cells, and the workers' outputs.
type pass struct {
	*evaluator
	lay    *layout
	wp, a  []float32 // [V, C], [V, J] by place
	y, t   [][]float32
	s1, s2 [][]float32
}

func newPass(e *evaluator) *pass {
	j := e.sel.terms()
	p := &pass{evaluator: e, lay: activeLayout(e.sel, 0, e.e.workers), wp: make([]float32, len(e.w)), a: make([]float32, e.V*j)}
	p.lay.gather(p.wp, e.w, e.C)
	for i, v := range p.lay.order {
		e.sel.coefficients(p.a[i*j:(i+1)*j], int(v), e.alpha)
	}
	for range e.e.workers {
		p.y, p.t = append(p.y, make([]float32, activeChunk*evalBatch)), append(p.t, make([]float32, activeChunk*evalBatch))
		p.s1, p.s2 = append(p.s1, make([]float32, activeChunk*j)), append(p.s2, make([]float32, activeChunk*j))
	}
	return p
}

// cell predicts one cell's vertices for a batch in the table and adds them to the evaluation.
func (p *pass) cell(ctx context.Context, w int, job cellJob, images []int, ev *evaluation) error {
	n, k, j := len(images), job.len(), p.sel.terms()
	var b binding
	defer b.close()
	b.f32(p.table[:n*p.tableRow()], n, (p.tokens()+1)*p.L, p.C).i64(job.tokens, j)
	b.f32(p.wp[job.from*p.C:job.to*p.C], k, p.C).f32(p.a[job.from*j:job.to*j], k, j, 1)
	y, t := p.y[w][:k*n], p.t[w][:k*n]
	b.gives(y, k, n)
	kernel := p.plain
	if ev.sp != nil {
		kernel = p.parts
		b.gives(p.s1[w][:k*j], k, j).gives(p.s2[w][:k*j], k, j)
	}
	if err := kernel.run(ctx, w, &b); err != nil {
		return err
	}
	p.targets(t, p.lay.order[job.from:job.to], images)
	for i := range k {
		v := int(p.lay.order[job.from+i])
		bias := float64(p.b[v])
		for c := i * n; c < (i+1)*n; c++ {
			if t[c] == t[c] {
				ev.tally[v].add(float64(t[c]), float64(y[c])+bias)
			}
		}
		if ev.sp != nil {
			for c, x := range y[i*n : (i+1)*n] {
				p.note(ev.predicted, v, int(ev.images)+c, float64(x)+bias)
			}
			p.addParts(ev, v, p.a[(job.from+i)*j:(job.from+i+1)*j], p.s1[w][i*j:], p.s2[w][i*j:], y[i*n:(i+1)*n])
		}
	}
	return nil
}

func (p *pass) addParts(ev *evaluation, v int, a, s1, s2, y []float32) {
	j := len(a)
	for c := range j {
		ev.sp[v*j+c] += float64(a[c]) * float64(s1[c])
		ev.spy[v*j+c] += float64(a[c]) * float64(s2[c])
	}
	for _, x := range y {
		ev.sy[v] += float64(x)
		ev.syy[v] += float64(x) * float64(x)
	}
}

// share is (23) for unit v: the layers' shares [L], which sum to 1, and the local one. NaN where the
// prediction doesn't vary.
func (e *evaluation) share(v int, layers []float64) (local, global float64) {
	l := len(layers)
	j := len(e.spy) / len(e.tally)
	variance := e.syy[v] - e.sy[v]*e.sy[v]/e.images
	if !(variance > 0) {
		variance = math.NaN()
	}
	clear(layers)
	for c := range j {
		s := (e.spy[v*j+c] - e.sp[v*j+c]*e.sy[v]/e.images) / variance
		layers[c%l] += s
		if c < j-l {
			local += s
		} else {
			global += s
		}
	}
	return local, global
}

// expected is the mean of 0..1 along shares whose negative parts are cut off, and the mass cut off.
func expected(shares []float64) (depth, clipped float64) {
	var sum, at float64
	for l, s := range shares {
		if s < 0 {
			clipped -= s
			continue
		}
		sum += s
		at += s * float64(l)
	}
	return at / sum / float64(len(shares)-1), clipped
}
