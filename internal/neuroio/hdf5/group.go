package hdf5

import (
	"bytes"
	"fmt"
	"sort"
	"strings"

	"cortexmap/internal/fault"
)

// link is a name in a group.
type link struct {
	name string
	at   uint64 // the object's header; none: the link is soft, and names a path or another file
}

// Group is a group that was opened.
type Group struct {
	Attributes []Attribute

	f    *File
	at   uint64
	path string
}

// Object is a group or a dataset; the other is nil.
type Object struct {
	Group   *Group
	Dataset *Dataset
}

// Object opens what a path names; "" is the root.
func (f *File) Object(path string) (Object, error) {
	at, err := f.lookup(path)
	if err != nil {
		return Object{}, f.named(err)
	}
	return f.objectAt(at, path)
}

// Target opens what an element of class References points to.
func (f *File) Target(reference uint64) (Object, error) {
	return f.objectAt(reference, fmt.Sprintf("the object at %d", reference))
}

func (f *File) objectAt(at uint64, path string) (Object, error) {
	o, err := f.readObject(at, path)
	if err != nil {
		return Object{}, f.named(err)
	}
	return o, nil
}

func (f *File) readObject(at uint64, path string) (Object, error) {
	all, err := f.messages(at)
	if err != nil {
		return Object{}, err
	}
	if !isGroup(all) {
		d, err := f.dataset(all, path)
		return Object{Dataset: d}, err
	}
	g := &Group{f: f, at: at, path: path}
	g.Attributes, err = f.attributes(all)
	return Object{Group: g}, err
}

// Names lists what is in the group, sorted.
func (g *Group) Names() ([]string, error) {
	links, err := g.f.links(g.at, g.path)
	if err != nil {
		return nil, g.f.named(err)
	}
	names := make([]string, len(links))
	for i, l := range links {
		names[i] = l.name
	}
	sort.Strings(names)
	return names, nil
}

// Object opens a member of the group, or one of a group inside it.
func (g *Group) Object(path string) (Object, error) {
	at, err := g.f.follow(g.at, g.path, path)
	if err != nil {
		return Object{}, g.f.named(err)
	}
	return g.f.objectAt(at, g.path+"/"+path)
}

// Names lists what is in the group of a path, sorted; "" is the root.
func (f *File) Names(path string) ([]string, error) {
	o, err := f.Object(path)
	if err != nil {
		return nil, err
	}
	if o.Group == nil {
		return nil, f.named(fault.Inputf("%q of the HDF5 file is no group", path))
	}
	return o.Group.Names()
}

func isGroup(all []message) bool {
	for _, m := range all {
		if m.kind == msgSymbols || m.kind == msgLinkInfo || m.kind == msgLink {
			return true
		}
	}
	return false
}

// lookup follows a path from the root to an object's header.
func (f *File) lookup(path string) (uint64, error) { return f.follow(f.root, "", path) }

// follow follows a path from the group at an address, which is called done.
func (f *File) follow(at uint64, done, path string) (uint64, error) {
	for _, name := range split(path) {
		links, err := f.links(at, done)
		if err != nil {
			return 0, err
		}
		found := false
		var have []string
		for _, l := range links {
			have = append(have, l.name)
			if l.name != name {
				continue
			}
			if found = true; l.at == none {
				return 0, fault.Inputf("%q of the HDF5 file is a soft or external link, which isn't followed", done+"/"+name).
					Remedy("name the dataset itself")
			}
			at = l.at
		}
		if !found {
			sort.Strings(have)
			return 0, fault.Inputf("the HDF5 file has no %q: %s is in %q", path, few(have), "/"+strings.TrimPrefix(done, "/"))
		}
		done += "/" + name
	}
	return at, nil
}

// few lists some names.
func few(names []string) string {
	const most = 10
	if len(names) == 0 {
		return "nothing"
	}
	s := strings.Join(names[:min(most, len(names))], ", ")
	if more := len(names) - most; more > 0 {
		s += fmt.Sprintf(" and %d more", more)
	}
	return s
}

// links lists a group of either kind.
func (f *File) links(at uint64, path string) ([]link, error) {
	all, err := f.messages(at)
	if err != nil {
		return nil, err
	}
	if !isGroup(all) {
		return nil, fault.Inputf("%q of the HDF5 file is no group", path)
	}
	var out []link
	for _, m := range all {
		var l []link
		c := &cursor{b: m.body}
		switch m.kind {
		case msgSymbols:
			l, err = f.symbols(c.uint(8), c.uint(8))
			if c.err != nil {
				err = inMessage("symbol table", c.err)
			}
		case msgLink:
			l, err = []link{compact(c)}, inMessage("link", c.err)
		case msgLinkInfo:
			l, err = f.links2(c)
		}
		if err != nil {
			return nil, err
		}
		out = append(out, l...)
	}
	return out, nil
}

// compact reads a link message: version, flags, and by the flags a type, an order of creation and a
// character set, before the name's length, the name, and the object's address.
func compact(c *cursor) link {
	if v := c.uint(1); v != 1 {
		c.fail("version %d; 1 is read", v)
	}
	flags, soft := c.uint(1), false
	if flags&8 != 0 {
		soft = c.uint(1) != 0
	}
	if flags&4 != 0 {
		c.take(8)
	}
	if flags&16 != 0 {
		c.take(1)
	}
	l := link{name: string(c.take(c.int(1 << (flags & 3)))), at: none}
	if !soft {
		l.at = c.uint(8)
	}
	return l
}

// links2 lists the links that a group of many members keeps in a heap. The link info message has a version,
// flags, by the first flag the largest order of creation, and the addresses of the heap and of a tree of
// the links' names, whose records are 4 bytes of hash and an identifier.
func (f *File) links2(c *cursor) (out []link, err error) {
	c.take(1)
	if flags := c.uint(1); flags&1 != 0 {
		c.take(8)
	}
	heap, tree := c.uint(8), c.uint(8)
	if c.err != nil || heap == none {
		return nil, inMessage("link info", c.err)
	}
	all, err := f.dense(heap, tree, 5, 4, "heap of links")
	if err != nil {
		return nil, err
	}
	for _, b := range all {
		c := &cursor{b: b}
		out = append(out, compact(c))
		if c.err != nil {
			return nil, inMessage("link", c.err)
		}
	}
	return out, nil
}

// symbols lists a group of the old kind: a B-tree of version 1 whose leaves hold offsets into a heap of
// names.
//
//	heap  0 4 "HEAP", 4 1 version 0, 8 8 size of the names, 16 8 free list, 24 8 address of the names
//	leaf  0 4 "SNOD", 4 1 version 1, 6 2 entries; entry: 8 offset of the name, 8 header, 4 kind of cache, 4 -, 16 scratch
func (f *File) symbols(tree, heap uint64) ([]link, error) {
	w := f.walk("heap of names")
	h := w.read(heap, 32)
	w.magic(h, heap, "HEAP")
	names := w.read(le.Uint64(h[24:]), length(le.Uint64(h[8:])))
	if w.err != nil {
		return nil, w.err
	}
	var out []link
	w = f.walk("group")
	w.tree1(tree, 0, 8, -1, func(_ []byte, leaf uint64) {
		b := w.read(leaf, 8)
		w.magic(b, leaf, "SNOD")
		n := int(le.Uint16(b[6:]))
		b = w.read(leaf+8, int64(40*n))
		for i := 0; i < n && w.err == nil; i++ {
			e := b[40*i:]
			at := le.Uint64(e)
			end := -1
			if at < uint64(len(names)) {
				end = bytes.IndexByte(names[at:], 0)
			}
			if end < 0 {
				w.fail(leaf, "entry %d has a name outside the heap", i)
				return
			}
			l := link{string(names[at : at+uint64(end)]), le.Uint64(e[8:])}
			if le.Uint32(e[16:]) == 2 { // a soft link's path is in the heap, too
				l.at = none
			}
			out = append(out, l)
		}
	})
	return out, w.err
}

// tree1 visits the leaves of a B-tree of version 1, in order: the key before each child, and the child's
// address.
//
//	0 4 "TREE", 4 1 kind (0 groups, 1 chunks), 5 1 level, 6 2 entries, 8 8 left, 16 8 right,
//	24 key, child (8), key, child, …, key
//
// level is the one that the node must have; -1 at the top: levels must fall by one, or a cycle would never
// end.
func (w *walk) tree1(at uint64, kind byte, key int, level int, leaf func(key []byte, child uint64)) {
	h := w.read(at, 24)
	w.magic(h, at, "TREE")
	if w.err == nil && (h[4] != kind || level >= 0 && int(h[5]) != level) {
		w.fail(at, "it is a tree of kind %d and level %d, not %d and %d", h[4], h[5], kind, level)
	}
	n := int(le.Uint16(h[6:]))
	b := w.read(at+24, int64(n*(key+8)+key))
	for i := 0; i < n && w.err == nil; i++ {
		k := b[i*(key+8):]
		child := le.Uint64(k[key:])
		if h[5] == 0 {
			leaf(k[:key], child)
		} else {
			w.tree1(child, kind, key, int(h[5])-1, leaf)
		}
	}
}
