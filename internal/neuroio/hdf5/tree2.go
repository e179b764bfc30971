package hdf5

// node2 is what the nodes of one level of a B-tree of version 2 have in common.
type node2 struct {
	records uint64 // at most, in one node
	total   uint64 // at most, in it and below
	pointer int    // bytes of a pointer to a node one level below
	count   int    // bytes in which total is written
}

// levels2 computes the sizes that nobody writes down: they follow from the size of a node.
func levels2(node, record uint64, depth int) []node2 {
	const around = 10 // signature, version, kind, checksum
	leaf := node2{records: (node - around) / record}
	leaf.total = leaf.records
	all := []node2{leaf}
	for level := 1; level <= depth; level++ {
		below := all[level-1]
		n := node2{pointer: 8 + bytesFor(leaf.records) + below.count}
		n.records = (node - around - min(uint64(n.pointer), node-around)) / (record + uint64(n.pointer))
		n.total = (n.records+1)*below.total + n.records
		n.count = bytesFor(n.total)
		all = append(all, n)
	}
	return all
}

// tree2 is a B-tree of version 2 on its way through.
//
//	header  0 4 "BTHD", 4 1 version 0, 5 1 kind, 6 4 bytes of a node, 10 2 of a record, 12 2 depth, 14 1 split,
//	        15 1 merge, 16 8 root, 24 2 its records, 26 8 records in all, 34 4 checksum
//	node    0 4 "BTIN" or, at depth 0, "BTLF", 4 1 version 0, 5 1 kind, records, pointers, 4 checksum
//	pointer 8 address, records of that node, and, above level 1, of all that are below it
type tree2 struct {
	w            *walk
	kind         byte
	node, record uint64
	levels       []node2
	take         func(record []byte)
	seen         uint64
}

// tree2 visits all records of the tree whose header is at an address; check looks at the kind and size of
// records first.
func (w *walk) tree2(at uint64, check func(kind byte, record int), take func(record []byte)) {
	h := w.read(at, 38)
	w.magic(h, at, "BTHD")
	w.sum(h, at)
	t := tree2{w: w, kind: h[5], node: uint64(le.Uint32(h[6:])), record: uint64(le.Uint16(h[10:])), take: take}
	depth := int(le.Uint16(h[12:]))
	if w.err == nil && (depth > 32 || t.record == 0 || t.node < t.record+18) {
		w.fail(at, "it has depth %d, nodes of %d bytes and records of %d", depth, t.node, t.record)
	}
	if w.err == nil {
		check(t.kind, int(t.record))
	}
	if w.err != nil || le.Uint64(h[16:]) == none {
		return
	}
	t.levels = levels2(t.node, t.record, depth)
	t.visit(le.Uint64(h[16:]), uint64(le.Uint16(h[24:])), depth)
	if w.err == nil && t.seen != le.Uint64(h[26:]) {
		w.fail(at, "it has %d records and says %d", t.seen, le.Uint64(h[26:]))
	}
}

func (t *tree2) visit(at, records uint64, level int) {
	b := t.w.read(at, int64(t.node))
	magic := "BTLF"
	if level > 0 {
		magic = "BTIN"
	}
	t.w.magic(b, at, magic)
	n := t.levels[level]
	if t.w.err == nil && (b[5] != t.kind || records > n.records) {
		t.w.fail(at, "it is a node of kind %d with %d records", b[5], records)
	}
	if t.w.err != nil {
		return
	}
	pointers := 6 + records*t.record
	used := pointers
	if level > 0 {
		used += (records + 1) * uint64(n.pointer)
	}
	t.w.sum(b[:used+4], at)
	for i := uint64(0); i < records && t.w.err == nil; i++ {
		t.take(b[6+i*t.record : 6+(i+1)*t.record])
	}
	t.seen += records
	if level == 0 {
		return
	}
	c := &cursor{b: b[pointers:used]}
	for range records + 1 {
		child, count := c.uint(8), c.uint(bytesFor(t.levels[0].records))
		c.take(t.levels[level-1].count)
		if t.w.err == nil {
			t.visit(child, count, level-1)
		}
	}
}

// tree2 reads the chunks of a dataset of which several dimensions can grow. A record of kind 10 is an
// address and 8 bytes a dimension, the place in the grid; one of kind 11, of filtered chunks, has size and
// mask between them.
func (d *Dataset) tree2(w *walk) {
	place := make([]uint64, len(d.Shape))
	entry := 0
	w.tree2(d.layout.at, func(kind byte, record int) {
		if entry = record - 8*len(place); kind != 10 && kind != 11 || entry < 8 {
			w.fail(d.layout.at, "it has records of kind %d and %d bytes", kind, record)
			return
		}
		d.entry(w, d.layout.at, kind-10, entry)
	}, func(r []byte) {
		for k := range place {
			place[k] = le.Uint64(r[entry+8*k:])
		}
		d.element(place, r[:entry])
	})
}
