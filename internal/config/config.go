// Package config is pipeline.yaml as Go structs: every key with its default, its range and its check.
//
// A file is read strictly (an unknown key, a wrong type or a value out of range ends with its line and
// column), `--set` lays single keys over it, and Defaults fills what neither says. Below this package no
// zero is magic: what a stage gets is what it uses.
package config

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"cortexmap/internal/strictyaml"
)

// Config is one run: networks × subjects × seeds.
type Config struct {
	Out      string    `yaml:"out" json:"out"`           // everything produced goes below this folder
	Device   string    `yaml:"device" json:"device"`     // cpu | cuda | auto
	Threads  int       `yaml:"threads" json:"threads"`   // of each task; 0: the cores this process may use, 8 at most in a sweep
	Memory   float64   `yaml:"memory" json:"memory"`     // GiB that extraction and tasks side by side may use; 0: 70 % of what control group and machine allow
	OrtLib   string    `yaml:"ort_lib" json:"ort_lib"`   // path of ONNX Runtime's library; "": found or fetched
	Models   []Model   `yaml:"models" json:"models"`     // networks to map
	Subjects []Subject `yaml:"subjects" json:"subjects"` // brains to map them onto
	Extract  Extract   `yaml:"extract" json:"extract"`
	Fit      Fit       `yaml:"fit" json:"fit"`
	Analyze  Analyze   `yaml:"analyze" json:"analyze"`
	Sweep    Sweep     `yaml:"sweep" json:"sweep"` // what multiplies the settings
	Slurm    Slurm     `yaml:"slurm" json:"slurm"` // what is asked of a cluster

	settings []Setting
}

// Settings are those of the sweep, or the file's own.
func (c *Config) Settings() []Setting { return c.settings }

// Model is a network: in YAML a path, a glob, demo:NAME, or a mapping with these keys.
type Model struct {
	Path   string `yaml:"path" json:"path"`
	Name   string `yaml:"name" json:"name"`     // default: the file's name without .onnx
	Card   string `yaml:"card" json:"card"`     // preprocessing; default: found beside the file, in its metadata, or a preset
	Family string `yaml:"family" json:"family"` // groups networks in tables
	// Size is what tables call the network's size, such as 86M; default: its parameters, counted.
	Size string `yaml:"size" json:"size"`
	// FinetunedFrom is the name of the network that this one was tuned from: the two are compared, before and after.
	FinetunedFrom string `yaml:"finetuned_from" json:"finetuned_from"`
	At            string `yaml:"-" json:"-"` // where the file names it, for messages
}

// Subject is a brain: in YAML a path, demo:simulated, or a mapping with these keys.
type Subject struct {
	Path     string `yaml:"path" json:"path"`
	Subject  string `yaml:"subject" json:"subject,omitempty"`   // which one of an NSD tree: subj01
	Sessions Word   `yaml:"sessions" json:"sessions,omitempty"` // of an NSD tree: all | challenge | how many of the first
	Mask     string `yaml:"mask" json:"mask,omitempty"`         // lh.*, rh.*: only these vertices; "": all that the data set has
	Ceiling  string `yaml:"ceiling" json:"ceiling,omitempty"`   // lh.*, rh.*: noise ceilings or ncsnr, where the data set has none
	ROIs     string `yaml:"rois" json:"rois,omitempty"`         // regions of tables and outlines: a name or a .yaml file; "": the subject's own
	At       string `yaml:"-" json:"-"`                         // where the file names it, for messages
}

// Word is a text that may look like a number.
type Word string

// UnmarshalYAML takes any scalar as it is written.
func (w *Word) UnmarshalYAML(n *strictyaml.Node) error {
	if n.Kind() != strictyaml.Scalar {
		return n.Fault("a word or a number is needed")
	}
	*w = Word(n.Text())
	return nil
}

// Extract says how tokens are read.
type Extract struct {
	Layers      Layers `yaml:"layers" json:"layers"`           // auto | blocks | stages | every:2 | list of names and globs
	Grid        int    `yaml:"grid" json:"grid"`               // cells a side of the fit grid
	Protocol    string `yaml:"protocol" json:"protocol"`       // "": what fit.protocol says | sound | paper
	Batch       int    `yaml:"batch" json:"batch"`             // images a Run; 0: chosen
	Compression string `yaml:"compression" json:"compression"` // none | snappy | zstd
	Images      string `yaml:"images" json:"images"`           // subject | the path of a folder or of a list of pictures
	Components  int    `yaml:"components" json:"components"`   // K > 0: K principal components a layer, fitted on training images
	Native      Layers `yaml:"native" json:"native"`           // pictures stored on native grids, too: auto | none | all | list of names and globs
}

// Layers is a selection of layers, or of pictures: one word in YAML, or a list.
type Layers []string

// Fit says how brains are predicted.
type Fit struct {
	Protocol  string   `yaml:"protocol" json:"protocol"` // sound | paper
	Seeds     []int    `yaml:"seeds" json:"seeds"`
	Split     Split    `yaml:"split" json:"split"`         // protocol paper: val 0, test 0.0855 unless written
	Images    int      `yaml:"images" json:"images"`       // training images; 0: all
	Ablation  Words    `yaml:"ablation" json:"ablation"`   // none | no_topology | no_factorisation | layer:K | centre | local | global, or a list of them
	Baselines []string `yaml:"baselines" json:"baselines"` // ridge_layers | ridge_all | banded
	// HalfSamples is how many random halves of the training photographs the first seed's mapping is fitted to again,
	// which gives a standard error at every vertex; 0: none, else 2 and more.
	HalfSamples int `yaml:"half_samples" json:"half_samples"`
	Hyper
}

// Split parts the images of a subject; all windows and repeats of one photograph stay on one side.
type Split struct {
	By   string  `yaml:"by" json:"by"` // image | photo | cluster | given | a column of images.csv
	Val  float64 `yaml:"val" json:"val"`
	Test float64 `yaml:"test" json:"test"`
	Seed uint64  `yaml:"seed" json:"seed"`
}

// Analyze says what is computed from the mappings.
type Analyze struct {
	Hierarchy Hierarchy `yaml:"hierarchy" json:"hierarchy"` // "": the subject's own | paper | streams | glasser | a list of levels
	Bootstrap int       `yaml:"bootstrap" json:"bootstrap"` // draws of test photographs, for the scores' intervals; 0: none
	Interval  string    `yaml:"interval" json:"interval"`   // of slopes and means: auto | spatial (over the cortex) | subjects (over people; none for one)
	Colours   string    `yaml:"colours" json:"colours"`     // of maps: accessible (colour-blind people can read them) | paper (as published)
	Controls  Layers    `yaml:"controls" json:"controls"`   // auto: none in a single run, all in a sweep | none | all | list of random_weights, shuffled, spin
	Spaces    []string  `yaml:"spaces" json:"spaces"`       // surfaces that maps are written on as well: fsaverage5, fsaverage6, fsaverage7
}

// Hierarchy is a named or a written list of levels.
type Hierarchy struct {
	Name   string
	Levels []Level
}

// Level is one step of a hierarchy: an ROI, or a name for the unweighted mean of several.
type Level struct {
	Name string
	ROIs []string
}

// Defaults is the configuration of an empty file.
func Defaults() Config {
	return Config{
		Out:    "runs/demo",
		Device: "auto",
		Extract: Extract{
			Layers:      Layers{"auto"},
			Grid:        8,
			Compression: "none",
			Images:      "subject",
			Native:      Layers{"auto"},
		},
		Fit: Fit{
			Ablation: Words{"none"},
			Protocol: "sound",
			Seeds:    []int{0},
			Split:    Split{By: "photo", Val: 0.1, Test: 0.1},
		},
		Analyze: Analyze{Bootstrap: 1000, Interval: "auto", Colours: "accessible", Controls: Layers{"auto"}},
	}
}

// paperTest is the part of the pictures that the published fits were tested on.
const paperTest = 0.0855

// leastDraws is how many draws tell a spread to about a tenth.
const leastDraws = 100

// Override is one `--set KEY=VALUE`.
type Override struct {
	Key, Value string
	Flag       string // the flag that stands for the key, as in --device; "": it is --set
}

// lay puts the override over a document.
func (o Override) lay(doc *strictyaml.Doc) error {
	if o.Flag != "" {
		return doc.SetFrom(o.Flag, o.Key, o.Value)
	}
	return doc.Set(o.Key, o.Value)
}

// Load reads a YAML text strictly, lays the overrides over it and checks every value. name is the file's
// name for messages.
func Load(name string, data []byte, overrides []Override) (*Config, error) {
	doc, err := strictyaml.Parse(name, data)
	if err != nil {
		return nil, err
	}
	for _, o := range overrides {
		if err := o.lay(doc); err != nil {
			return nil, err
		}
	}
	c, err := decode(doc)
	if err != nil {
		return nil, err
	}
	c.settings, err = expand(doc, c)
	return c, err
}

// decode reads a document over the defaults and checks every value.
func decode(doc *strictyaml.Doc) (*Config, error) {
	c := Defaults()
	if err := doc.Decode(&c); err != nil {
		return nil, err
	}
	if c.Fit.Protocol == "paper" { // it had no validation pictures, and a test part of its own
		if !doc.Has("fit.split.val") {
			c.Fit.Split.Val = 0
		}
		if !doc.Has("fit.split.test") {
			c.Fit.Split.Test = paperTest
		}
	}
	return &c, c.check(doc)
}

// check holds the values' ranges.
func (c *Config) check(doc *strictyaml.Doc) error {
	oneOf := func(key, value string, allowed ...string) error {
		if slices.Contains(allowed, value) {
			return nil
		}
		return doc.Fault(key, "%q is not %s", value, list(allowed))
	}
	between := func(key string, value, lo, hi float64) error {
		if value >= lo && value < hi {
			return nil
		}
		return doc.Fault(key, "%v is not between %v and %v", value, lo, hi)
	}
	errs := []error{
		oneOf("device", c.Device, "cpu", "cuda", "auto"),
		oneOf("extract.protocol", c.Extract.Protocol, "", "sound", "paper"),
		oneOf("extract.compression", c.Extract.Compression, "none", "snappy", "zstd"),
		oneOf("fit.protocol", c.Fit.Protocol, "sound", "paper"),
		oneOf("analyze.interval", c.Analyze.Interval, "auto", "spatial", "subjects"),
		between("analyze.bootstrap", float64(c.Analyze.Bootstrap), 0, 1<<20),
		oneOf("analyze.colours", c.Analyze.Colours, "accessible", "paper"),
		between("memory", c.Memory, 0, 1<<20),
		between("threads", float64(c.Threads), 0, 1<<16),
		between("extract.components", float64(c.Extract.Components), 0, 1<<16),
		between("extract.batch", float64(c.Extract.Batch), 0, 1<<16),
		between("fit.images", float64(c.Fit.Images), 0, 1<<31),
		between("fit.half_samples", float64(c.Fit.HalfSamples), 0, 1000),
		between("fit.split.val", c.Fit.Split.Val, 0, 1),
		between("fit.split.test", c.Fit.Split.Test, 0, 1),
		between("fit.split.val", c.Fit.Split.Val+c.Fit.Split.Test, 0, 1),
	}
	errs = append(errs, c.Fit.Hyper.check(doc, c.Fit.Protocol, between)...)
	errs = append(errs, c.Slurm.check(doc)...)
	errs = append(errs, c.lists(doc, oneOf, between)...)
	errs = append(errs, c.lacking(doc))
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

// lists holds every word and number of the keys that are lists.
func (c *Config) lists(doc *strictyaml.Doc, oneOf func(key, value string, allowed ...string) error, between func(key string, value, lo, hi float64) error) (errs []error) {
	for _, b := range c.Fit.Baselines {
		errs = append(errs, oneOf("fit.baselines", b, "ridge_layers", "ridge_all", "banded"))
	}
	for i, a := range c.Fit.Ablation {
		if slices.Contains(c.Fit.Ablation[:i], a) {
			errs = append(errs, doc.Fault("fit.ablation", "%s stands twice", a))
		}
		if !layerAblation.MatchString(a) {
			errs = append(errs, oneOf("fit.ablation", a, "none", "no_topology", "no_factorisation", "layer:K (K from 0)", "centre", "local", "global"))
		}
	}
	for _, x := range c.Analyze.Spaces {
		errs = append(errs, oneOf("analyze.spaces", x, "fsaverage5", "fsaverage6", "fsaverage7"))
	}
	for _, x := range c.Analyze.Controls {
		if len(c.Analyze.Controls) == 1 {
			errs = append(errs, oneOf("analyze.controls", x, "auto", "none", "all", "random_weights", "shuffled", "spin"))
			continue
		}
		errs = append(errs, oneOf("analyze.controls", x, "random_weights", "shuffled", "spin"))
	}
	for i, s := range c.Fit.Seeds {
		errs = append(errs, between("fit.seeds", float64(s), 0, 1<<31))
		if slices.Contains(c.Fit.Seeds[:i], s) {
			errs = append(errs, doc.Fault("fit.seeds", "%d stands twice", s))
		}
	}
	return errs
}

// lacking says which key has nothing where something is needed, or can't be had beside another.
func (c *Config) lacking(doc *strictyaml.Doc) error {
	switch {
	case c.Out == "":
		return doc.Fault("out", "a folder is needed")
	case len(c.Models) == 0:
		return doc.Fault("models", "no network is named").Remedy("for example  models: [demo:lite0]")
	case len(c.Subjects) == 0:
		return doc.Fault("subjects", "no subject is named").Remedy("for example  subjects: [demo:simulated]")
	case len(c.Fit.Seeds) == 0:
		return doc.Fault("fit.seeds", "no seed is named").Remedy("for example  seeds: [0]")
	case c.Analyze.Bootstrap > 0 && c.Analyze.Bootstrap < leastDraws:
		return doc.Fault("analyze.bootstrap", "%d draws are too few for an interval", c.Analyze.Bootstrap).Remedy("give %d or more, or 0 for none", leastDraws)
	case len(c.Analyze.Controls) == 0:
		return doc.Fault("analyze.controls", "no control is named").Remedy("for example  controls: none")
	case len(c.Extract.Native) == 0:
		return doc.Fault("extract.native", "no picture is named").Remedy("for example  native: none")
	case len(c.Fit.Ablation) == 0:
		return doc.Fault("fit.ablation", "no ablation is named").Remedy("for example  ablation: none")
	case c.Extract.Images == "":
		return doc.Fault("extract.images", "nothing is named").Remedy("give subject, or the path of a folder or of a list of pictures")
	case len(c.Extract.Layers) == 0:
		return doc.Fault("extract.layers", "no layer is named").Remedy("for example  layers: auto")
	case c.Fit.HalfSamples == 1:
		return doc.Fault("fit.half_samples", "one fit has no spread").Remedy("give 0 for none, or 2 and more")
	case c.Extract.Components > 0 && c.Fit.Split.By == "cluster":
		return doc.Fault("extract.components", "components are fitted on training pictures, and a split by cluster is made after extraction").
			Remedy("split by photo, or leave fit to choose its own channels (extract.components: 0)")
	case c.Extract.Grid != 8:
		return doc.Fault("extract.grid", "%d: this version fits on a grid of 8 cells a side", c.Extract.Grid)
	}
	return nil
}

// UnmarshalYAML reads a path, or a mapping with the keys of Model.
func (m *Model) UnmarshalYAML(n *strictyaml.Node) error {
	type plain Model
	m.At = n.Fault("").At
	if n.Kind() != strictyaml.Map {
		return n.Decode(&m.Path)
	}
	if err := n.Decode((*plain)(m)); err != nil {
		return err
	}
	if m.Path == "" {
		return n.Fault("a network needs a path")
	}
	return nil
}

// UnmarshalYAML reads a path, or a mapping with the keys of Subject.
func (s *Subject) UnmarshalYAML(n *strictyaml.Node) error {
	type plain Subject
	s.At = n.Fault("").At
	if n.Kind() != strictyaml.Map {
		return n.Decode(&s.Path)
	}
	if err := n.Decode((*plain)(s)); err != nil {
		return err
	}
	if s.Path == "" {
		return n.Fault("a subject needs a path")
	}
	return nil
}

// UnmarshalYAML reads one word or a list.
func (l *Layers) UnmarshalYAML(n *strictyaml.Node) error {
	if n.Kind() == strictyaml.Scalar {
		*l = make(Layers, 1)
		return n.Decode(&(*l)[0])
	}
	return n.Decode((*[]string)(l))
}

// layerAblation holds every unit to one layer.
var layerAblation = regexp.MustCompile(`^layer:[0-9]{1,4}$`)

// Words is one word in YAML, or a list.
type Words []string

// UnmarshalYAML reads one word or a list.
func (w *Words) UnmarshalYAML(n *strictyaml.Node) error { return (*Layers)(w).UnmarshalYAML(n) }

// UnmarshalYAML reads the name of a hierarchy, or a list of levels.
func (h *Hierarchy) UnmarshalYAML(n *strictyaml.Node) error {
	if n.Kind() == strictyaml.Scalar {
		return n.Decode(&h.Name)
	}
	return n.Decode(&h.Levels)
}

// UnmarshalYAML reads an ROI's name, or {NAME: [ROI, …]}.
func (l *Level) UnmarshalYAML(n *strictyaml.Node) error {
	if n.Kind() != strictyaml.Map {
		l.ROIs = make([]string, 1)
		err := n.Decode(&l.ROIs[0])
		l.Name = l.ROIs[0]
		return err
	}
	keys := n.Keys()
	if len(keys) != 1 {
		return n.Fault("a level is an ROI or {NAME: [ROI, …]}")
	}
	l.Name = keys[0]
	return n.Get(l.Name).Decode(&l.ROIs)
}

// MarshalJSON keeps run.json in the words of the YAML.
func (h Hierarchy) MarshalJSON() ([]byte, error) {
	if len(h.Levels) == 0 {
		return json.Marshal(h.Name)
	}
	return json.Marshal(h.Levels)
}

// MarshalJSON writes a level in the words of the YAML.
func (l Level) MarshalJSON() ([]byte, error) {
	if len(l.ROIs) == 1 && l.ROIs[0] == l.Name {
		return json.Marshal(l.Name)
	}
	return json.Marshal(map[string][]string{l.Name: l.ROIs})
}

// list is "a, b or c".
func list(words []string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	last := len(words) - 1
	return strings.Join(words[:last], ", ") + " or " + words[last]
}
