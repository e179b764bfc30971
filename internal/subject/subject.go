// Package subject is a brain as the fit sees it: responses to pictures, where the units lie, and what is
// known about them.
//
// # Where a subject comes from
//
// Open reads a plain subject folder: subject.yaml, which names pictures, responses and, where there are
// any, places, regions, ceilings and an order of regions. The form is that of contract.md section 7, with
// these readings of it:
//
//	images      a folder or a zip, with or without a list; without one every picture once, in byte order
//	responses   .npy; a row (or column) of the file is a row of the list. NaN is no data; infinities are refused
//	zscore      the name of a column of the list: within each of its values every unit gets mean 0 and
//	            standard deviation 1 (over n, not n - 1); a unit that is constant there gets 0
//	repeats     rows that show the same picture (or the same window of it, by content) are averaged, NaN left out
//	ceiling     from a file, from single trials, or from the repeats; else unknown
//	positions   vertices of a surface (on fsaverage5, 6 and 7 the embedded sphere), points of a CSV, or none
//	retinotopy  .npy files of eccentricity and polar angle, a number a unit, for comparison only
//	rdms        in the place of responses: representational dissimilarities of regions, [pictures, pictures], with
//	            people, or people and sessions, in front; sessions are averaged; nothing is fitted to them
//	rois        .annot, .label, .label.gii, .npy, .csv, or a name that every unit gets
//
// Every path is inside the folder: os.Root opens them, so links that lead out are refused too. What
// doesn't fit (a count, a file's length, a hemisphere) is a fault with both numbers and the file's name;
// nothing is cut or filled up.
//
// Open also reads a subject of the Algonauts 2023 challenge as downloaded (type challenge has its layout): a
// folder without subject.yaml that holds training_split or roi_masks. Its units lie on fsaverage's 163,842
// vertices a hemisphere, on the embedded sphere refined by fsaverage's own rule (cortex.Geometry.Fine). Test
// pictures belong to the subject where their responses are there.
//
// Simulated lays out the embedded subject: true places, regions and pictures, and no responses, which
// package synth makes.
//
// # Memory
//
// A float32 file in C order with a row an image, without repeats or z-scoring, isn't copied: Responses are
// the file's pages. All other forms are read a block of units at a time into one array of 4 V N bytes; the
// challenge's hemispheres, a row at a time.
//
// # Identity
//
// Digest is the SHA-256 of what the fit can see: pictures' digests, responses, places, regions, ceilings,
// splits. Names, licences and paths are not in it, nor how a file was laid out: the same numbers as .npy in
// Fortran order give the same digest.
package subject

import (
	"errors"

	"cortexmap/internal/cortex"
	"cortexmap/internal/stats"
	"cortexmap/internal/stimuli"
)

// Subject is everything that is known about one brain (or one simulated brain). V is Units, N is the
// number of distinct pictures.
type Subject struct {
	Name, Kind           string // Kind: simulated (the embedded one), plain, algonauts
	Simulated            bool   // everything made from it says so
	Licence, Attribution string
	StimulusDegrees      float64 // width of the picture in degrees of visual angle; NaN: unknown

	Images    *stimuli.Set // [N] distinct pictures (or windows), in order of their first appearance
	Responses []float32    // [N, V] row-major, repeats averaged; NaN: no data. Read-only: may be a file's pages. nil before synth made them
	Units     int          // V
	Trials    []int        // [N] how many trials an image's response is the mean of; nil: unknown

	Hemi      []string         // [V] lh, rh, or "" where unknown
	Vertex    []int32          // [V] 0-based on its surface; the unit's own number where there is none
	Positions [][3]float32     // [V] mm, the right sphere shifted; nil: no topology
	Surface   string           // the geometry's name (fsaverage5, …); "" without one
	Geometry  *cortex.Geometry // what Surface names; nil without one

	ROIs      [][]string // [V] sorted FAMILY/NAME (NAME alone where a region has no family)
	Regions   []Region   // every one that was named, in the order of their families; also those without units
	Ceiling   []float32  // [V] explainable fraction of the variance, 0..1, of the mean over Trials; NaN: unknown
	NCSNR     []float32  // [V] signal's over noise's standard deviation of single trials; nil: unknown
	Hierarchy []Level    // ordered, its ROIs as in ROIs; nil: no slope

	Retinotopy *Retinotopy // known from elsewhere; nil: unknown. The fit doesn't see it

	RDMs []RDMs // of regions, in the place of responses; nil for others

	Split  []string            // [N] "", train, val, test
	Photo  []string            // [N] the photograph a window was cut from; never empty
	Groups map[string][]string // [N] further columns of the list of images, of a picture's first row

	Digest   [32]byte // of all inputs: see the package comment
	Warnings []Warning

	rows  []row // every row of the list, repeats included, for Splits
	close []func() error
}

// row is one row of the list of images.
type row struct {
	image       int // place in Images
	file, photo string
	columns     map[string]string
}

// Level is one step of a hierarchy: an ROI, or several whose means are averaged without weights.
type Level struct {
	Name string
	ROIs []string
}

// Warning is something a reader of the results must know; ids are stable words in kebab-case.
type Warning struct{ ID, Text string }

func (s *Subject) warn(id, text string) { s.Warnings = append(s.Warnings, Warning{id, text}) }

// Close releases files. Responses and the pictures must not be used afterwards.
func (s *Subject) Close() error {
	var all []error
	for i := len(s.close) - 1; i >= 0; i-- {
		all = append(all, s.close[i]())
	}
	s.close, s.Responses = nil, nil
	return errors.Join(all...)
}

// CeilingOf is the noise ceiling [V] for the images given (indices into Images): NCSNR with these images'
// numbers of trials, where both are known, else Ceiling. Scores on test images are compared with theirs.
func (s *Subject) CeilingOf(images []int) []float32 {
	if s.NCSNR == nil || s.Trials == nil || len(images) == 0 {
		return s.Ceiling
	}
	trials := make([]int, len(images))
	for i, n := range images {
		trials[i] = s.Trials[n]
	}
	q := stats.MeanInverse(trials)
	out := make([]float32, len(s.NCSNR))
	for v, x := range s.NCSNR {
		out[v] = float32(stats.Ceiling(float64(x), q))
	}
	return out
}
