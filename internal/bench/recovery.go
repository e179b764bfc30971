package bench

import (
	"context"
	"fmt"
	"math"

	"cortexmap/analyze"
	"cortexmap/fit"
	"cortexmap/internal/stats"
)

// line is what a figure of planted recovery is held against.
type line struct {
	column  string
	bound   float64
	atLeast bool
}

// recoveryLines are the design's acceptance figures for 9,000 windows, 2,000 vertices and a ceiling of 0.40.
var recoveryLines = []line{
	{"r2_over_ceiling_mean", 0.88, true}, {"layer_expected_mae", 0.5, false}, {"depth_mae", 0.4 / 15, false}, // 0.4 of 16 layers
	{"space_error_median", 0.03, false}, {"local_share_mae", 0.09, false},
}

// Recovery fits the default protocol to planted subjects and marks what it finds: a row a seed, and a table of
// their median against what the project holds itself to.
func Recovery(ctx context.Context, o Options, p Planted) ([]*analyze.Table, error) {
	s, err := o.stage(ctx, p)
	if err != nil {
		return nil, err
	}
	defer s.close()
	var out *analyze.Table
	var found []analyze.Recovery
	for _, seed := range p.Seeds {
		in, err := s.input(seed)
		if err != nil {
			return nil, err
		}
		m, err := fit.Run(ctx, s.rt, in, fit.Options{Seed: seed, Threads: s.Threads, Log: s.Log,
			Progress: func(phase string, done, total int) { s.Progress(fmt.Sprintf("seed %d: %s", seed, phase), done, total) }})
		if err != nil {
			return nil, err
		}
		m.Truth, m.Info.Generator = s.answers[seed].truth, s.name
		r := analyze.Recover(m)
		found = append(found, r)
		out = analyze.Join(out, analyze.RecoveryTable(m, r))
		s.Log.Info("recovery", "seed", seed, "r2_over_ceiling", r.R2OverCeilingMean, "seconds", total(m.Info.Seconds))
	}
	return []*analyze.Table{out, recoverySummary(out, found, s)}, nil
}

func recoverySummary(t *analyze.Table, found []analyze.Recovery, s *stage) *analyze.Table {
	out := &analyze.Table{Name: "recovery_lines", Title: "Recovery against its lines",
		Note: fmt.Sprintf("simulated: %d windows of %d photographs, %d vertices of fsaverage5, median of %d seeds; planting outside the model's own family",
			s.sub.Images.Len(), s.sub.Images.Len()/max(1, s.Windows), s.sub.Units, len(found)),
		Columns: []analyze.Column{{Name: "figure"}, {Name: "median"}, {Name: "least"}, {Name: "most"}, {Name: "line"}, {Name: "reached"}}}
	for _, l := range recoveryLines {
		col := t.Column(l.column)
		var x []float64
		least, most := math.Inf(1), math.Inf(-1)
		for _, row := range t.Rows {
			v := row[col].(float64)
			x, least, most = append(x, v), min(least, v), max(most, v)
		}
		sign, median := "<=", stats.Median(x)
		reached := median <= l.bound
		if l.atLeast {
			sign, reached = ">=", median >= l.bound
		}
		out.Add(l.column, median, least, most, fmt.Sprintf("%s %.2g", sign, l.bound), reached)
	}
	return out
}

func total(seconds map[string]float64) (s float64) {
	for _, x := range seconds {
		s += x
	}
	return s
}
