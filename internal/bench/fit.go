package bench

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"time"

	"cortexmap/analyze"
	"cortexmap/fit"
	"cortexmap/internal/ort"
	"cortexmap/internal/subject"
)

// Fit makes the data of the paper's scale where they are missing, and fits them with the default protocol: a
// table of seconds, and one of what is promised of them. Making the data takes about 40 minutes on 2 cores and
// 14 GB; an interrupted extraction goes on where it stopped.
func Fit(ctx context.Context, o Options, dir, photos string) ([]*analyze.Table, error) {
	rt, err := o.Start(ctx)
	if err != nil {
		return nil, err
	}
	defer rt.Close()
	p := &paperScale{Options: o, dir: dir, rt: rt}
	if err := p.network(ctx); err != nil {
		return nil, err
	}
	if err := p.pictures(ctx, photos); err != nil {
		return nil, err
	}
	f, err := p.extract(ctx)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	if err := p.respond(ctx, f); err != nil {
		return nil, err
	}
	sub, err := subject.Open(ctx, p.path("subject"), subject.Options{Demo: o.Demo})
	if err != nil {
		return nil, err
	}
	defer sub.Close()
	in := fit.Input{Features: f, Subject: sub}
	if in.Train, in.Val, in.Test, err = subject.Splits(sub, subject.SplitOptions{By: "photo", Val: 0.1, Test: 0.1}); err != nil {
		return nil, err
	}
	watch := watchMemory(ctx)
	start := time.Now()
	m, err := fit.Run(ctx, rt, in, fit.Options{Threads: o.Threads, Log: o.Log, Progress: o.Progress})
	wall := time.Since(start).Seconds()
	peak := watch()
	if err != nil {
		return nil, err
	}
	return []*analyze.Table{fitSeconds(m.Info.Seconds, m.Info.Parts, wall), fitLines(m.Info.Scores, wall, peak, m.Info.Waited, in)}, nil
}

func fitSeconds(phases, parts map[string]float64, wall float64) *analyze.Table {
	t := &analyze.Table{Name: "fit_seconds", Title: "A whole fit, by phase",
		Columns: []analyze.Column{{Name: "phase"}, {Name: "seconds"}, {Name: "share", Doc: "of the wall time"}}}
	bySeconds := func(x map[string]float64) []string {
		return slices.SortedFunc(maps.Keys(x), func(a, b string) int {
			if x[a] > x[b] {
				return -1
			}
			return 1
		})
	}
	for _, name := range bySeconds(phases) {
		t.Add(name, phases[name], phases[name]/wall)
	}
	for _, name := range bySeconds(parts) {
		t.Add("of the descent: "+name, parts[name], parts[name]/wall)
	}
	t.Add("all", wall, 1.0)
	return t
}

func fitLines(scores map[string]float64, wall, peak, waited float64, in fit.Input) *analyze.Table {
	t := &analyze.Table{Name: "fit_lines", Title: "A whole fit against what is promised",
		Note: fmt.Sprintf("simulated: protocol sound, %d training, %d validation and %d test images, %d vertices, %d layers",
			len(in.Train), len(in.Val), len(in.Test), in.Subject.Units, len(in.Features.Layers)),
		Columns: []analyze.Column{{Name: "figure"}, {Name: "measured"}, {Name: "line"}, {Name: "reached"}}}
	t.Add("wall seconds", wall, "<= 480", wall <= 480)
	t.Add("peak anonymous memory, GB", peak/1e3, "<= 3", peak <= 3000)
	t.Add("share of the time that reading is waited for", waited, "<= 0.10", waited <= 0.10)
	t.Add("test R2 / ceiling", scores["r2_norm_mean"], "", "")
	return t
}

// watchMemory samples the process's anonymous memory until it is asked for the most, in MB.
func watchMemory(ctx context.Context) func() float64 {
	ctx, stop := context.WithCancel(ctx)
	result := make(chan float64)
	go func() {
		most := 0.0
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		for {
			most = max(most, float64(ort.AnonymousMemory())/(1<<20))
			select {
			case <-ctx.Done():
				result <- most
				return
			case <-tick.C:
			}
		}
	}()
	return func() float64 { stop(); return <-result }
}
