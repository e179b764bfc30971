package subject

import (
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
	"cortexmap/internal/strictyaml"
)

// roiChoice is a YAML file of regions: which files have more of them, which are put together from others, which are
// shown in which order, and the hierarchy.
type roiChoice struct {
	ROIs      []roiForm // as in subject.yaml, paths from the YAML file's folder
	Combined  map[string][]string
	Order     []string // only these; absent: all
	Hierarchy []Level
}

// givenROIs chooses the regions that were asked for: a set or a family by its name, or a YAML file.
func (b *builder) givenROIs() error {
	defer b.tellEmpty()
	word := b.options.ROIs
	if word == "" {
		return nil
	}
	if hasForm(word, ".yaml", ".yml") {
		return b.roiYAML(word)
	}
	s := b.s
	for _, set := range known().Sets {
		if set.Name == word {
			return named("regions", b.order("rois", set.Regions, true))
		}
	}
	var ours []string
	families := map[string]bool{}
	for _, r := range s.Regions {
		family := strings.TrimSuffix(strings.TrimSuffix(r.Name, base(r.Name)), "/")
		if families[family] = true; family == word {
			ours = append(ours, r.Name)
		}
	}
	if ours != nil {
		return b.order("rois", ours, false)
	}
	valid := slices.Sorted(maps.Keys(families))
	for _, set := range known().Sets {
		valid = append(valid, set.Name)
	}
	e := fault.Inputf("rois: %q is neither a set of regions nor a family that %s has", word, s.Name)
	if near := strictyaml.Nearest(word, valid); near != "" {
		return named("regions", e.Remedy("did you mean %s?", near))
	}
	return named("regions", e.Remedy("there are %s; or name a .yaml file of regions (README)", strings.Join(valid, ", ")))
}

// order keeps the named regions, in this order. Those that the subject lacks are told, and refused unless lacking is allowed.
func (b *builder) order(key string, names []string, lacking bool) error {
	s := b.s
	var out []Region
	keep := map[string]bool{}
	for _, name := range names {
		found, err := b.find(key, name)
		switch {
		case err != nil:
			return err
		case found != "":
			i := slices.IndexFunc(s.Regions, func(r Region) bool { return r.Name == found })
			out, keep[found] = append(out, s.Regions[i]), true
		case lacking:
			out = append(out, Region{Name: name})
		default:
			return fault.Inputf("%s: %s has no region %s", key, s.Name, name)
		}
	}
	for u, in := range s.ROIs {
		s.ROIs[u] = slices.DeleteFunc(slices.Clone(in), func(roi string) bool { return !keep[roi] })
	}
	s.Regions = out
	return nil
}

// find is the full name of a region; "" if the subject has none of that name.
func (b *builder) find(key, name string) (string, error) {
	var found []string
	for _, r := range b.s.Regions {
		if r.Name == name {
			return name, nil
		}
		if base(r.Name) == name {
			found = append(found, r.Name)
		}
	}
	if len(found) > 1 {
		return "", fault.Inputf("%s: %s is in several families: %s", key, name, strings.Join(found, ", ")).Remedy("write FAMILY/NAME")
	}
	if found == nil {
		return "", nil
	}
	return found[0], nil
}

// roiYAML reads a file of regions.
func (b *builder) roiYAML(path string) error {
	file, err := os.Open(path)
	if err != nil {
		return durable.Explain(err, path)
	}
	defer file.Close()
	data, err := io.ReadAll(io.LimitReader(file, 1<<21))
	if err != nil {
		return durable.Explain(err, path)
	}
	doc, err := strictyaml.Parse(path, data)
	if err != nil {
		return err
	}
	var c roiChoice
	if err := doc.Decode(&c); err != nil {
		return err
	}
	return named("regions", b.choose(path, doc, &c))
}

func (b *builder) choose(path string, doc *strictyaml.Doc, c *roiChoice) error {
	d := &description{ROIs: c.ROIs, Hierarchy: c.Hierarchy}
	for _, check := range []func(*strictyaml.Doc) error{d.checkROIs, d.checkHierarchy} {
		if err := check(doc); err != nil {
			return err
		}
	}
	root, err := os.OpenRoot(filepath.Dir(path))
	if err != nil {
		return durable.Explain(err, filepath.Dir(path))
	}
	defer root.Close()
	s := b.s
	r := newRegions(s.Units)
	beside := *b // reads files of the YAML's folder into the same subject
	beside.folder, beside.doc, beside.d = &folder{path: filepath.Dir(path), root: root}, doc, d
	if err := beside.collect(r); err != nil {
		return err
	}
	for _, name := range r.order {
		if slices.ContainsFunc(s.Regions, func(r Region) bool { return r.Name == name }) {
			return doc.Fault("rois", "the subject has a region %s already", name).Remedy("give the files another `family`")
		}
		s.Regions = append(s.Regions, *r.all[name])
	}
	for u, set := range r.units {
		for name := range set {
			s.ROIs[u] = append(s.ROIs[u], name)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(c.Combined)) {
		if err := b.combine(doc, name, c.Combined[name]); err != nil {
			return err
		}
	}
	for u := range s.ROIs {
		slices.Sort(s.ROIs[u])
	}
	for i, name := range c.Order {
		if found, err := b.find("order", name); err != nil || found == "" {
			if err == nil {
				err = doc.Fault("order."+strconv.Itoa(i), "%s has no region %s", s.Name, name)
			}
			return err
		}
	}
	if c.Order != nil {
		if err := b.order("order", c.Order, false); err != nil {
			return err
		}
	}
	if c.Hierarchy != nil {
		b.d.Hierarchy, b.doc = c.Hierarchy, doc
	}
	return nil
}

// combine makes a region of others.
func (b *builder) combine(doc *strictyaml.Doc, name string, parts []string) error {
	s, key := b.s, "combined."+name
	if found, _ := b.find(key, name); found == name {
		return doc.Fault(key, "the subject has a region %s already", name)
	}
	whole := Region{Name: name, Source: fmt.Sprintf("put together by %s", filepath.Base(b.options.ROIs))}
	for _, part := range parts {
		full, err := b.find(key, part)
		if err != nil {
			return err
		}
		if full == "" {
			return doc.Fault(key, "%s has no region %s", s.Name, part)
		}
		whole.Parts = append(whole.Parts, full)
		for _, r := range s.Regions {
			if r.Name == full {
				whole.Outside += r.Outside
			}
		}
	}
	for u, in := range s.ROIs {
		if slices.ContainsFunc(in, func(roi string) bool { return slices.Contains(whole.Parts, roi) }) {
			s.ROIs[u] = append(slices.Clone(in), name)
			whole.Units++
		}
	}
	s.Regions = append(s.Regions, whole)
	return nil
}
