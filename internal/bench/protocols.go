package bench

import (
	"context"
	"fmt"
	"math"
	"time"

	"cortexmap/analyze"
	"cortexmap/fit"
	"cortexmap/internal/store"
)

// Race is what Protocols compares: the subjects of each network, and how long the published protocol runs.
type Race struct {
	Planted
	Networks []string // paths; "" is the embedded one
	Epochs   float64  // of protocol paper; 10 are the published ones
}

// runner is one protocol's fit of one subject.
type runner struct {
	name     string
	settings fit.Settings
	before   int // training images that the initialisation looks at
}

// lap is where a runner stood.
type lap struct {
	images  int
	seconds float64
	r2      float64
}

// Protocols runs sound against paper on the same planted subjects. The first table is the learning curves, test
// R² against training images seen and against seconds; the second how each ended, and when sound passed the
// level on which paper ended. Curves are taken on the test images, which neither protocol looks at otherwise;
// the seconds include taking them. The published protocol ends without a last readout (19); it is given one as
// well, as a third row, to tell what that alone is worth.
func Protocols(ctx context.Context, o Options, race Race) ([]*analyze.Table, error) {
	curves := &analyze.Table{Name: "protocol_curves", Title: "Test R² against images seen", Columns: []analyze.Column{
		{Name: "network"}, {Name: "seed"}, {Name: "protocol"}, {Name: "images"}, {Name: "seconds"}, {Name: "r2"}, {Name: "r2_over_ceiling"}}}
	ends := &analyze.Table{Name: "protocols", Title: "Protocols on planted subjects", Columns: []analyze.Column{
		{Name: "network"}, {Name: "seed"}, {Name: "protocol"}, {Name: "images"}, {Name: "seconds"}, {Name: "r2"}, {Name: "r2_over_ceiling"},
		{Name: "layer_expected_mae"}, {Name: "depth_mae"}, {Name: "space_error_median"}, {Name: "local_share_mae"},
		{Name: "passes_paper_after_images"}, {Name: "passes_paper_after_seconds"}}}
	for _, path := range race.Networks {
		p := race.Planted
		p.Network = path
		if err := raceOn(ctx, o, p, race.Epochs, curves, ends); err != nil {
			return nil, err
		}
	}
	ends.Note = fmt.Sprintf("simulated: %d vertices, paper for %g epochs; images counts those of sound's initialisation, and every image as often as it is shown", race.Vertices, race.Epochs)
	return []*analyze.Table{curves, ends}, nil
}

func raceOn(ctx context.Context, o Options, p Planted, epochs float64, curves, ends *analyze.Table) error {
	s, err := o.stage(ctx, p)
	if err != nil {
		return err
	}
	defer s.close()
	for _, seed := range p.Seeds {
		in, err := s.input(seed)
		if err != nil {
			return err
		}
		in.Val = in.Test // only to watch: what is chosen on validation images is chosen by neither protocol here
		var runs [2]*finished
		for i, r := range runners(len(in.Train), epochs, len(in.Test)) {
			if runs[i], err = s.finish(ctx, in, r, seed); err != nil {
				return err
			}
			for _, l := range runs[i].laps {
				curves.Add(s.name, seed, r.name, l.images, l.seconds, l.r2, l.r2/runs[i].ceiling)
			}
		}
		s.end(ends, seed, runs[0], runs[1])
	}
	return nil
}

// runners are sound as it comes, and paper with the last readout that tells what is left in its picks.
func runners(train int, epochs float64, test int) [2]runner {
	sound, _ := fit.Defaults("sound") // the two names are known
	paper, _ := fit.Defaults("paper")
	sound.CurvePoints, paper.CurvePoints = 8, 20
	sound.CurveImages, paper.CurveImages = test, test
	paper.Epochs, paper.LastReadout, paper.EvidenceVertices = epochs, true, sound.EvidenceVertices
	return [2]runner{{"sound", sound, min(train, sound.InitImages)}, {"paper", paper, 0}}
}

// finished is a runner at its end.
type finished struct {
	runner
	laps    []lap
	mapping *store.Mapping
	ceiling float64
	seconds float64
}

func (s *stage) finish(ctx context.Context, in fit.Input, r runner, seed int) (*finished, error) {
	f := &finished{runner: r}
	start := time.Now()
	var err error
	f.mapping, err = fit.Run(ctx, s.rt, in, fit.Options{Settings: &r.settings, Seed: seed, Threads: s.Threads, Log: s.Log,
		Watch: func(p store.CurvePoint) {
			f.laps = append(f.laps, lap{r.before + p.Images, time.Since(start).Seconds(), p.R2Val})
			s.Log.Info("protocols", "network", s.name, "seed", seed, "protocol", r.name, "images", r.before+p.Images, "r2", p.R2Val)
		},
		Progress: func(phase string, done, total int) {
			s.Progress(fmt.Sprintf("%s, seed %d, %s: %s", s.name, seed, r.name, phase), done, total)
		}})
	if err != nil {
		return nil, err
	}
	f.seconds = time.Since(start).Seconds()
	f.mapping.Truth, f.mapping.Info.Generator = s.answers[seed].truth, s.name
	f.ceiling = f.mapping.Info.Scores["ceiling_mean"]
	f.laps = append(f.laps, lap{f.laps[len(f.laps)-1].images + len(in.Train), f.seconds, f.mapping.Info.Scores["r2_mean"]})
	return f, nil
}

// end writes how one seed's race ended. What paper is held to is its published end, before the readout.
func (s *stage) end(t *analyze.Table, seed int, sound, paper *finished) {
	published := paper.laps[len(paper.laps)-2]
	images, seconds := math.NaN(), math.NaN()
	for _, l := range sound.laps {
		if l.r2 >= published.r2 {
			images, seconds = float64(l.images), l.seconds
			break
		}
	}
	nan := math.NaN()
	r := analyze.Recover(sound.mapping)
	last := sound.laps[len(sound.laps)-1]
	t.Add(s.name, seed, "sound", last.images, last.seconds, last.r2, last.r2/sound.ceiling,
		r.LayerExpectedMAE, r.DepthMAE, r.SpaceErrorMedian, r.LocalShareMAE, images, seconds)
	r = analyze.Recover(paper.mapping)
	t.Add(s.name, seed, "paper", published.images, published.seconds, published.r2, published.r2/paper.ceiling,
		r.LayerExpectedMAE, nan, r.SpaceErrorMedian, nan, nan, nan)
	last = paper.laps[len(paper.laps)-1]
	t.Add(s.name, seed, "paper + last readout", last.images, last.seconds, last.r2, last.r2/paper.ceiling,
		r.LayerExpectedMAE, r.DepthMAE, r.SpaceErrorMedian, r.LocalShareMAE, nan, nan)
}
