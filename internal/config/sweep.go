package config

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"cortexmap/internal/strictyaml"
)

// Sweep multiplies a file's settings. Networks, subjects and seeds always multiply; below product every
// combination of the values is one setting; below zip the first values of all keys are one, the second ones
// another, and so on; the two multiply each other. Keys are dotted, as of --set.
//
//	sweep:
//	  product: {fit.protocol: [sound, paper], fit.images: [500, 2000]}     # four settings
//	  zip: {extract.layers: [blocks, stages], fit.ablation: [none, no_topology]}   # times two
//	  exclude: [{fit.protocol: paper, fit.images: 500}]                    # but not these
//	  groups: {sizes: [lite0, lite1, lite2]}
type Sweep struct {
	Product Axes     `yaml:"product" json:"product"` // every combination of the values
	Zip     Axes     `yaml:"zip" json:"zip"`         // lists of one length, walked together
	Exclude []Values `yaml:"exclude" json:"exclude"` // settings that have all of an entry's values are left out
	Groups  Groups   `yaml:"groups" json:"groups"`   // named groups of networks, for comparison
}

// Groups are networks' names by a group's name.
type Groups map[string][]string

// Axes are dotted keys with the values that each takes, in the order of the file.
type Axes []Axis

// Axis is one key of a sweep.
type Axis struct {
	Key    string
	Values []*strictyaml.Node
}

// Values are dotted keys with one value each, in the order of the file.
type Values []Value

// Value is what a key has in one setting.
type Value struct {
	Key  string
	Node *strictyaml.Node
}

// Setting is one setting of a sweep.
type Setting struct {
	Config *Config
	Label  string // what is swept: "fit.images=500 fit.protocol=paper"; "" where nothing is
}

// maxSettings bounds what a few lines can multiply to.
const maxSettings = 10_000

// whole are the keys that hold for a file as a whole, and why; the keys below them too.
var whole = []struct{ key, why string }{
	{"out", "a sweep has one output folder"},
	{"models", "networks always multiply: list them under models"},
	{"subjects", "subjects always multiply: list them under subjects"},
	{"fit.seeds", "seeds always multiply: list them under fit.seeds"},
	{"analyze", "results are made once, of the whole sweep"},
	{"sweep", "what is swept multiplies already"},
	{"slurm", "it doesn't change numbers"},
	{"device", "it doesn't change numbers"},
	{"threads", "it doesn't change numbers"},
	{"memory", "it doesn't change numbers"},
	{"ort_lib", "it doesn't change numbers"},
	{"extract.batch", "it doesn't change numbers"},
}

// expand makes the settings of a document, each checked as a file of its own would be.
func expand(doc *strictyaml.Doc, c *Config) ([]Setting, error) {
	s := &c.Sweep
	if len(s.Product)+len(s.Zip) == 0 {
		if len(s.Exclude) > 0 {
			return nil, doc.Fault("sweep.exclude", "nothing is swept that could be left out")
		}
		return []Setting{{Config: c}}, nil
	}
	n, err := s.count(doc)
	if err != nil {
		return nil, err
	}
	var out []Setting
	hit := make([]bool, len(s.Exclude))
	for i := range n {
		values := s.setting(i)
		if s.excluded(values, hit) {
			continue
		}
		one := doc
		for _, v := range values {
			if one, err = one.With(v.Key, v.Node); err != nil {
				return nil, err
			}
		}
		conf, err := decode(one)
		if err != nil {
			return nil, err
		}
		out = append(out, Setting{conf, values.String()})
	}
	if i := slices.Index(hit, false); i >= 0 {
		return nil, doc.Fault(fmt.Sprintf("sweep.exclude.%d", i), "no setting of the sweep has these values").
			Remedy("write keys and values as they stand under product and zip")
	}
	if len(out) == 0 {
		return nil, doc.Fault("sweep.exclude", "nothing is left of the sweep")
	}
	return out, nil
}

// count checks the axes and says how many settings they make.
func (s *Sweep) count(doc *strictyaml.Doc) (int, error) {
	n := 1
	seen := map[string]bool{}
	for i, a := range slices.Concat(s.Product, s.Zip) {
		if err := a.check(seen); err != nil {
			return 0, err
		}
		switch {
		case i < len(s.Product) || i == len(s.Product):
			n *= len(a.Values)
		case len(a.Values) != len(s.Zip[0].Values):
			return 0, a.Values[0].Fault("%d values, %s has %d: zip walks lists of one length together", len(a.Values), s.Zip[0].Key, len(s.Zip[0].Values))
		}
		if n > maxSettings {
			return 0, doc.Fault("sweep", "more than %d settings", maxSettings)
		}
	}
	return n, nil
}

// check refuses keys that can't be swept, and values that stand twice.
func (a Axis) check(seen map[string]bool) error {
	for _, w := range whole {
		if a.Key == w.key || strings.HasPrefix(a.Key, w.key+".") {
			return a.Values[0].Fault("%s can't be swept: %s", a.Key, w.why)
		}
	}
	if slices.ContainsFunc(strings.Split(a.Key, "."), func(name string) bool { return strings.HasPrefix(name, "x-") }) {
		return a.Values[0].Fault("%s can't be swept: x- keys are a place for anchors and change nothing", a.Key)
	}
	for other := range seen {
		if other == a.Key || strings.HasPrefix(other, a.Key+".") || strings.HasPrefix(a.Key, other+".") {
			return a.Values[0].Fault("%s is swept twice, as %s too", a.Key, other)
		}
	}
	seen[a.Key] = true
	words := map[string]bool{}
	for _, v := range a.Values {
		if w := word(v); words[w] {
			return v.Fault("%s stands twice", w)
		} else {
			words[w] = true
		}
	}
	return nil
}

// setting is the i-th: zip turns fastest, then the last key of product.
func (s *Sweep) setting(i int) Values {
	var out Values
	if len(s.Zip) > 0 {
		n := len(s.Zip[0].Values)
		for _, a := range s.Zip {
			out = append(out, Value{a.Key, a.Values[i%n]})
		}
		i /= n
	}
	product := make(Values, len(s.Product))
	for j := len(s.Product) - 1; j >= 0; j-- {
		a := s.Product[j]
		product[j] = Value{a.Key, a.Values[i%len(a.Values)]}
		i /= len(a.Values)
	}
	return append(product, out...)
}

// excluded says whether an entry of exclude names the setting, and notes that it did.
func (s *Sweep) excluded(values Values, hit []bool) bool {
	out := false
	for i, entry := range s.Exclude {
		all := true
		for _, e := range entry {
			all = all && slices.ContainsFunc(values, func(v Value) bool { return v.Key == e.Key && word(v.Node) == word(e.Node) })
		}
		if all {
			hit[i], out = true, true
		}
	}
	return out
}

// String is the label of a setting: "fit.images=500 fit.protocol=paper".
func (vs Values) String() string {
	words := make([]string, len(vs))
	for i, v := range vs {
		words[i] = v.Key + "=" + word(v.Node)
	}
	return strings.Join(words, " ")
}

// word is a value as it is shown and compared: a scalar as it is written, lists and mappings as JSON.
func word(n *strictyaml.Node) string {
	if n.Kind() == strictyaml.Scalar {
		return n.Text()
	}
	data, err := marshal(n)
	if err != nil {
		return err.Error() // the same value has the same error; decoding it tells the user
	}
	return string(data)
}

func marshal(n *strictyaml.Node) ([]byte, error) {
	var v any
	if err := n.Decode(&v); err != nil {
		return nil, err
	}
	return json.Marshal(v)
}

// UnmarshalYAML reads {KEY: [VALUE, …], …}.
func (a *Axes) UnmarshalYAML(n *strictyaml.Node) error {
	if n.Kind() != strictyaml.Map {
		return n.Fault("it must be a mapping of dotted keys to lists, as in {fit.images: [500, 2000]}")
	}
	*a = nil
	for _, key := range n.Keys() {
		v := n.Get(key)
		if v.Kind() != strictyaml.List || len(v.Items()) == 0 {
			return v.Fault("it must be a list of values, as in [500, 2000]")
		}
		*a = append(*a, Axis{key, v.Items()})
	}
	return nil
}

// UnmarshalYAML reads {KEY: VALUE, …}.
func (vs *Values) UnmarshalYAML(n *strictyaml.Node) error {
	if n.Kind() != strictyaml.Map || len(n.Keys()) == 0 {
		return n.Fault("it must be a mapping of dotted keys to values, as in {fit.protocol: paper}")
	}
	*vs = nil
	for _, key := range n.Keys() {
		*vs = append(*vs, Value{key, n.Get(key)})
	}
	return nil
}

// MarshalJSON writes the axes as they stand in the file.
func (a Axes) MarshalJSON() ([]byte, error) {
	return object(len(a), func(i int) (string, any, error) {
		values := make([]json.RawMessage, len(a[i].Values))
		for j, v := range a[i].Values {
			data, err := marshal(v)
			if err != nil {
				return "", nil, err
			}
			values[j] = data
		}
		return a[i].Key, values, nil
	})
}

// MarshalJSON writes the values as they stand in the file.
func (vs Values) MarshalJSON() ([]byte, error) {
	return object(len(vs), func(i int) (string, any, error) {
		data, err := marshal(vs[i].Node)
		return vs[i].Key, json.RawMessage(data), err
	})
}

// object is a JSON object in the order given.
func object(n int, entry func(int) (string, any, error)) ([]byte, error) {
	var b bytes.Buffer
	b.WriteByte('{')
	for i := range n {
		key, value, err := entry(i)
		if err != nil {
			return nil, err
		}
		k, err := json.Marshal(key)
		if err != nil {
			return nil, err
		}
		v, err := json.Marshal(value)
		if err != nil {
			return nil, err
		}
		if i > 0 {
			b.WriteByte(',')
		}
		b.Write(k)
		b.WriteByte(':')
		b.Write(v)
	}
	b.WriteByte('}')
	return b.Bytes(), nil
}
