package fit

import (
	"context"
	"math"
	"runtime/debug"
	"time"

	"cortexmap/internal/ort"
	"cortexmap/internal/store"
)

// Run fits a subject's responses by a network's features and returns the mapping, complete but for the
// names and keys that only the caller knows (Info.Model, Network, Key, Simulated's generator, …).
//
// Units without training responses, without variance in them, or without a place are not fitted and change
// nothing for the others. Where a subject has no places at all (Positions is nil), or with
// Settings.Ablation no_topology, every unit picks for itself (24), and the method is factortopy_free. An image of the split that
// the store lacks, a store without a square fit grid, and a fit that diverges are faults. A cancelled
// context ends it within a second or two; what is left is Options.Checkpoint's file.
func Run(ctx context.Context, rt *ort.Runtime, in Input, o Options) (*store.Mapping, error) {
	m, err := run(ctx, rt, in, o)
	if err != nil || !o.Control {
		return m, err
	}
	o.shuffled, o.Checkpoint, o.Log, o.Watch = true, "", nil, nil // what it has to say was said
	if tell := o.Progress; tell != nil {
		o.Progress = func(phase string, done, total int) { tell("control: "+phase, done, total) }
	}
	start := time.Now()
	control, err := run(ctx, rt, in, o)
	if err != nil {
		return nil, err
	}
	m.Info.Seconds["control"] = time.Since(start).Seconds()
	if r, ok := control.Info.Scores["r_median"]; ok {
		m.Info.Scores["r_shuffled_median"] = r
	}
	return m, nil
}

func run(ctx context.Context, rt *ort.Runtime, in Input, o Options) (*store.Mapping, error) {
	p, err := newProblem(rt, in, o)
	if err != nil {
		return nil, err
	}
	defer p.e.close()
	p.C = p.channels()
	m, err := newModel(p)
	if err != nil {
		return nil, err
	}
	ev, err := newEvaluator(m)
	if err != nil {
		return nil, err
	}
	p.keeper = newKeeper(p, o)
	at, d, err := m.resume()
	if err != nil {
		return nil, err
	}
	if p.set.sound() && at.Stage < initialised {
		if err := m.initialise(ctx, at.Stage); err != nil {
			return nil, err
		}
	}
	curve, err := m.descend(ctx, ev, at, d)
	if err != nil {
		return nil, err
	}
	return m.finish(ctx, ev, curve)
}

// resume takes up the checkpoint, if there is one; the descent is made if it was under way.
func (m *model) resume() (at progress, d *descent, err error) {
	at, err = m.keeper.read(func(s stage) ([][]float32, error) {
		if s != descending {
			return m.arrays(), nil
		}
		if d, err = newDescent(m); err != nil {
			return nil, err
		}
		return d.arrays(), nil
	})
	if err != nil || at.Stage != descending {
		return at, nil, err
	}
	d.resume(at.Descent)
	return at, d, nil
}

// initialise is (16) to (20): everything that needs no descent.
func (m *model) initialise(ctx context.Context, from stage) error {
	images := sample(m.Train, m.set.InitImages, m.seed, streamInit)
	var ranks []int
	var s *scoreMap
	var p *packed
	var pr *prior
	steps := []struct {
		name string
		do   func() error
	}{
		{"statistics", func() (err error) { ranks, err = m.whiten(ctx, images); return err }},
		{"score map", func() (err error) { s, err = m.scores(ctx, images, ranks); return err }},
		{"selectors", func() error { return m.fitTargets(ctx, s) }},
		{"alignment", func() error {
			if err := m.align(ctx, s); err != nil {
				return err
			}
			m.keep(aligned, nil)
			return nil
		}},
		{"channels", func() (err error) {
			s = nil
			if err = m.look(ctx); err != nil {
				return err
			}
			p, err = m.pack(ctx, images)
			return err
		}},
		{"prior", func() (err error) { pr, err = m.learnPrior(ctx, p, nil); return err }},
		{"scale", func() error {
			if m.sel.held.holdsScale() || m.sel.joint != nil {
				return nil
			}
			vertices, ev, err := m.evidence(ctx, p, pr)
			if err != nil {
				return err
			}
			if err := m.fitScale(ctx, vertices, ev); err != nil {
				return err
			}
			return m.look(ctx)
		}},
		{"prior", func() (err error) { pr, err = m.learnPrior(ctx, p, pr); return err }},
		{"readout", func() error { return m.readOut(ctx, p, pr, "readout") }},
	}
	if from == aligned {
		steps = steps[4:]
	}
	for _, s := range steps {
		if err := m.report.phase(ctx, s.name, s.do); err != nil {
			return err
		}
	}
	m.keep(initialised, nil)
	return nil
}

// descend is (21) with its learning curve, and the last readout, from where the fit stands. d is the descent
// if some of its steps are done.
func (m *model) descend(ctx context.Context, ev *evaluator, at progress, d *descent) ([]store.CurvePoint, error) {
	watched := sample(m.Val, m.set.CurveImages, m.seed, streamCurve)
	watch := func(ctx context.Context) (float64, error) {
		if len(watched) < 2 {
			return math.NaN(), nil
		}
		e, err := ev.run(ctx, watched, false)
		if err != nil {
			return 0, err
		}
		return e.meanR2(), nil
	}
	if err := m.look(ctx); err != nil {
		return nil, err
	}
	curve := at.Curve
	point := func(images int, loss float64) error {
		r2, err := watch(ctx)
		if err == nil {
			point := store.CurvePoint{Images: images, Loss: loss, R2Val: r2}
			curve = append(curve, point)
			m.report.watch(point)
			m.report.log.Debug("fit", "images", images, "loss", loss, "r2_val", r2)
		}
		return err
	}
	if at.Stage < descending {
		if err := point(0, math.NaN()); err != nil {
			return nil, err
		}
	}
	steps, shown := m.set.steps(len(m.Train))
	if steps > 0 && at.Stage < descended {
		var err error
		if d == nil {
			if d, err = newDescent(m); err != nil {
				return nil, err
			}
		}
		var more []store.CurvePoint
		err = m.report.phase(ctx, "descent", func() error {
			more, err = d.run(ctx, watch, at.Descent, curve)
			return err
		})
		if err != nil {
			return nil, err
		}
		curve = append(curve, more[:len(more)-1]...)
		if err := point(shown, more[len(more)-1].Loss); err != nil {
			return nil, err
		}
		m.keep(descended, curve)
	}
	if !m.set.LastReadout || at.Stage == fitted {
		return curve, nil
	}
	if err := m.report.phase(ctx, "last readout", func() error { return m.lastReadout(ctx) }); err != nil {
		return nil, err
	}
	m.keep(fitted, curve)
	return curve, nil
}

func (m *model) lastReadout(ctx context.Context) error {
	debug.FreeOSMemory() // the channels of the initialisation, half a gigabyte, go before three times as many are made
	p, err := m.pack(ctx, sample(m.Train, len(m.Train), m.seed, streamInit))
	if err != nil {
		return err
	}
	pr, err := m.learnPrior(ctx, p, nil)
	if err != nil {
		return err
	}
	return m.readOut(ctx, p, pr, "last readout")
}

// finish scores the fit and puts everything into a mapping.
func (m *model) finish(ctx context.Context, ev *evaluator, curve []store.CurvePoint) (*store.Mapping, error) {
	var val, test *evaluation
	err := m.report.phase(ctx, "scores", func() (err error) {
		if val, err = ev.run(ctx, m.Val, false); err != nil {
			return err
		}
		test, err = ev.run(ctx, m.Test, true)
		return err
	})
	if err != nil {
		return nil, err
	}
	out := m.mapping(val, test)
	out.Info.Curve = curve
	m.unscale()
	out.Weights = m.weights()
	return out, nil
}
