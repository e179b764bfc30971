package analyze

import (
	"math"
	"strings"
	"testing"

	"cortexmap/internal/store"
)

// TestBounds: the mean of two subjects' numbers, by hand: spatial half widths 0.3 and 0.4 give √(0.09 + 0.16)/2 = 0.25;
// t over 1 and 2 is 1.5 ± 12.706·√½/√2 = 1.5 ± 6.353.
func TestBounds(t *testing.T) {
	one, two := Interval{Estimate: 1, Lo: 0.7, Hi: 1.3}, Interval{Estimate: 2, Lo: 1.6, Hi: 2.4}
	for _, c := range []struct {
		name   string
		each   []Interval
		bounds Bounds
		kind   string
		want   Interval
	}{
		{"two, auto", []Interval{one, two}, BoundsAuto, "subjects", Interval{Estimate: 1.5, Lo: 1.5 - 6.353, Hi: 1.5 + 6.353}},
		{"two, subjects", []Interval{one, two}, BoundsSubjects, "subjects", Interval{Estimate: 1.5, Lo: 1.5 - 6.353, Hi: 1.5 + 6.353}},
		{"two, spatial", []Interval{one, two}, BoundsSpatial, "spatial", Interval{Estimate: 1.5, Lo: 1.25, Hi: 1.75}},
		{"one of them without a surface, spatial", []Interval{one, bare(2)}, BoundsSpatial, "", bare(1.5)},
		{"one, auto", []Interval{one, bare(nan)}, BoundsAuto, "spatial", one},
		{"one, spatial", []Interval{one}, BoundsSpatial, "spatial", one},
		{"one, subjects", []Interval{one}, BoundsSubjects, "", bare(1)},
	} {
		got := over(c.each, c.bounds)
		near(t, c.name, got.Estimate, c.want.Estimate, 1e-12)
		near(t, c.name+", lo", got.Lo, c.want.Lo, 1e-3) // 12.706 has three decimals
		near(t, c.name+", hi", got.Hi, c.want.Hi, 1e-3)
		if got.Kind != c.kind || (got.Kind == "") != (got.Reason != "") {
			t.Errorf("%s: kind %q, reason %q", c.name, got.Kind, got.Reason)
		}
	}
}

// TestBoundsOfOneSubject: its slope has a spatial interval, but for BoundsSubjects.
func TestBoundsOfOneSubject(t *testing.T) {
	in := onSurface(t, 7)
	for i := range in.Mapping.Vertices {
		v := &in.Mapping.Vertices[i]
		v.Depth = float32(i%5) / 5
	}
	n := len(in.Mapping.Vertices) * len(in.Mapping.Info.Layers)
	in.Mapping.Selector, in.Mapping.Share = make([]float32, n), make([]float32, n)
	for _, b := range []Bounds{BoundsAuto, BoundsSpatial, BoundsSubjects} {
		in.Bounds = b
		slope := find(t, run(t, in).Alignment, "share", "rois").Slope
		if math.IsNaN(slope.Estimate) || math.IsNaN(slope.Lo) != (b == BoundsSubjects) {
			t.Errorf("%s: slope %v", b, slope)
		}
	}
}

// TestShuffledMedian: methods.csv takes the control mapping's median r, else what the fit itself knows.
func TestShuffledMedian(t *testing.T) {
	m := sample(3, 2, nil, "V1")
	control := sample(3, 2, nil, "V1")
	for i := range control.Vertices {
		control.Vertices[i].R = 0.01 * float32(i) // 0, 0.01, 0.02, 0.03
	}
	column := func(in Input) any {
		table := run(t, in).Tables[1]
		return table.Rows[0][table.Column("r_shuffled_median")]
	}
	near(t, "no control", column(Input{Mapping: m}).(float64), nan, 0)
	near(t, "the control's", column(Input{Mapping: m, Shuffled: control}).(float64), 0.015, 1e-8)
	m.Info.Scores = store.Scores{"r_shuffled_median": 0.5}
	near(t, "the fit's own", column(Input{Mapping: m}).(float64), 0.5, 0)
}

// TestLimits: what is said of spatial intervals knows how many subjects there are.
func TestLimits(t *testing.T) {
	one := []Value{{Interval: bare(1), Kind: "spatial"}}
	for _, c := range []struct {
		subjects []string
		want     string
	}{
		{[]string{"s1"}, "One subject: "},
		{[]string{"s1", "s2"}, "the cortices of these subjects"},
	} {
		s := Scaling{Members: []Member{{Subjects: c.subjects, Seeds: 2, Values: one}}}
		if got := strings.Join(s.Limits(), " "); !strings.Contains(got, c.want) || strings.Contains(got, "One subject: ") != (len(c.subjects) == 1) {
			t.Errorf("%v: %s", c.subjects, got)
		}
	}
}

// TestLeastP: no p over subjects is 0, however sure twenty of them are.
func TestLeastP(t *testing.T) {
	var each []Interval
	for i := range 20 {
		each = append(each, bare(1+1e-6*float64(i)))
	}
	if p := pOfDifference(each, over(each, BoundsAuto)); p != leastP {
		t.Errorf("p = %v, want %v", p, leastP)
	}
}
