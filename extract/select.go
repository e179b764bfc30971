package extract

import (
	"path"
	"slices"
	"sort"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

// SelectLayers chooses among candidates as extract.layers says:
//
//	auto (also nothing)   kinds block, transition and conv
//	blocks                kind block alone
//	stages                of auto, the last one before each change of grid, and the last
//	every:K               of auto, every K-th, counted back from the last, which is always taken
//	names and globs       by name or tensor, any kind; * doesn't match a slash
//
// The order stays the network's. grid gives a candidate's token grid and may be nil unless stages is asked
// for. A name that fits nothing is a fault with the nearest names.
func SelectLayers(found []Candidate, want []string, grid func(Candidate) [2]int) ([]Candidate, error) {
	auto := ofKind(found, Block, Transition, Conv)
	if len(want) == 0 {
		want = []string{"auto"}
	}
	if len(want) > 1 {
		return selectNames(found, want)
	}
	k, every := strings.CutPrefix(want[0], "every:")
	switch {
	case want[0] == "auto":
		return nonEmpty(auto, found, "auto")
	case want[0] == "blocks":
		return nonEmpty(ofKind(found, Block), found, "blocks")
	case want[0] == "stages":
		return nonEmpty(stages(auto, grid), found, "stages")
	case every:
		n, err := strconv.Atoi(k)
		if err != nil || n < 1 {
			return nil, fault.Inputf("extract.layers: %q: every:K needs a whole number above 0", want[0])
		}
		return nonEmpty(everyNth(auto, n), found, want[0])
	}
	return selectNames(found, want)
}

func ofKind(found []Candidate, kinds ...string) []Candidate {
	var out []Candidate
	for _, c := range found {
		if slices.Contains(kinds, c.Kind) {
			out = append(out, c)
		}
	}
	return out
}

func nonEmpty(chosen, found []Candidate, what string) ([]Candidate, error) {
	if len(chosen) > 0 {
		return chosen, nil
	}
	return nil, fault.Inputf("extract.layers: %s chooses no layer; found were %s", what, names(found)).
		Remedy("name layers in extract.layers")
}

func stages(auto []Candidate, grid func(Candidate) [2]int) []Candidate {
	var out []Candidate
	for i, c := range auto {
		if i == len(auto)-1 || grid(auto[i+1]) != grid(c) {
			out = append(out, c)
		}
	}
	return out
}

func everyNth(auto []Candidate, n int) []Candidate {
	var out []Candidate
	for i, c := range auto {
		if (len(auto)-1-i)%n == 0 {
			out = append(out, c)
		}
	}
	return out
}

func selectNames(found []Candidate, want []string) ([]Candidate, error) {
	chosen := make([]bool, len(found))
	for _, w := range want {
		hit := false
		for i, c := range found {
			if matches(w, c.Name) || matches(w, c.Tensor) {
				chosen[i], hit = true, true
			}
		}
		if !hit {
			return nil, fault.Inputf("extract.layers: no layer is called %q", w).Remedy("the nearest: %s", strings.Join(nearest(w, found), ", "))
		}
	}
	var out []Candidate
	for i, c := range found {
		if chosen[i] {
			out = append(out, c)
		}
	}
	return out, nil
}

func matches(glob, name string) bool {
	ok, err := path.Match(glob, name)
	return glob == name || err == nil && ok
}

// nearest lists the three names with the fewest edits from w.
func nearest(w string, found []Candidate) []string {
	type near struct {
		name string
		far  int
	}
	var all []near
	for _, c := range found {
		all = append(all, near{c.Name, edits(strings.ToLower(w), strings.ToLower(c.Name))})
	}
	sort.SliceStable(all, func(i, j int) bool { return all[i].far < all[j].far })
	var out []string
	for _, n := range all[:min(3, len(all))] {
		out = append(out, n.name)
	}
	return out
}

// edits is the Levenshtein distance in bytes.
func edits(a, b string) int {
	row := make([]int, len(b)+1)
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j+1]+1, row[j]+1)
		}
	}
	return row[len(b)]
}

func names(found []Candidate) string {
	var all []string
	for _, c := range found {
		all = append(all, c.Name+" ("+c.Kind+")")
	}
	if len(all) > 12 {
		all = append(all[:12], "…")
	}
	return strings.Join(all, ", ")
}
