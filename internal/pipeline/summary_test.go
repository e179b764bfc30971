package pipeline

import (
	"math"
	"slices"
	"strings"
	"testing"

	"cortexmap/analyze"
	"cortexmap/analyze/report"
	"cortexmap/internal/store"
)

// TestNumber: three decimals, no minus before nothing, and nothing where there is no number.
func TestNumber(t *testing.T) {
	for x, want := range map[float64]string{0.12349: "0.123", -1e-14: "0.000", -0.0006: "-0.001", 2: "2.000"} {
		if got := number(x); got != want {
			t.Errorf("%v is %q, want %q", x, got, want)
		}
	}
	if got := number(math.NaN()); got != "" {
		t.Errorf("NaN is %q", got)
	}
}

// TestSummary: mappings that differ in what a sweep set, in an ablation or in their seed are told apart in the table that is
// printed at the end, and in its notes; one alone has no word too many.
func TestSummary(t *testing.T) {
	run := func(seed int, ablation, swept string) report.Run {
		return report.Run{Mapping: &store.Mapping{Info: store.FitInfo{Model: "net", Subject: "brain", Method: "factortopy", Ablation: ablation, Seed: seed, Swept: swept}},
			Results: &analyze.Results{Recovery: &analyze.Recovery{}}}
	}
	for _, c := range []struct {
		runs  []report.Run
		head  string // from the third column on
		notes []string
	}{
		{[]report.Run{run(0, "none", "")}, "method units", []string{"recovery of"}},
		{[]report.Run{run(0, "none", ""), run(1, "centre", "")}, "method seed units", []string{"net onto brain, factortopy, seed 0: recovery of", "net onto brain, factortopy, centre, seed 1: recovery of"}},
		{[]report.Run{run(0, "none", "fit.images=250"), run(0, "none", "fit.images=0")}, "method settings units",
			[]string{"net onto brain, factortopy, seed 0, fit.images=250: recovery of", "net onto brain, factortopy, seed 0, fit.images=0: recovery of"}},
		{[]report.Run{run(0, "none", "a=1"), run(1, "none", "a=1")}, "method settings seed units", []string{"net onto brain, factortopy, seed 0, a=1: ", "net onto brain, factortopy, seed 1, a=1: "}},
	} {
		rows, notes := summarise(c.runs)
		if got := strings.Join(rows[0], " "); !strings.Contains(got, c.head) {
			t.Errorf("columns %q, want %q", got, c.head)
		}
		for i, row := range rows {
			if len(row) != len(rows[0]) || i > 1 && slices.Equal(row, rows[i-1]) {
				t.Errorf("row %d of %q", i, rows)
			}
		}
		notes = slices.DeleteFunc(notes, func(n string) bool { return !strings.Contains(n, "recovery of") })
		for i, want := range c.notes {
			if len(notes) != len(c.notes) || !strings.HasPrefix(notes[i], want) {
				t.Errorf("notes %q, want %q", notes, c.notes)
			}
		}
	}
}
