package fit

import (
	"context"
	"math"
	"slices"
	"time"

	"cortexmap/internal/fault"
	"cortexmap/internal/store"

	"golang.org/x/sync/errgroup"
)

// descent is (21): minibatch steps of everything. The readout, its optimiser state and the targets are held
// in the order of the cells, so that a cell's rows are slices; they are sorted anew when the picks move.
type descent struct {
	*model
	cell, back *kernel
	light      *kernel // cell without the gradient of the tokens
	lay        *layout

	w, gw, b, gb []float32 // [V, C], [V]: in the order of places
	wAdam, bAdam *adam     // likewise
	spare        []float32 // [V, C] while the order changes
	a, ga, sumGA []float32 // a chunk's after another: coefficients with α, gradient of one step, sum over steps
	target       []float32 // [V, B]
	gout         []float32 // [V, heads] in the order of vertices
	gsel         []float32 // the selectors' gradient: the networks', or gout itself
	selAdam      *adam
	kAdam        *adam

	table  []float32   // [B, G²+2, L, C]
	gt     [][]float32 // [workers] its gradient
	gz     [][]float32 // [workers] one cell's gradient
	gk     [][]float32 // [workers] bottlenecks' gradient
	loss   [][]float32 // [workers][1]
	losses []float64   // [workers]
	weight []float32   // [1] of the loss
	t      int         // steps done
	cells  []*binding  // [jobs] for the present layout and batch size
	bound  int         // the batch size they are for
	scale  float32     // of gradients, after clipping
}

func newDescent(m *model) (*descent, error) {
	d := &descent{model: m, selAdam: newAdam(len(m.selectors())), kAdam: newAdam(m.bottleneck.size()),
		wAdam: newAdam(len(m.w)), bAdam: newAdam(len(m.b)), weight: make([]float32, 1), scale: 1}
	var err error
	if d.cell, err = m.e.load(cellGraph(m.L, m.G, m.C, m.set.SmoothL1, m.missing, true)); err != nil {
		return nil, err
	}
	if d.light, err = m.e.load(cellGraph(m.L, m.G, m.C, m.set.SmoothL1, m.missing, false)); err != nil {
		return nil, err
	}
	if d.back, err = m.e.load(tableGradGraph(m.widths, m.G, m.C)); err != nil {
		return nil, err
	}
	j, n := m.sel.terms(), m.set.Batch
	d.w, d.gw, d.spare = slices.Clone(m.w), make([]float32, len(m.w)), make([]float32, len(m.w))
	d.b, d.gb = slices.Clone(m.b), make([]float32, len(m.b))
	d.a, d.ga, d.sumGA = make([]float32, m.V*j), make([]float32, m.V*j), make([]float32, m.V*j)
	d.target = make([]float32, m.V*n)
	d.gout = make([]float32, len(m.out))
	d.gsel = d.gout
	if m.net != nil {
		d.gsel = make([]float32, m.net.params.size())
	}
	d.table = make([]float32, n*m.tableRow())
	for range m.e.workers {
		d.gt = append(d.gt, make([]float32, n*m.tableRow()))
		d.gz = append(d.gz, make([]float32, n*j*m.C))
		d.gk = append(d.gk, make([]float32, m.bottleneck.size()))
		d.loss = append(d.loss, make([]float32, 1))
	}
	d.losses = make([]float64, m.e.workers)
	return d, nil
}

// steps is how many batches a run of the settings takes, and how many images it shows.
func (s Settings) steps(train int) (steps, images int) {
	images = int(s.Epochs * float64(train))
	if s.Images > 0 {
		images = min(images, s.Images)
	}
	if s.sound() {
		steps = images / s.Batch // whole batches, across the borders of epochs
		return steps, steps * s.Batch
	}
	perEpoch := (train + s.Batch - 1) / s.Batch
	epochs := images / max(train, 1)
	return epochs * perEpoch, epochs * train
}

// rate is the schedule's factor at step t of n.
func (s Settings) rate(t, n int) float64 {
	r := 1.0
	if s.Warmup > 0 {
		r = min(1, float64(t+1)/float64(s.Warmup))
	}
	if s.Cosine {
		r = r*(0.5+0.5*math.Cos(math.Pi*float64(t)/float64(n))) + 0.01
	}
	return r
}

// batches draws the images of every step: shuffled anew each epoch, each image once an epoch.
func (m *model) batches(steps int) [][]int {
	r := stream(m.seed, streamOrder)
	var out [][]int
	var left []int
	for range steps {
		if m.set.sound() {
			for len(left) < m.set.Batch {
				left = append(left, permuted(r.Perm(len(m.Train)), m.Train)...)
			}
		} else if len(left) == 0 {
			left = permuted(r.Perm(len(m.Train)), m.Train)
		}
		n := min(m.set.Batch, len(left))
		out = append(out, left[:n:n])
		left = left[n:]
	}
	return out
}

func permuted(order, images []int) []int {
	out := make([]int, len(order))
	for k, i := range order {
		out[k] = images[i]
	}
	return out
}

// run takes all steps from where at says. before is the learning curve before the first one. Batches are read ahead by one goroutine while the step before is computed. Curve
// points are added by watch, which may be nil, about CurvePoints times.
func (d *descent) run(ctx context.Context, watch func(ctx context.Context) (float64, error), at walked, before []store.CurvePoint) ([]store.CurvePoint, error) {
	steps, _ := d.set.steps(len(d.Train))
	order := d.batches(steps)[d.t:]
	if d.t == 0 {
		at.Last = math.NaN()
	}
	free, full := make(chan *batch, 2), make(chan *batch, 2)
	for range 2 {
		free <- d.newBatch(d.set.Batch)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error {
		for _, images := range order {
			select {
			case b := <-free:
				if err := d.fillAhead(ctx, b, images); err != nil {
					return err
				}
				full <- b
			case <-ctx.Done():
				return ctx.Err()
			}
		}
		return nil
	})
	g.Go(func() error { return d.walk(ctx, &at, before, steps, free, full, watch) })
	err := g.Wait()
	d.unbind()
	return at.Curve, err
}

func (d *descent) walk(ctx context.Context, at *walked, before []store.CurvePoint, steps int, free, full chan *batch, watch func(context.Context) (float64, error)) error {
	every := max(1, steps/max(1, d.set.CurvePoints))
	for d.t < steps {
		var b *batch
		start := time.Now()
		select {
		case b = <-full:
		case <-ctx.Done():
			return ctx.Err()
		}
		d.waits.Add(int64(time.Since(start)) * int64(d.e.workers))
		n := len(b.images)
		loss, err := d.step(ctx, b, d.set.rate(d.t, steps))
		if err != nil {
			return err
		}
		if math.IsNaN(loss) || math.IsInf(loss, 0) {
			return fault.Inputf("the fit diverged at step %d of %d; the last finite loss was %.4g", d.t, steps, at.Last).
				Remedy("lower the fit's rates (fit.rate_readout, fit.rate_bottleneck, fit.rate_selectors), or look for extreme responses")
		}
		at.Last, at.Loss, at.Since, at.Images = loss, at.Loss+loss, at.Since+1, at.Images+n
		free <- b
		d.report.progress("descent", d.t, steps)
		if d.t%every == 0 || d.t == steps {
			point := store.CurvePoint{Images: at.Images, Loss: at.Loss / float64(at.Since), R2Val: math.NaN()}
			at.Loss, at.Since = 0, 0
			if watch != nil && d.t != steps {
				if err := d.settle(ctx); err != nil {
					return err
				}
				if point.R2Val, err = watch(ctx); err != nil {
					return err
				}
				d.report.watch(point)
			}
			at.Curve = append(at.Curve, point)
		}
		if d.t%d.set.SelectorsEvery == 0 && d.t != steps && d.keeper.due() {
			d.keep(*at, before)
		}
	}
	return d.settle(ctx)
}

// settle writes the readout back into the model and brings its picks up to date.
func (d *descent) settle(ctx context.Context) error {
	if d.lay == nil {
		return nil
	}
	d.lay.scatter(d.model.w, d.w, d.C)
	d.lay.scatter(d.model.b, d.b, 1)
	if d.t%d.set.SelectorsEvery == 0 {
		return d.look(ctx) // otherwise the picks are those of the present networks: nothing has moved
	}
	return nil
}

// step is one step on a batch; rate is the schedule's factor. It returns the loss before the step.
func (d *descent) step(ctx context.Context, b *batch, rate float64) (float64, error) {
	lap := d.report.laps()
	if d.t%d.set.SelectorsEvery == 0 {
		if err := d.sort(ctx); err != nil {
			return 0, err
		}
		lap("where to look")
	}
	if err := d.project(ctx, b, d.table); err != nil {
		return 0, err
	}
	lap("bottlenecks")
	d.weight[0] = float32(1 / (float64(len(b.images)) * float64(d.V)))
	if d.set.SmoothL1 == 0 {
		d.weight[0] *= 2
	}
	wStep, bStep := d.wAdam.next(d.set.RateReadout*rate, d.set.Decay), d.bAdam.next(d.set.RateBias*rate, d.set.Decay)
	clip := d.set.Clip > 0
	tokens := d.t%d.set.BottlenecksEvery == 0
	if err := d.cellPass(ctx, b.images, tokens, func(j cellJob) {
		if !clip {
			d.applyReadout(wStep, bStep, j.from, j.to)
		}
	}); err != nil {
		return 0, err
	}
	lap("cells")
	if tokens {
		if err := d.bottleneckPass(ctx, b); err != nil {
			return 0, err
		}
		if err := d.sumBottlenecks(ctx); err != nil {
			return 0, err
		}
	}
	lap("bottlenecks")
	loss := 0.0
	for _, l := range d.losses {
		loss += l
	}
	due := (d.t+1)%d.set.SelectorsEvery == 0
	if due {
		reg := d.regulariser()
		if reg != 0 {
			loss += reg * d.sel.regulariser()
		}
		if err := d.selectorPass(ctx, reg); err != nil {
			return 0, err
		}
		lap("selectors")
	}
	d.scale = 1
	if clip {
		d.scale = d.clipped(due)
		if err := d.e.each(ctx, func(_ context.Context, w int) error {
			from, to := d.e.share(d.V, w)
			d.applyReadout(wStep, bStep, from, to)
			return nil
		}); err != nil {
			return 0, err
		}
	}
	if tokens {
		if err := d.applyShared(ctx, d.kAdam, d.set.RateBottleneck*rate, d.bottleneck.data, d.gk[0]); err != nil {
			return 0, err
		}
	}
	if due {
		if err := d.applyShared(ctx, d.selAdam, d.set.RateSelectors*rate, d.selectors(), d.gsel); err != nil {
			return 0, err
		}
	}
	lap("optimiser")
	d.t++
	return loss, nil
}

// regulariser is the present weight of (9).
func (d *descent) regulariser() float64 {
	if d.set.Regulariser == 0 || d.set.RegSteps == 0 {
		return 0
	}
	return d.set.Regulariser * max(0, 1-float64(d.t)/float64(d.set.RegSteps))
}

// sort looks where the vertices look now, and brings everything into the order of their cells.
func (d *descent) sort(ctx context.Context) error {
	if err := d.lookAgain(ctx, true); err != nil {
		return err
	}
	lay := activeLayout(d.sel, d.set.LayerTrace, d.e.workers)
	if d.lay == nil || !slices.Equal(lay.order, d.lay.order) {
		from := d.places(lay)
		for _, x := range []*[]float32{&d.w, &d.wAdam.m, &d.wAdam.v, &d.b, &d.bAdam.m, &d.bAdam.v} {
			if err := d.reorder(ctx, x, from); err != nil {
				return err
			}
		}
	}
	d.lay = lay
	d.unbind()
	return d.e.each(ctx, func(_ context.Context, w int) error {
		all := make([]float32, d.sel.terms())
		for _, i := range lay.mine[w] {
			job := &lay.jobs[i]
			j := len(job.tokens)
			for k, v := range lay.order[job.from:job.to] {
				d.sel.coefficients(all, int(v), d.alpha)
				pick(d.a[job.at+k*j:job.at+(k+1)*j], all, job.layers, d.L)
			}
			clear(d.sumGA[job.at : job.at+job.len()*j])
		}
		return nil
	})
}

// places says where each place of a new layout is to be had: the present place of its vertex.
func (d *descent) places(lay *layout) []int32 {
	if d.lay == nil {
		return lay.order
	}
	at := make([]int32, d.V)
	for i, v := range d.lay.order {
		at[v] = int32(i)
	}
	from := make([]int32, d.V)
	for i, v := range lay.order {
		from[i] = at[v]
	}
	return from
}

// reorder brings an array [V, …] into a new order of places; it changes room with the spare one.
func (d *descent) reorder(ctx context.Context, x *[]float32, from []int32) error {
	old, width := *x, len(*x)/d.V
	sorted := d.spare[:len(old)]
	err := d.e.each(ctx, func(_ context.Context, w int) error {
		first, last := d.e.share(d.V, w)
		for i := first; i < last; i++ {
			k := int(from[i])
			copy(sorted[i*width:(i+1)*width], old[k*width:(k+1)*width])
		}
		return nil
	})
	if width == d.C {
		*x, d.spare = sorted, old
	} else {
		copy(old, sorted)
	}
	return err
}

// bind makes the tensors of a worker's chunks for batches of n images.
func (d *descent) bind(w, n int) {
	for _, i := range d.lay.mine[w] {
		job := &d.lay.jobs[i]
		f, t, k, j := job.from, job.to, job.len(), len(job.tokens)
		a, ga := d.a[job.at:job.at+k*j], d.ga[job.at:job.at+k*j]
		b := &binding{}
		b.f32(d.table[:n*d.tableRow()], n, (d.tokens()+1)*d.L, d.C).i64(job.tokens, j)
		b.f32(d.w[f*d.C:t*d.C], k, d.C).f32(a, k, j, 1).f32(a, k, 1, j).f32(d.b[f:t], k, 1)
		b.f32(d.target[f*n:t*n], k, n).f32(d.weight, 1)
		b.gives(d.gw[f*d.C:t*d.C], k, d.C).gives(d.gb[f:t], k).gives(ga, k, 1, j)
		b.gives(d.loss[w], 1).gives(d.gz[w][:n*j*d.C], n*j, d.C) // the last is left out where bottlenecks stay
		d.cells[i] = b
	}
}

func (d *descent) unbind() {
	for _, b := range d.cells {
		if b != nil {
			b.close()
		}
	}
	d.cells, d.bound = nil, 0
}

// cellPass runs all chunks, each worker its own, and adds up the gradient of the token table
// where it is asked for.
func (d *descent) cellPass(ctx context.Context, images []int, tokens bool, done func(cellJob)) error {
	n := len(images)
	bind := d.bound != n
	if bind {
		d.unbind()
		d.cells, d.bound = make([]*binding, len(d.lay.jobs)), n
	}
	return d.e.each(ctx, func(ctx context.Context, w int) error {
		if bind {
			d.bind(w, n)
		}
		gt := d.gt[w][:n*d.tableRow()]
		if tokens {
			clear(gt)
		}
		d.losses[w] = 0
		for _, i := range d.lay.mine[w] {
			job := d.lay.jobs[i]
			d.targets(d.target[job.from*n:job.to*n], d.lay.order[job.from:job.to], images)
			if err := d.runCell(ctx, w, d.cells[i], tokens); err != nil {
				return err
			}
			d.losses[w] += float64(d.loss[w][0])
			jc := len(job.tokens) * d.C
			for b := 0; tokens && b < n; b++ {
				d.scatterTokens(gt[b*d.tableRow():(b+1)*d.tableRow()], d.gz[w][b*jc:(b+1)*jc], job.tokens)
			}
			from, to := job.at, job.at+job.len()*len(job.tokens)
			axpy(d.alpha, d.ga[from:to], d.sumGA[from:to])
			done(job)
		}
		return nil
	})
}

// runCell is a chunk's Run, with or without the gradient of the tokens, its last output.
func (d *descent) runCell(ctx context.Context, w int, b *binding, tokens bool) error {
	if tokens {
		return d.cell.run(ctx, w, b)
	}
	return d.light.run(ctx, w, &binding{in: b.in, out: b.out[:len(b.out)-1], err: b.err})
}

// scatterTokens adds one image's g_Z [J, C] to the rows of the table that it came from, neighbouring ones
// at once. What lies outside the grid is passed over.
func (d *descent) scatterTokens(gt, gz []float32, rows []int64) {
	outside := int64(d.tokens() * d.L)
	for from := 0; from < len(rows); {
		to := from + 1
		for to < len(rows) && rows[to] == rows[to-1]+1 {
			to++
		}
		if at := int(rows[from]) * d.C; rows[from] < outside {
			axpy(1, gz[from*d.C:to*d.C], gt[at:at+(to-from)*d.C])
		}
		from = to
	}
}

// bottleneckPass is (12), each worker on a part of the images.
func (d *descent) bottleneckPass(ctx context.Context, b *batch) error {
	return d.e.each(ctx, func(ctx context.Context, w int) error {
		from, to := d.e.share(len(b.images), w)
		if from == to {
			clear(d.gk[w])
			return nil
		}
		part := d.gt[0][from*d.tableRow() : to*d.tableRow()]
		for _, gt := range d.gt[1:] {
			axpy(1, gt[from*d.tableRow():to*d.tableRow()], part)
		}
		var in binding
		defer in.close()
		in.f32(part, to-from, d.tokens()+1, d.L, d.C)
		d.bindTokens(&in, b, from, to, false)
		for i, shape := range d.bottleneck.shape {
			in.gives(d.bottleneck.part(d.gk[w], i), shape...)
		}
		return d.back.run(ctx, w, &in)
	})
}

// sumBottlenecks leaves the sum of the workers' gradients in gk[0].
func (d *descent) sumBottlenecks(ctx context.Context) error {
	return d.e.each(ctx, func(_ context.Context, w int) error {
		from, to := d.e.share(d.bottleneck.size(), w)
		for _, g := range d.gk[1:] {
			axpy(1, g[from:to], d.gk[0][from:to])
		}
		return nil
	})
}

// selectorPass is (13), (14) and the networks' gradient, from the mean of the gradients since the last time.
func (d *descent) selectorPass(ctx context.Context, reg float64) error {
	h := d.sel.heads()
	mean := 1 / float32(d.set.SelectorsEvery)
	err := d.e.each(ctx, func(_ context.Context, w int) error {
		all := make([]float32, d.sel.terms())
		for _, i := range d.lay.mine[w] {
			job := &d.lay.jobs[i]
			j := len(job.tokens)
			for k, v := range d.lay.order[job.from:job.to] {
				spread(all, d.sumGA[job.at+k*j:job.at+(k+1)*j], job.layers, d.L)
				for c := range all {
					all[c] *= mean
				}
				d.sel.backward(d.gout[int(v)*h:int(v+1)*h], all, int(v), reg/float64(d.V), job.layers)
			}
		}
		return nil
	})
	if err != nil || d.net == nil {
		return err
	}
	return d.net.backward(ctx, d.code, d.gout, d.gsel)
}

// clipped is the factor that brings the norm of all gradients to at most Clip.
func (d *descent) clipped(selectors bool) float32 {
	s := squares(d.gw) + squares(d.gb) + squares(d.gk[0])
	if selectors {
		s += squares(d.gsel)
	}
	return float32(min(1, d.set.Clip/(math.Sqrt(s)+1e-6)))
}

func (d *descent) applyReadout(w, b adamStep, from, to int) {
	f, t := from*d.C, to*d.C
	w.apply(d.w[f:t], d.gw[f:t], d.wAdam.m[f:t], d.wAdam.v[f:t], d.scale)
	b.apply(d.b[from:to], d.gb[from:to], d.bAdam.m[from:to], d.bAdam.v[from:to], d.scale)
}

func (d *descent) applyShared(ctx context.Context, a *adam, rate float64, theta, g []float32) error {
	step := a.next(rate, d.set.Decay)
	return d.e.each(ctx, func(_ context.Context, w int) error {
		from, to := d.e.share(len(theta), w)
		step.apply(theta[from:to], g[from:to], a.m[from:to], a.v[from:to], d.scale)
		return nil
	})
}
