package extract

import (
	"cmp"
	"fmt"
	"regexp"
	"strings"

	"cortexmap/internal/onnx"
)

// Names are for people, and choose no layer but in [chain.complete]. Exporters leave two traces of a network's modules: the
// dynamo exporter a list of module paths at each node, the others (TorchScript, tf2onnx) node names with
// slashes. A layer is named after the numbered module that it is the output of, where the modules of one
// family (encoder_layer_#, layer#.#) tell the layers apart; else after its tensor, where people gave that a
// name; else after its kind and number, from 1.

var (
	digits = regexp.MustCompile(`\d+`)
	quoted = regexp.MustCompile(`'([^']*)'`)
	// given are tensor names that a person may have chosen; automatic ones are exporters' counters.
	given     = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9_.\-]*$`)
	automatic = regexp.MustCompile(`^([A-Za-z]?_?\d+|(val|tensor|output|input|t|x)[._]?\d*)$`)
)

const longestName = 40

// complete drops candidates that exporters' scopes show to be parts: where a family of numbered modules holds the
// layers one by one, as most of its modules do, a module with several has them inside, and the last is its
// output. Only structure finds layers; this mends what it can't tell (SwiftFormer's local half, NextViT's attention in
// front of a convolution), and does nothing without names.
func (c *chain) complete(found []Candidate) []Candidate {
	modules := make([][]string, len(found))
	count := map[string]int{} // mapped layers in a module
	for i, f := range found {
		if mapped(f.Kind) {
			modules[i] = numberedModules(c.vertices[c.producer[f.Tensor]].node)
		}
		for _, m := range modules[i] {
			count[m]++
		}
	}
	ones, all, covered := map[string]int{}, map[string]int{}, map[string]int{}
	for m, n := range count {
		family := digits.ReplaceAllString(m, "#")
		all[family]++
		covered[family] += n
		if n == 1 {
			ones[family]++
		}
	}
	best := ""
	for family := range all {
		if all[family] < 3 || 10*ones[family] < 6*all[family] {
			continue
		}
		better := covered[family] - covered[best]
		if better == 0 {
			better = all[family] - all[best] // stages hold blocks
		}
		if best == "" || better > 0 || better == 0 && family < best {
			best = family
		}
	}
	if best == "" {
		best = holding(found, all, covered)
	}
	if best == "" || ones[best] == all[best] {
		return found
	}
	last := map[string]int{}
	of := func(i int) string {
		for _, m := range modules[i] {
			if digits.ReplaceAllString(m, "#") == best {
				return m
			}
		}
		return ""
	}
	for i := range found {
		last[of(i)] = i
	}
	var kept []Candidate
	for i, f := range found {
		if m := of(i); m == "" || last[m] == i {
			kept = append(kept, f)
		}
	}
	return kept
}

// holding is the family of blocks whose every module holds several layers (EfficientViT's sandwiches, FastViT before its
// branches are folded): the innermost with four modules or more that has six of ten layers; "" if there is none.
func holding(found []Candidate, all, covered map[string]int) string {
	layers := 0
	for _, f := range found {
		if mapped(f.Kind) {
			layers++
		}
	}
	best := ""
	for family, modules := range all {
		if modules < 4 || 10*covered[family] < 6*layers {
			continue
		}
		if deeper := cmp.Compare(strings.Count(family, "."), strings.Count(best, ".")); best == "" || deeper > 0 || deeper == 0 && family < best {
			best = family
		}
	}
	return best
}

func mapped(kind string) bool { return kind == Block || kind == Transition || kind == Conv }

// name gives every candidate a name of its own.
func (c *chain) name(found []Candidate) {
	modules := make([][]string, len(found))
	for i := range found {
		modules[i] = numberedModules(c.vertices[c.producer[found[i].Tensor]].node)
	}
	nameByModule(found, modules)
	taken, number, total := map[string]bool{}, map[string]int{}, map[string]int{}
	for _, f := range found {
		total[f.Kind]++
	}
	for i := range found {
		f := &found[i]
		number[f.Kind]++
		if f.Name == "" {
			f.Name = nameByTensor(c.vertices[c.producer[f.Tensor]].node, f.Tensor)
		}
		if f.Name == "" || taken[f.Name] {
			f.Name = f.Kind
			if total[f.Kind] > 1 {
				f.Name = fmt.Sprintf("%s%d", f.Kind, number[f.Kind])
			}
		}
		for taken[f.Name] {
			f.Name += "x"
		}
		taken[f.Name] = true
	}
}

// nameByModule names candidates after the family of modules that tells most of them apart, then the rest
// after the next such family.
func nameByModule(found []Candidate, modules [][]string) {
	for {
		best, count := "", 0
		for family, members := range families(found, modules) {
			n := len(members)
			if n > count || n == count && (len(family) < len(best) || len(family) == len(best) && family < best) {
				best, count = family, n
			}
		}
		if count == 0 {
			return
		}
		members := families(found, modules)[best]
		short := shorten(members)
		for i, m := range members {
			found[i].Name = short[m]
		}
	}
}

// families groups the modules of unnamed candidates by their name with # for numbers. A family counts where
// each module of it holds one candidate only.
func families(found []Candidate, modules [][]string) map[string]map[int]string {
	fs := map[string]map[int]string{}
	for i := range found {
		if found[i].Name != "" {
			continue
		}
		for _, m := range modules[i] {
			f := digits.ReplaceAllString(m, "#")
			if fs[f] == nil {
				fs[f] = map[int]string{}
			}
			fs[f][i] = m
		}
	}
	for f, members := range fs {
		seen := map[string]bool{}
		for _, m := range members {
			seen[m] = true
		}
		if len(seen) < len(members) {
			delete(fs, f)
		}
	}
	return fs
}

// shorten drops leading components of module paths as long as the names stay apart and begin with a letter.
func shorten(members map[int]string) map[string]string {
	short := map[string]string{}
	for keep := 1; ; keep++ {
		clear(short)
		seen := map[string]bool{}
		good := true
		for _, m := range members {
			parts := strings.FieldsFunc(m, func(r rune) bool { return r == '.' || r == '/' })
			s := strings.Join(parts[max(0, len(parts)-keep):], ".")
			good = good && !seen[s] && (s[0] < '0' || s[0] > '9')
			seen[s], short[m] = true, s
			if keep >= len(parts) && !good {
				short[m] = m
			}
		}
		if good || keep > 16 {
			return short
		}
	}
}

// numberedModules lists the modules that a node lies in and whose own name holds a number, outermost first.
func numberedModules(n *onnx.Node) []string {
	var numbered []string
	for _, m := range moduleList(n) {
		own := m[strings.LastIndexAny(m, "./")+1:]
		if digits.MatchString(own) {
			numbered = append(numbered, m)
		}
	}
	return numbered
}

// moduleList lists the paths of the modules that a node lies in, outermost first, the node itself left out.
func moduleList(n *onnx.Node) []string {
	var list []string
	if n.Scope != "" {
		quotes := quoted.FindAllStringSubmatch(n.Scope, -1)
		for i, q := range quotes {
			if i < len(quotes)-1 && q[1] != "" {
				list = append(list, q[1])
			}
		}
		return list
	}
	parts := strings.Split(strings.Trim(n.Name, "/"), "/")
	path := ""
	for _, p := range parts[:len(parts)-1] {
		path = extend(path, p)
		list = append(list, path)
	}
	return list
}

// extend adds a component of a node's name to a module path. torch repeats the end of the path, as much of it as the
// module's own name has: layer1/layer1.0, stages/stages.1/blocks/blocks.2.
func extend(path, p string) string {
	for end := path; end != ""; {
		if strings.HasPrefix(p, end+".") {
			return path[:len(path)-len(end)] + p
		}
		dot := strings.IndexByte(end, '.')
		if dot < 0 {
			return path + "." + p
		}
		end = end[dot+1:]
	}
	return p
}

// nameByTensor is the tensor's name if a person may have given it; an exporter's counter, or an operator's
// name with a number, is none.
func nameByTensor(n *onnx.Node, tensor string) string {
	name := strings.TrimSuffix(tensor, ":0")
	bare := strings.Trim(digits.ReplaceAllString(name, ""), "_.")
	if n.Scope != "" || len(name) > longestName || !given.MatchString(name) || automatic.MatchString(name) || strings.EqualFold(bare, n.Op) {
		return ""
	}
	return name
}
