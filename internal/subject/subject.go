// Package subject is a brain as the fit sees it: responses to pictures, where the units lie, and what is
// known about them.
package subject

import (
	"context"
	"io/fs"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stimuli"
)

// Subject is everything that is known about one brain (or one simulated brain). V is Units, N is the
// number of distinct pictures.
type Subject struct {
	Name, Kind           string // Kind: simulated, plain
	Simulated            bool   // everything made from it says so
	Licence, Attribution string
	StimulusDegrees      float64 // width of the picture in degrees of visual angle; NaN: unknown

	Images    *stimuli.Set // [N] distinct pictures (or windows), in order of their first appearance
	Responses []float32    // [N, V] row-major, repeats averaged; NaN: no data. Read-only: may be a file's pages. nil before synth made them
	Units     int          // V
	Repeats   []int        // [N] how many rows were averaged

	Hemi      []string     // [V] lh, rh, or "" where unknown
	Vertex    []int32      // [V] 0-based on its surface; the unit's own number where there is none
	Positions [][3]float32 // [V] mm, the right sphere shifted; nil: no topology
	Surface   string       // the geometry's name (fsaverage5, …); "" without one

	ROIs      [][]string // [V] sorted FAMILY/NAME (NAME alone where a region has no family)
	Ceiling   []float32  // [V] explainable fraction of the variance, 0..1; NaN: unknown
	Hierarchy []Level    // ordered; nil: no slope

	Split  []string            // [N] "", train, val, test
	Photo  []string            // [N] the photograph a window was cut from; never empty
	Groups map[string][]string // [N] further columns of the list of images, for split.by

	Digest   [32]byte // of all inputs: the folder's description, the pictures' digests, the files read
	Warnings []Warning

	close []func() error
}

// Level is one step of a hierarchy: an ROI, or several whose means are averaged without weights.
type Level struct {
	Name string
	ROIs []string
}

// Warning is something a reader of the results must know; ids are stable words in kebab-case.
type Warning struct{ ID, Text string }

// Options of Open.
type Options struct {
	CeilingFile string // instead of the folder's own; kind fraction
}

// Open reads a plain subject folder (contract.md section 7).
func Open(ctx context.Context, path string, o Options) (*Subject, error) {
	panic("subject: Open is being written")
}

// Close releases mapped files; Responses must not be used afterwards.
func (s *Subject) Close() error { panic("subject: being written") }

// SimOptions describe the skeleton of the demo subject.
type SimOptions struct {
	Seed        uint64
	MaxVertices int // take an evenly spread part of the 2,790 vertices; 0: all
	PerPhoto    int // windows a photograph
	Photos      int // the first so many photographs; 0: all
}

// Simulated is the skeleton of the embedded simulated subject: places, regions, pictures, no responses.
func Simulated(fsys fs.FS, o SimOptions) (*Subject, *cortex.Geometry, error) {
	panic("subject: Simulated is being written")
}

// SplitOptions are fit.split of the configuration.
type SplitOptions struct {
	By        string  // image | photo | COLUMN | given
	Val, Test float64 // fractions of the groups' images
	Seed      uint64
}

// Splits divides the pictures into training, validation and test indices, each ascending.
func Splits(s *Subject, o SplitOptions) (train, val, test []int, err error) {
	panic("subject: Splits is being written")
}
