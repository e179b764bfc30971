package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"math"
	"regexp"
	"strconv"
	"strings"
	"unicode/utf8"

	"cortexmap/internal/fault"

	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/goccy/go-yaml/token"
)

const (
	maxSize  = 1 << 20 // bytes of a text: settings, not data
	maxDepth = 100     // nested lists and maps
	maxNodes = 1 << 20 // values read, aliases counted each time
)

// parse makes the tree of a text of one document.
func parse(name string, data []byte) (*Node, error) {
	src := &source{name: name}
	whole := place{source: src}
	bad := func(format string, args ...any) *fault.Error {
		return fault.Inputf(format, args...).In("%s", whole)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff"))
	data = bytes.ReplaceAll(data, []byte("\r\n"), []byte("\n"))
	switch {
	case len(data) > maxSize:
		return nil, bad("%d bytes: a file of settings has at most %d", len(data), maxSize)
	case !utf8.Valid(data) || bytes.IndexByte(data, 0) >= 0:
		return nil, bad("no text in UTF-8")
	case deep(data):
		return nil, bad("brackets are nested more than %d deep", maxDepth)
	}
	src.lines = strings.Split(string(data), "\n")
	file, err := parseTree(data)
	if err != nil {
		return nil, syntax(src, err)
	}
	docs := documents(file)
	if len(docs) == 0 {
		return nil, bad("the file is empty").Remedy("write at least one key, or {} where every default is meant")
	}
	if len(docs) > 1 {
		at := position(src, docs[1].GetToken())
		if docs[1].Start != nil {
			at = position(src, docs[1].Start)
		}
		return nil, fault.Inputf("a second document begins; one file is one document").In("%s", at).Remedy("split the file, or delete the line ---")
	}
	budget := maxNodes
	w := walker{source: src, anchors: map[string]*Node{}, budget: &budget}
	return w.node(docs[0].Body, "", 0)
}

// parseTree is goccy's parser; what it panics on is no YAML either.
func parseTree(data []byte) (file *ast.File, err error) {
	defer func() {
		if r := recover(); r != nil {
			err = fmt.Errorf("%v", r)
		}
	}()
	return parser.ParseBytes(data, 0)
}

// deep finds brackets that nest deeper than the parser's recursion should go. Brackets in texts are counted,
// too: no harm in a settings file.
func deep(data []byte) bool {
	depth := 0
	for _, c := range data {
		switch c {
		case '[', '{':
			if depth++; depth > maxDepth {
				return true
			}
		case ']', '}':
			depth = max(0, depth-1)
		}
	}
	return false
}

// documents are those with a body.
func documents(file *ast.File) []*ast.DocumentNode {
	var docs []*ast.DocumentNode
	for _, d := range file.Docs {
		if d.Body == nil {
			continue
		}
		if _, comment := d.Body.(*ast.CommentGroupNode); !comment {
			docs = append(docs, d)
		}
	}
	return docs
}

// syntax is the fault of a parser's error.
func syntax(src *source, err error) error {
	var known interface {
		GetToken() *token.Token
		GetMessage() string
	}
	if errors.As(err, &known) && known.GetToken() != nil {
		return fault.Inputf("no valid YAML: %s", known.GetMessage()).In("%s", position(src, known.GetToken()))
	}
	return fault.Inputf("no valid YAML: %w", err).In("%s", src.name)
}

func position(src *source, t *token.Token) place {
	if t == nil || t.Position == nil {
		return place{source: src}
	}
	return place{src, t.Position.Line, t.Position.Column}
}

// walker turns goccy's tree into ours.
type walker struct {
	source  *source
	anchors map[string]*Node
	budget  *int
}

// node turns a value with the dotted path key into a Node.
func (w *walker) node(n ast.Node, key string, depth int) (*Node, error) {
	out := &Node{key: key, at: place{source: w.source}, budget: w.budget}
	if n == nil {
		return out, nil
	}
	out.at = position(w.source, n.GetToken())
	if depth > maxDepth {
		return nil, out.Fault("nested more than %d deep", maxDepth)
	}
	switch n := n.(type) {
	case *ast.MappingNode:
		return out, w.mapping(out, n.Values, depth)
	case *ast.MappingValueNode:
		return out, w.mapping(out, []*ast.MappingValueNode{n}, depth)
	case *ast.SequenceNode:
		out.kind = List
		for i, v := range n.Values {
			item, err := w.node(v, join(key, strconv.Itoa(i)), depth+1)
			if err != nil {
				return nil, err
			}
			out.items = append(out.items, item)
		}
		return out, nil
	case *ast.AnchorNode:
		value, err := w.node(n.Value, key, depth+1)
		if err == nil {
			w.anchors[n.Name.GetToken().Value] = value
		}
		return value, err
	case *ast.AliasNode:
		name := n.Value.GetToken().Value
		value, ok := w.anchors[name]
		if !ok {
			return nil, out.Fault("there is no anchor &%s before this *%s", name, name)
		}
		return value, nil
	case *ast.TagNode:
		return w.tagged(out, n, depth)
	}
	return out, out.scalar(n)
}

// mapping fills a map. Merged keys (<<) come after the map's own, and don't replace any.
func (w *walker) mapping(out *Node, values []*ast.MappingValueNode, depth int) error {
	out.kind = Map
	var merged []*Node
	for i, v := range values {
		at := position(w.source, v.Key.GetToken())
		if i == 0 {
			out.at = at
		}
		if v.Key.IsMergeKey() {
			value, err := w.node(v.Value, out.key, depth+1)
			if err != nil {
				return err
			}
			merged = append(merged, value)
			continue
		}
		name, err := w.keyName(v.Key, at)
		if err != nil {
			return err
		}
		if out.find(name) >= 0 {
			return fault.Inputf("the key %q is given twice", name).In("%s", at)
		}
		value, err := w.node(v.Value, join(out.key, name), depth+1)
		if err != nil {
			return err
		}
		if value.kind == Null {
			value.at = at // an absent value stands nowhere
		}
		out.entries = append(out.entries, entry{name, at, value})
	}
	for _, m := range merged {
		if err := out.merge(m); err != nil {
			return err
		}
	}
	return nil
}

// merge adds the keys of m, a map or a list of maps, that n doesn't have.
func (n *Node) merge(m *Node) error {
	switch m.kind {
	case List:
		for _, item := range m.items {
			if item.kind != Map {
				return item.wants("a mapping, to be merged with <<")
			}
			if err := n.merge(item); err != nil {
				return err
			}
		}
	case Map:
		for _, e := range m.entries {
			if n.find(e.key) < 0 {
				n.entries = append(n.entries, e)
			}
		}
	default:
		return m.wants("a mapping, to be merged with <<")
	}
	return nil
}

func (w *walker) keyName(k ast.MapKeyNode, at place) (string, error) {
	switch k := k.(type) {
	case *ast.StringNode:
		return k.Value, nil
	case *ast.IntegerNode, *ast.FloatNode, *ast.BoolNode, *ast.NullNode, *ast.InfinityNode, *ast.NanNode:
		return k.GetToken().Value, nil
	}
	return "", fault.Inputf("a key must be a plain text or number").In("%s", at)
}

// tagged reads !!str and its like; other tags would mean types that nobody here knows.
func (w *walker) tagged(out *Node, n *ast.TagNode, depth int) (*Node, error) {
	value, err := w.node(n.Value, out.key, depth+1)
	if err != nil {
		return nil, err
	}
	tag := n.Start.Value
	_, float := value.value.(float64)
	_, truth := value.value.(bool)
	number := value.kind == Scalar && !truth && !value.isText()
	switch {
	case tag == "!!str" && (value.kind == Scalar || value.kind == Null):
		return &Node{kind: Scalar, value: value.text, text: value.text, key: out.key, at: out.at, budget: w.budget}, nil
	case tag == "!!int" && number && !float,
		tag == "!!float" && number,
		tag == "!!bool" && truth,
		tag == "!!null" && value.kind == Null,
		tag == "!!map" && value.kind == Map,
		tag == "!!seq" && value.kind == List:
		return value, nil
	}
	return nil, out.Fault("the tag %s doesn't go with this value, or isn't one of !!str, !!int, !!float, !!bool, !!null", tag)
}

// scalar fills a node from one of goccy's scalars.
func (out *Node) scalar(n ast.Node) error {
	if t := n.GetToken(); t != nil {
		out.text = t.Value
	}
	out.kind = Scalar
	switch n := n.(type) {
	case *ast.NullNode:
		out.kind = Null
	case *ast.BoolNode:
		out.value = n.Value
	case *ast.IntegerNode:
		out.value = n.Value
	case *ast.FloatNode:
		out.value = n.Value
	case *ast.InfinityNode:
		out.value = n.Value
	case *ast.NanNode:
		out.value = math.NaN()
	case *ast.StringNode:
		out.value, out.text = n.Value, n.Value
		if x, ok := plainNumber(n); ok {
			out.value = x
		}
	case *ast.LiteralNode:
		out.value, out.text = n.Value.Value, n.Value.Value
	default:
		return out.Fault("this form of YAML (%v) isn't used here", n.Type())
	}
	return nil
}

// yamlFloat is YAML 1.2's form of a number (core schema, 10.3.2). goccy takes 1e-3 for a text.
var yamlFloat = regexp.MustCompile(`^[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?$`)

// plainNumber is the number that a text without quotes is.
func plainNumber(n *ast.StringNode) (float64, bool) {
	if n.Token.Type != token.StringType || !yamlFloat.MatchString(n.Value) {
		return 0, false
	}
	x, err := strconv.ParseFloat(n.Value, 64)
	return x, err == nil
}

func join(key, name string) string {
	if key == "" {
		return name
	}
	return key + "." + name
}
