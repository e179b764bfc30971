package strictyaml

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/fault"
)

// Doc is a parsed document, over which values can be laid before it is decoded.
type Doc struct{ root *Node }

// Parse reads one document. name is the file's, as the fault will say it.
func Parse(name string, data []byte) (*Doc, error) {
	root, err := parse(name, data)
	if err != nil {
		return nil, err
	}
	if root.kind != Map {
		return nil, root.wants("a mapping (key: value)")
	}
	return &Doc{root}, nil
}

// Decode parses a document and decodes it into a struct.
func Decode(name string, data []byte, into any) error {
	d, err := Parse(name, data)
	if err != nil {
		return err
	}
	return d.Decode(into)
}

// Set decodes one value into the field of a struct that the dotted key names: Doc.Set without a document.
func Set(into any, key, value string) error {
	budget := maxNodes
	d := &Doc{&Node{kind: Map, at: place{source: &source{name: "--set " + key}}, budget: &budget}}
	if err := d.Set(key, value); err != nil {
		return err
	}
	return d.Decode(into)
}

// Set lays a value over the document: key is dotted ("fit.seeds"), value is YAML ("[0, 1]"); an empty value is
// an empty text. What the key names is replaced; mappings on the way are entered, or made where there is
// nothing. A way through a list or a scalar is a fault: lists are given as a whole. Whether the key is a valid
// one, Decode says.
func (d *Doc) Set(key, value string) error { return d.SetFrom("--set "+key, key, value) }

// SetFrom is Set of a value that the user gave by other words than --set, which is what faults call its place.
func (d *Doc) SetFrom(where, key, value string) error {
	src := &source{name: where}
	names := strings.Split(key, ".")
	for _, name := range names {
		if name == "" {
			return fault.Inputf("%q is no dotted key", key).In("%s", src.name).Remedy("write for instance --set fit.seeds=[0,1]")
		}
	}
	node, err := parseValue(src.name, key, value)
	if err != nil {
		return err
	}
	root, err := d.root.with(names, node, place{source: src})
	if err != nil {
		return err
	}
	d.root = root
	return nil
}

// With is a copy of the document with a value of its own, or of another document's, laid over it under a dotted
// key, as Set does; faults of the value have the place where it stands.
func (d *Doc) With(key string, value *Node) (*Doc, error) {
	names := strings.Split(key, ".")
	if slices.Contains(names, "") {
		return nil, value.Fault("%q is no dotted key", key).Remedy("write for instance fit.images")
	}
	root, err := d.root.with(names, value, value.at)
	if err != nil {
		return nil, err
	}
	return &Doc{root}, nil
}

// parseValue parses the value of an overlay; all its places are the overlay's name.
func parseValue(name, key, value string) (*Node, error) {
	budget := maxNodes
	if strings.TrimSpace(value) == "" {
		return &Node{kind: Scalar, value: "", key: key, at: place{source: &source{name: name}}, budget: &budget}, nil
	}
	node, err := parse(name, []byte(value))
	if err != nil {
		return nil, err
	}
	node.move(key, place{source: &source{name: name}}, map[*Node]bool{})
	return node, nil
}

// move puts a tree under a dotted key and at a place. A node that aliases share is moved once.
func (n *Node) move(key string, at place, moved map[*Node]bool) {
	if moved[n] {
		return
	}
	moved[n] = true
	n.key, n.at = key, at
	for i, item := range n.items {
		item.move(join(key, strconv.Itoa(i)), at, moved)
	}
	for i := range n.entries {
		n.entries[i].at = at
		n.entries[i].value.move(join(key, n.entries[i].key), at, moved)
	}
}

// with is a copy of the map n in which the value at the path of names is another. Copies, because aliases
// share nodes: an overlay changes one place only.
func (n *Node) with(names []string, value *Node, at place) (*Node, error) {
	if len(names) == 0 {
		return value, nil
	}
	out := &Node{kind: Map, key: n.key, at: n.at, budget: n.budget}
	switch n.kind {
	case Map:
		out.entries = append(out.entries, n.entries...)
	case Null:
	default:
		return nil, fault.Inputf("%s is %s: it has no key %q", n.key, n.what(), names[0]).In("%s", at).
			Remedy("give the whole value: --set %s=…", n.key)
	}
	i := out.find(names[0])
	if i < 0 {
		i = len(out.entries)
		out.entries = append(out.entries, entry{names[0], at, &Node{key: join(n.key, names[0]), at: at, budget: n.budget}})
	}
	child, err := out.entries[i].value.with(names[1:], value, at)
	if err != nil {
		return nil, err
	}
	out.entries[i].value = child
	if len(names) == 1 {
		out.entries[i].at = at
	}
	return out, nil
}

// Get is the value at a dotted key, list items by their index, or nil where the document has none.
func (d *Doc) Get(key string) *Node {
	n, rest := d.walk(key)
	if rest != "" {
		return nil
	}
	return n
}

// walk goes as far along a dotted key as the document does, and returns what is left of the key.
func (d *Doc) walk(key string) (*Node, string) {
	n := d.root
	for key != "" {
		name, rest, _ := strings.Cut(key, ".")
		next := n.Get(name)
		if i, err := strconv.Atoi(name); next == nil && err == nil && 0 <= i && i < len(n.items) {
			next = n.items[i]
		}
		if next == nil {
			break
		}
		n, key = next, rest
	}
	return n, key
}

// Has says whether the document has something at a dotted key.
func (d *Doc) Has(key string) bool { return d.Get(key) != nil }

// Where is the place of the value at a dotted key, as faults say it: file:line:column with the line's text,
// or "--set KEY". Where the document has no such key it is the place of what would hold it, and for the top
// the file's name.
func (d *Doc) Where(key string) string {
	n, rest := d.walk(key)
	if rest != "" && n == d.root {
		return n.at.source.name
	}
	return n.at.String()
}

// Fault is the fault of a value that is of the right kind, but wrong: out of range, say. The text begins with
// the key.
func (d *Doc) Fault(key, format string, args ...any) *fault.Error {
	return fault.Inputf("%s: %s", key, fmt.Sprintf(format, args...)).In("%s", d.Where(key))
}
