package pipeline

import (
	"testing"

	"cortexmap/internal/config"
	"cortexmap/internal/tasks"
)

// TestEveryTaskHasACost: time, memory and disk are told of every kind of task, controls and baselines included, and
// more work costs more.
func TestEveryTaskHasACost(t *testing.T) {
	d := newDesk(t)
	d.yaml += "  baselines: [ridge_all, ridge_layers, banded]\nextract: {native: all}\nanalyze: {controls: all}\n"
	d.t.Chdir(d.dir)
	cost := func(override ...config.Override) map[string]Estimate {
		t.Helper()
		c, err := config.Load("pipeline.yaml", []byte(d.yaml), override)
		d.check(err)
		s, err := Look(t.Context(), d.plain(c), false)
		d.check(err)
		out := map[string]Estimate{}
		for _, p := range s.Tasks {
			e := p.Estimate
			if e.Seconds <= 0 || e.Memory <= 0 || e.Disk <= 0 {
				t.Errorf("%s %s takes %+v", p.Kind, p.Name, e)
			}
			out[p.Name] = e
		}
		if len(out) != 10 { // tokens, native ones, those of weights drawn anew, four mappings, two controls, results
			t.Errorf("%d tasks: %v", len(out), out)
		}
		return out
	}
	plain := cost()
	if a, b := plain["resnet onto small, sound, seed 0"], plain["control of resnet onto small, sound, seed 0: shuffled"]; a != b {
		t.Errorf("a fit takes %+v, its control %+v", a, b)
	}
	if a, b := plain["resnet over small"], plain["resnet (random weights) over small"]; a != b {
		t.Errorf("a network takes %+v, with weights drawn anew %+v", a, b)
	}
	if all, one := plain["resnet onto small, banded, seed 0"], plain["resnet onto small, ridge_all, seed 0"]; all.Seconds < one.Seconds || all.Memory != one.Memory {
		t.Errorf("banded ridge takes %+v, plain %+v", all, one)
	}
	some := cost(config.Override{Key: "fit.images", Value: "5"})
	name := "resnet onto small, sound, seed 0"
	if a, b := plain[name], some[name]; b.Memory >= a.Memory || b.Seconds > a.Seconds {
		t.Errorf("with all pictures a fit takes %+v, with five %+v", a, b)
	}
}

// TestHalfSamplesCost: a half-sample is estimated as what it is a refit of, with half of the pictures.
func TestHalfSamplesCost(t *testing.T) {
	d := newDesk(t)
	d.yaml += "  ablation: no_factorisation\n  half_samples: 2\n"
	d.t.Chdir(d.dir)
	c, err := config.Load("pipeline.yaml", []byte(d.yaml), nil)
	d.check(err)
	s, err := Look(t.Context(), d.plain(c), false)
	d.check(err)
	const name = "resnet onto small, sound-no_factorisation, seed 0"
	of := map[string]Estimate{}
	for _, p := range s.Tasks {
		of[p.Name] = p.Estimate
	}
	whole, half := of[name], of["half-sample 1 of "+name]
	if half.Disk != whole.Disk || half.Disk == 0 || half.Memory >= whole.Memory || half.Seconds > whole.Seconds {
		t.Errorf("a fit takes %+v, its half-sample %+v", whole, half)
	}
}

// TestEstimatesAreCorrected: finished tasks that took three times as long make those that are estimated alike take
// three times as long, and no others.
func TestEstimatesAreCorrected(t *testing.T) {
	d := newDesk(t)
	d.yaml += "  baselines: [ridge_all]\n"
	o := d.options()
	if _, err := Run(t.Context(), o); err != nil {
		t.Fatal(err)
	}
	o.Config.Fit.Seeds = []int{0, 1}
	r, err := look(t.Context(), o)
	d.check(err)
	defer r.close()
	e := newEstimator(r)
	e.all()
	before := map[*tasks.Task]float64{}
	for _, t := range r.graph.Tasks {
		before[t] = t.Cost.Seconds
	}
	e.rates = map[string]rate{"fit": {measured: 3, estimated: 1}}
	e.all()
	for _, task := range r.graph.Tasks {
		want := 1.0
		if e.alike[task] == "fit" {
			want = 3
		}
		if got := task.Cost.Seconds / before[task]; got != want || task.Cost.Measured != (want == 3) {
			t.Errorf("%s %s: %v times as long, measured %v", task.Kind, task.Name, got, task.Cost.Measured)
		}
	}
	e.measure()
	for _, alike := range []string{"features", "fit", "ridge"} {
		if r := e.rates[alike]; r.measured <= 0 || r.estimated <= 0 {
			t.Errorf("%s: nothing is learnt from what is finished: %+v", alike, r)
		}
	}
}
