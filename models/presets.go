package models

import (
	"embed"
	"path"
	"regexp"
	"slices"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/strictyaml"
)

//go:embed cards/*.yaml
var cards embed.FS

// preset is a card shipped with cortexmap.
type preset struct {
	name string // its file's, without .yaml
	says says
}

// readPresets reads the embedded cards in alphabetical order. A fault is ours; the package's test reads them all.
func readPresets() ([]preset, error) {
	files, err := cards.ReadDir("cards")
	if err != nil {
		return nil, err
	}
	var all []preset
	for _, f := range files {
		data, err := cards.ReadFile(path.Join("cards", f.Name()))
		if err != nil {
			return nil, err
		}
		s, err := parseCard("cards/"+f.Name(), data, true)
		if err != nil {
			return nil, err
		}
		all = append(all, preset{strings.TrimSuffix(f.Name(), ".yaml"), s})
	}
	return all, nil
}

// Presets are the cards shipped with cortexmap, in alphabetical order, each with a size its family often has.
func Presets() ([]Card, error) {
	all, err := readPresets()
	if err != nil {
		return nil, err
	}
	var list []Card
	for _, p := range all {
		list = append(list, merge([]source{{"preset " + p.name, p.says}, guess}))
	}
	return list, nil
}

// presetNamed is the preset that a card's base names.
func presetNamed(name string, all []preset) (says, error) {
	var names []string
	for _, p := range all {
		if p.name == name {
			return p.says, nil
		}
		names = append(names, p.name)
	}
	f := fault.Inputf("no preset %q", name)
	if near := strictyaml.Nearest(name, names); near != "" {
		return says{}, f.Remedy("did you mean %s?", near)
	}
	return says{}, f.Remedy("the presets are %s", strings.Join(names, ", "))
}

// recognise is the preset with the longest match in a network's name; those marked last are asked only if no other
// matches. ok is false if none does.
func recognise(name string, all []preset) (found preset, ok bool) {
	for _, last := range []bool{false, true} {
		longest := 0
		for _, p := range all {
			if m := regexp.MustCompile(p.says.Match).FindString(name); p.says.Last == last && len(m) > longest {
				found, longest = p, len(m)
			}
		}
		if longest > 0 {
			return found, true
		}
	}
	return preset{}, false
}

// unspoken are file names that say nothing about the network; its folder's name may.
var unspoken = []string{"model", "model_quantized", "model_fp16", "vision_model", "visual", "encoder"}

// nameOf is what a network is recognised by.
func nameOf(file string) string {
	name := stem(file)
	if parts := strings.FieldsFunc(file, func(r rune) bool { return r == '/' || r == '\\' }); slices.Contains(unspoken, name) {
		parts = parts[:len(parts)-1]
		for len(parts) > 0 && parts[len(parts)-1] == "onnx" { // the folder that exports to the hub use
			parts = parts[:len(parts)-1]
		}
		if len(parts) > 0 {
			return strings.ToLower(parts[len(parts)-1])
		}
	}
	return name
}
