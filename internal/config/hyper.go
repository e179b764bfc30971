package config

import (
	"slices"

	"cortexmap/internal/strictyaml"
)

// Hyper are the hyper-parameters of a fit, keys below fit. What is not written has the protocol's default (package
// fit, Defaults), and stays nil here.
type Hyper struct {
	Channels         *int     `yaml:"channels" json:"channels,omitempty"`                   // of the bottlenecks
	StatisticsImages *int     `yaml:"statistics_images" json:"statistics_images,omitempty"` // sound: for the whitening of local tokens
	InitImages       *int     `yaml:"init_images" json:"init_images,omitempty"`             // sound: of the initialisation
	InitVertices     *int     `yaml:"init_vertices" json:"init_vertices,omitempty"`         // sound: of the score map
	EvidenceVertices *int     `yaml:"evidence_vertices" json:"evidence_vertices,omitempty"` // sound: of the prior and the scale
	SelectorSteps    *int     `yaml:"selector_steps" json:"selector_steps,omitempty"`       // sound: that fit the selectors to the score map
	SelectorRate     *float64 `yaml:"selector_rate" json:"selector_rate,omitempty"`         // sound: of those steps
	JointImages      *int     `yaml:"joint_images" json:"joint_images,omitempty"`           // shown in the descent, at most; 0: epochs alone counts
	Epochs           *float64 `yaml:"epochs" json:"epochs,omitempty"`                       // of the descent, at most; 0: none
	Batch            *int     `yaml:"batch" json:"batch,omitempty"`
	SelectorsEvery   *int     `yaml:"selectors_every" json:"selectors_every,omitempty"`     // steps
	BottlenecksEvery *int     `yaml:"bottlenecks_every" json:"bottlenecks_every,omitempty"` // steps
	LayerTrace       *float64 `yaml:"layer_trace" json:"layer_trace,omitempty"`             // of a selector that a step may leave out
	RateReadout      *float64 `yaml:"rate_readout" json:"rate_readout,omitempty"`
	RateBias         *float64 `yaml:"rate_bias" json:"rate_bias,omitempty"`
	RateBottleneck   *float64 `yaml:"rate_bottleneck" json:"rate_bottleneck,omitempty"`
	RateSelectors    *float64 `yaml:"rate_selectors" json:"rate_selectors,omitempty"`
	Warmup           *int     `yaml:"warmup" json:"warmup,omitempty"` // steps
	Cosine           *bool    `yaml:"cosine" json:"cosine,omitempty"` // rates fall along a cosine
	WeightDecay      *float64 `yaml:"weight_decay" json:"weight_decay,omitempty"`
	Clip             *float64 `yaml:"clip" json:"clip,omitempty"`                           // of the gradient's norm; 0: none
	SmoothL1         *float64 `yaml:"smooth_l1" json:"smooth_l1,omitempty"`                 // its δ; 0: squared error
	Regulariser      *float64 `yaml:"regulariser" json:"regulariser,omitempty"`             // its weight λ at the first step
	RegulariserSteps *int     `yaml:"regulariser_steps" json:"regulariser_steps,omitempty"` // it is gone after so many
}

// check holds the ranges, and refuses what the protocol doesn't have.
func (h *Hyper) check(doc *strictyaml.Doc, protocol string, between func(key string, value, lo, hi float64) error) []error {
	var errs []error
	number := func(name string, value *float64, lo, hi float64) {
		if value != nil {
			errs = append(errs, between("fit."+name, *value, lo, hi))
		}
	}
	whole := func(name string, value *int, lo float64) {
		if value != nil {
			x := float64(*value)
			number(name, &x, lo, 1<<31)
		}
	}
	whole("channels", h.Channels, 1)
	whole("statistics_images", h.StatisticsImages, 2)
	whole("init_images", h.InitImages, 2)
	whole("init_vertices", h.InitVertices, 1)
	whole("evidence_vertices", h.EvidenceVertices, 1)
	whole("selector_steps", h.SelectorSteps, 1)
	whole("joint_images", h.JointImages, 0)
	whole("batch", h.Batch, 1)
	whole("selectors_every", h.SelectorsEvery, 1)
	whole("bottlenecks_every", h.BottlenecksEvery, 1)
	whole("warmup", h.Warmup, 0)
	whole("regulariser_steps", h.RegulariserSteps, 0)
	number("epochs", h.Epochs, 0, 1e6)
	number("layer_trace", h.LayerTrace, 0, 1)
	for name, rate := range map[string]*float64{"selector_rate": h.SelectorRate, "rate_readout": h.RateReadout, "rate_bias": h.RateBias,
		"rate_bottleneck": h.RateBottleneck, "rate_selectors": h.RateSelectors, "weight_decay": h.WeightDecay} {
		number(name, rate, 0, 1)
	}
	number("clip", h.Clip, 0, 1e9)
	number("smooth_l1", h.SmoothL1, 0, 1e9)
	number("regulariser", h.Regulariser, 0, 1e9)
	soundOnly := []string{"statistics_images", "init_images", "init_vertices", "evidence_vertices", "selector_steps", "selector_rate"}
	for _, name := range soundOnly {
		if protocol != "sound" && doc.Has("fit."+name) {
			errs = append(errs, doc.Fault("fit."+name, "protocol %s has no initialisation that %s could change", protocol, name).
				Remedy("leave it out, or fit with protocol sound"))
		}
	}
	return slices.DeleteFunc(errs, func(err error) bool { return err == nil })
}
