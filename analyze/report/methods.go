package report

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"cortexmap/analyze"
)

// methods is a paragraph on what was computed, in the words of a methods section; it names only what was.
func methods(r Run) []string {
	info := &r.Mapping.Info
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }

	responses := "recorded responses"
	if info.Simulated {
		responses = "simulated responses"
	}
	add("Tokens of %s of %s were read for every stimulus and related to the %s of %s (%s fitted) of subject “%s”.",
		plural(len(info.Layers), "layer", "layers"), info.Model, responses, plural(len(r.Mapping.Vertices), r.unit(), r.units()), count(r.fitted()), info.Subject)
	if f := r.Features; f != nil && f.Components != nil {
		add("The tokens are %s principal components of each layer at most, fitted on %s training images.", count(f.Components.Number), count(f.Components.Images))
	}
	switch info.Method {
	case "ridge_layers":
		add("Each layer's tokens, centred, predicted the responses by ridge regression with one penalty a layer. The penalty and each unit's best layer were chosen on validation images; a unit's R² and r are those of its best layer.")
	case "ridge_all":
		add("The tokens of all layers, each layer divided by the root mean squared length of its tokens, predicted the responses by one ridge regression; every unit’s penalty was chosen on validation images.")
	case "banded":
		add("The tokens of all layers predicted the responses by banded ridge regression: a ridge regression with a penalty for each layer, found for every unit by random search over mixtures of layers on validation images.")
	case "factortopy_free":
		add("The mapping has the selectors of FactorTopy (Yang, Gee and Shi 2024) without its topology, since the units' places are unknown or left out: for each unit by itself an image point, a mixture of layers and a mixture of local and global tokens are fitted, and a linear readout of %s shared channels gives the response. Protocol “%s”, seed %d.", r.channels(), info.Protocol, info.Seed)
	default:
		add("The mapping is FactorTopy (Yang, Gee and Shi 2024): selectors, functions of a vertex's place on the cortical sphere, choose for each vertex an image point, a mixture of layers and a mixture of local and global tokens, and a linear readout of %s shared channels gives the response. Protocol “%s”, seed %d.", r.channels(), info.Protocol, info.Seed)
	}
	if what := ablated(info.Ablation); what != "" {
		add("An ablation: %s.", what)
	}
	add("%s images trained the mapping; choices were made on %s validation images and every score comes from %s test images. Windows and repeats of one photograph never stand on two sides.",
		count(len(info.Split.Train)), count(len(info.Split.Val)), count(len(info.Split.Test)))
	add("R² is 1 − SSE/SST around the mean of the test responses; R² / noise ceiling divides it by the explainable part of their variance and is never clipped; r is Pearson’s correlation.")
	if r.Mapping.Share != nil {
		add("A layer’s share is its part of the prediction’s variance, cov(p_l, Σp)/var(Σp) over test images, negative parts clipped and the rest renormalised; a vertex’s depth is the mean of l/(L−1) under its shares. Local share likewise.")
	}
	if len(r.Results.Alignment) > 0 {
		add("Alignment is the least-squares line of depth on place along the hierarchy “%s” (%s): b0 and b1 are its values at the first and the last level, slope = b1 − b0. This is cortexmap’s definition; the publication’s own is not known to us.", r.Hierarchy.Name, levelNames(r))
	}
	if slices.ContainsFunc(r.Results.Alignment, func(a analyze.Alignment) bool { return !math.IsNaN(a.Slope.Lo) }) {
		add("Intervals are 95 %% and spatial: they follow from a covariance over the distance along the cortex that is fitted to the residuals within each hemisphere. They concern this one subject and this one fit, not people and not other seeds.")
	}
	if c := r.Results.Clusters; c != nil && len(c.Size) > 0 {
		add("Channel clusters follow the publication: %s are grouped by the cosine of their profiles of readout similarity (k-means with %d centroids from fixed first rows), the centroids by Ward’s tree of their cosines, cut at %d groups.", r.units(), c.K, len(c.Size))
	}
	return out
}

// ablated says what an ablation takes away from the model; "" for what the method says already.
func ablated(word string) string {
	switch word {
	case "", "none", "no_topology":
		return ""
	case "no_factorisation":
		return "every unit has one joint distribution over the tokens of all layers, of which layer, place and scale are the marginals"
	case "centre":
		return "every unit looks at the centre of the image"
	case "local":
		return "no global tokens are read"
	case "global":
		return "global tokens alone are read"
	}
	return "every unit reads one layer alone, number " + strings.TrimPrefix(word, "layer:") + " from 0"
}

func levelNames(r Run) string {
	var names []string
	for _, l := range r.Hierarchy.Levels {
		names = append(names, l.Name)
	}
	return strings.Join(names, ", ")
}

// channels is the width of the bottleneck.
func (r Run) channels() string {
	if t := r.Mapping.Tensor("readout.weight"); t != nil && len(t.Shape) == 2 {
		return count(int(t.Shape[1]))
	}
	return "all"
}

// fitted counts the units that were fitted.
func (r Run) fitted() int { return analyze.Summarise(r.Mapping).Fitted }

// unit and units are what the rows of the responses are called.
func (r Run) unit() string {
	if r.Geometry != nil {
		return "vertex"
	}
	return "unit"
}

func (r Run) units() string {
	if r.Geometry != nil {
		return "vertices"
	}
	return "units"
}

// citations are what a text that uses these results should cite.
func citations(in Input) []string {
	var topy, surface bool
	for _, r := range in.Runs {
		topy = topy || strings.HasPrefix(r.Mapping.Info.Method, "factortopy")
		surface = surface || strings.HasPrefix(r.Mapping.Info.Surface, "fsaverage")
	}
	out := []string{"cortexmap: cite as CITATION.cff in its repository says, with the version given under “How this was made”."}
	if topy {
		out = append(out, "Yang H, Gee J, Shi J (2024). Brain Decodes Deep Nets. CVPR 2024; arXiv 2312.01280. (FactorTopy, the mapping method.)")
	}
	if surface {
		out = append(out, "Fischl B, Sereno MI, Tootell RBH, Dale AM (1999). High-resolution intersubject averaging and a coordinate system for the cortical surface. Human Brain Mapping 8, 272–284. (fsaverage.)")
	}
	for _, c := range in.Citations {
		if !slices.Contains(out, c) {
			out = append(out, c)
		}
	}
	return out
}
