package report

import (
	"cortexmap/analyze"
	"cortexmap/analyze/draw"
	"cortexmap/internal/cortex"
	"cortexmap/internal/store"
)

// Input is everything the report shows. The caller fills it; the report computes no statistics of its own.
type Input struct {
	Title string // of the page; "": from the first run
	Runs  []Run  // one a mapping, in the order in which they are shown
	// Comparisons come before the runs. Comparing says that they are what the page is about: then the runs' maps are
	// shown in them and in the interactive cortex only.
	Comparisons []Comparison
	Comparing   bool
	Sections    []Section        // what was computed beside the mappings, after them
	Tables      []*analyze.Table // of several mappings together; written beside the runs' own
	Warnings    []store.Warning  // of the run as a whole; those of mappings and analyses are added, repeats dropped
	Provenance  Provenance
	Credits     []Credit   // of the photographs used as stimuli
	Sources     []Source   // licences of the data and networks used
	Citations   []string   // beside the method's, cortexmap's and the surface's own
	Style       draw.Style // of plates, and of the interactive cortex at first
}

// Colours is the style of a name: accessible, which "" stands for too, or paper.
func Colours(name string) draw.Style {
	if name == "paper" {
		return draw.Paper
	}
	return draw.Accessible
}

// Run is one mapping with what was computed from it.
type Run struct {
	Mapping    *store.Mapping
	Results    *analyze.Results
	Hierarchy  analyze.Hierarchy
	Geometry   *cortex.Geometry // nil: units without places, no plates
	Outlines   []draw.Outline   // regions drawn on the plates; nil: those of the mapping's vertices, see Outlines
	Difficulty string           // how hard the simulated subject is, paragraphs with blank lines between; "" for real data
	Sections   []Section        // further analyses of this mapping, after its regions
	Features   *store.Manifest  // of the tokens it was fitted to; nil: not shown
	name       string           // its heading, where others have the same network and subject
}

// Provenance is how the results came about, as it is told at the page's foot. Values are text: they are
// shown, never parsed.
type Provenance struct {
	Command string   // that makes all this again
	Facts   []Fact   // versions, library, device, threads, commit, operating system, …
	Digests []Fact   // of the inputs: name or path, SHA-256
	Stages  []Stage  // what was done, in order
	Modules []string // third-party modules and their versions
	Config  string   // the whole configuration, defaults filled in, as YAML
}

// Fact is a name and its value.
type Fact struct{ Name, Value string }

// Stage is one task of the run.
type Stage struct {
	Name    string  // "extract lite0 over demo photographs"
	Key     string  // of its folder
	State   string  // done, skipped: was there already, …
	Seconds float64 // NaN: unknown
}

// Source is a part of the data or of the software with the licence it came under.
type Source struct {
	What        string // "fsaverage5 surfaces", "lite0.onnx"
	Licence     string // "FreeSurfer Software License"
	Attribution string // whom to name, and what was changed
}

// Time tells the stage's duration.
func (s Stage) Time() string { return seconds(s.Seconds) }
