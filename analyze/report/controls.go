package report

import (
	"fmt"

	"cortexmap/analyze"
)

// ControlSection shows what the controls say about a mapping.
func ControlSection(simulated bool, t *analyze.Table, rows []analyze.Control) Section {
	s := Section{ID: "controls", Title: "Controls", Simulated: simulated, Table: t, Show: []Show{
		{"control", "Control", "", ""}, {"what", "Of what", "", ""}, {"roi", "Region", "", ""}, {"value", "Value", "", ""}, {"control_value", "Control’s", "", ""},
		{"difference", "Difference [95 %]", "lo", "hi"}, {"p", "p", "", ""}, {"q", "q", "", ""}, {"reason", "Remarks", "", ""}},
		Text: []string{"What is left of the numbers when what they claim is taken away."},
	}
	done := map[string]bool{}
	for _, r := range rows {
		switch {
		case r.Control == analyze.Spun:
			done[r.Control] = true
			s.Text = append(s.Text, fmt.Sprintf("Spin: %s correlate with r = %s; turned maps with %s on average, 95 %% of them between %s and %s (p = %s).", r.What, short(r.Value), short(r.Null), short(r.Gain.Lo), short(r.Gain.Hi), short(r.P)))
		case r.What == "r2" && r.ROI == "" && r.Reason == "":
			done[r.Control] = true
			what := map[string]string{analyze.RandomWeights: "the same graph with its weights drawn anew", analyze.Shuffled: "the responses given to other images"}[r.Control]
			s.Text = append(s.Text, fmt.Sprintf("With %s R² is %s instead of %s: a difference of %s.", what, short(r.Null), short(r.Value), interval(r.Gain)))
		case r.What == "vertices_q05" && r.Reason == "":
			s.Text = append(s.Text, fmt.Sprintf("R² of %s %% of the units is above that of the shuffled fit at a false discovery rate of 0.05.", short(100*r.Value)))
		}
	}
	if done[analyze.RandomWeights] {
		s.Methods = append(s.Methods, "The control network has the same graph, every number of each of its weight tensors drawn with replacement from that tensor's own; its tokens were extracted and fitted in the same way.")
	}
	if done[analyze.Shuffled] {
		s.Methods = append(s.Methods, "For the shuffled control responses were given to other images of the same side of the split, and the mapping refitted; a unit's p is (1 + k)/(1 + n) among all units of that fit, corrected after Benjamini and Hochberg.")
	}
	if done[analyze.Spun] {
		s.Methods = append(s.Methods, "Maps were compared with 1,000 uniform rotations of one of them over the sphere, the right hemisphere turned as the left one's mirror image (Alexander-Bloch et al. 2018); p is (1 + k)/(1 + n), two-sided.")
	}
	return s
}
