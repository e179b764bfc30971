package strictyaml

import (
	"fmt"
	"slices"
	"strings"

	"cortexmap/internal/fault"
)

// Kind is what a node is.
type Kind int

const (
	Null   Kind = iota // nothing: a key without a value, or ~
	Scalar             // a text, a number, true or false
	List
	Map
)

// what names a node's kind as people are told it.
func (n *Node) what() string {
	switch {
	case n.kind == Null:
		return "nothing"
	case n.kind == List:
		return "a list"
	case n.kind == Map:
		return "a mapping (key: value)"
	case n.isText():
		return "a text"
	}
	if _, ok := n.value.(bool); ok {
		return "true or false"
	}
	return "a number"
}

func (n *Node) isText() bool { _, ok := n.value.(string); return ok }

// Node is a value in a document, with its place.
type Node struct {
	kind    Kind
	value   any     // of a scalar: bool, int64, uint64, float64, string or nil
	text    string  // of a scalar: as written
	items   []*Node // of a list
	entries []entry // of a map, in order
	key     string  // dotted path from the top, "" there
	at      place
	budget  *int // nodes that may still be decoded: aliases make small files endless
}

// entry is a key of a map with its value.
type entry struct {
	key   string
	at    place
	value *Node
}

// place is where something stands.
type place struct {
	source       *source
	line, column int // 1-based; 0 where there is only the source's name
}

// source is a text with a name.
type source struct {
	name  string
	lines []string
}

// String is file:line:column and the line's text, or the name alone.
func (p place) String() string {
	if p.line < 1 || p.line > len(p.source.lines) {
		return p.source.name
	}
	text := strings.TrimSpace(p.source.lines[p.line-1])
	if runes := []rune(text); len(runes) > 80 {
		text = string(runes[:79]) + "…"
	}
	return fmt.Sprintf("%s:%d:%d: %s", p.source.name, p.line, p.column, text)
}

// Kind says what the node is.
func (n *Node) Kind() Kind { return n.kind }

// Text is a scalar as it is written, without quotes; "" for lists and maps.
func (n *Node) Text() string { return n.text }

// Key is the dotted path of the node from the top of the document, list items by their index.
func (n *Node) Key() string { return n.key }

// Items are the nodes of a list.
func (n *Node) Items() []*Node { return slices.Clone(n.items) }

// Keys are the keys of a map in the order of the file.
func (n *Node) Keys() []string {
	keys := make([]string, len(n.entries))
	for i, e := range n.entries {
		keys[i] = e.key
	}
	return keys
}

// Get is the value of a key of a map, or nil.
func (n *Node) Get(key string) *Node {
	if i := n.find(key); i >= 0 {
		return n.entries[i].value
	}
	return nil
}

func (n *Node) find(key string) int {
	return slices.IndexFunc(n.entries, func(e entry) bool { return e.key == key })
}

// Fault is a fault of this value; the text begins with its key.
func (n *Node) Fault(format string, args ...any) *fault.Error {
	if n.key != "" {
		format, args = "%s: "+format, append([]any{n.key}, args...)
	}
	return fault.Inputf(format, args...).In("%s", n.at)
}

// wants is the fault of a value of the wrong kind.
func (n *Node) wants(what string) error {
	if n.kind != Scalar || len(n.text) > 60 {
		return n.Fault("it must be %s, not %s", what, n.what())
	}
	return n.Fault("it must be %s, not %q", what, n.text)
}
