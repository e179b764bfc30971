// Package strictyaml reads YAML into Go structs and lets nothing pass in silence.
//
// Every fault names its place as file:line:column with the line's text, and for a wrong key the nearest valid
// one. goccy/go-yaml parses; the walk from its tree into structs is ours, since its own decoder turns 1.5 into
// 1 where an integer is wanted, ignores a second document, names the parent of the field that is wrong, and
// takes an empty file for one that says nothing.
//
// # What is read
//
// One document, UTF-8, at most 1 MiB: mappings with scalar keys, lists, scalars, block texts, anchors, aliases,
// merge keys (<<), and the tags !!str, !!int, !!float, !!bool, !!null. Duplicate keys are faults.
//
// # Into what
//
// A struct takes a mapping whose keys are the fields' `yaml:"name"` tags (the field's name in lower case
// where there is none; "-" for none at all; fields of an embedded struct count as the outer one's). Other keys
// are faults, except those that begin with "x-", which are a place for anchors:
//
//	x-small: &small {batch: 4}
//	extract: {<<: *small, grid: 8}
//
// Fields that the file doesn't name, or names without a value, keep what they hold: that is where defaults
// come from. A slice takes a list and is replaced; a map takes a mapping and is replaced; an array takes a
// list of its length; a string takes a text, or a number as it is written ("01" stays "01"), but no true or
// false; a bool takes true and false; an integer takes whole numbers in its range; a float takes finite
// numbers; a pointer what it points to; an `any` whatever there is (map[string]any, []any, string, int64,
// uint64, float64, bool, nil). A type with UnmarshalYAML(*Node) error reads itself, for instance from a string
// or a mapping.
//
// # Overlays
//
// Set lays KEY=VALUE over a document before it is decoded: KEY is dotted, VALUE is YAML. Mappings are made or
// entered on the way, lists are replaced as a whole. A fault in such a value has the place "--set KEY".
package strictyaml
