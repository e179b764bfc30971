package freesurfer

import (
	"bufio"
	"io"
	"strings"

	"cortexmap/internal/fault"
)

// Annot is a parcellation of one hemisphere.
type Annot struct {
	Label   []int32  // [N] index into Regions; -1: none
	Regions []Region // in the file's order
	Unknown int      // vertices whose value no region has; their Label is -1
}

// Region is one entry of the colour table.
type Region struct {
	Number         int32 // as the table has it; the place in version 1
	Name           string
	R, G, B, Trans uint8 // Trans = 255 - alpha
}

// packed is the value that a vertex of the region carries.
func (r Region) packed() int32 {
	return int32(r.R) | int32(r.G)<<8 | int32(r.B)<<16 | int32(r.Trans)<<24
}

// maxName bounds a region's or table's name.
const maxName = 1 << 12

// maxRegions bounds the table: packed colours of one transparency are 2^24, no atlas has a thousandth.
const maxRegions = 1 << 16

// ReadAnnot reads a .annot of version 1 or 2.
func ReadAnnot(r io.Reader) (*Annot, error) {
	in := newReader(r, "annot file")
	n := in.count("vertices")
	pairs := in.int32s(2 * n)
	if has := in.int32(); in.err == nil && has != 1 {
		return nil, fault.Inputf("the annot file has no colour table, so its regions have no names")
	}
	a := &Annot{}
	a.table(in)
	if in.err != nil {
		return nil, in.err
	}
	return a, a.assign(pairs)
}

// table reads the colour table of either version.
func (a *Annot) table(in *reader) {
	version := in.int32()
	count := version
	numbered := version == -2
	switch {
	case in.err != nil:
		return
	case numbered:
		in.int32() // highest number + 1: entries may be missing, so it isn't their count
		in.name()
		count = in.int32()
	case version > 0:
		in.name()
	default:
		in.err = fault.Inputf("the annot file's colour table has version %d; 1 and 2 are read", -int64(version))
		return
	}
	if in.err == nil && (count < 0 || count > maxRegions) {
		in.err = fault.Inputf("the annot file claims %d regions; at most %d are read", count, maxRegions)
	}
	for i := int32(0); in.err == nil && i < count; i++ {
		region := Region{Number: i}
		if numbered {
			region.Number = in.int32()
		}
		region.Name = in.name()
		for _, c := range []*uint8{&region.R, &region.G, &region.B, &region.Trans} {
			v := in.int32()
			if in.err == nil && (v < 0 || v > 255) {
				in.err = fault.Inputf("region %q of the annot file has the colour value %d, beyond 0..255", region.Name, v)
			}
			*c = uint8(v)
		}
		a.Regions = append(a.Regions, region)
	}
}

// assign turns the pairs' packed colours into places in Regions.
func (a *Annot) assign(pairs []int32) error {
	at := map[int32]int32{}
	for i := len(a.Regions) - 1; i >= 0; i-- { // backwards: of two alike the lower stays
		at[a.Regions[i].packed()] = int32(i)
	}
	n := len(pairs) / 2
	a.Label = make([]int32, n)
	for i := range a.Label {
		a.Label[i] = -2 // not named yet
	}
	for i := range n {
		v, value := pairs[2*i], pairs[2*i+1]
		if v < 0 || int(v) >= n {
			return fault.Inputf("the annot file names vertex %d, it has %d", v, n)
		}
		if a.Label[v] != -2 {
			return fault.Inputf("the annot file names vertex %d twice", v)
		}
		place, known := at[value]
		if !known {
			place = -1
			if value != 0 {
				a.Unknown++
			}
		}
		a.Label[v] = place
	}
	return nil
}

// name reads a length and so many bytes, of which a trailing NUL is dropped.
func (r *reader) name() string {
	n := r.int32()
	if r.err == nil && (n < 0 || n > maxName) {
		r.err = fault.Inputf("the %s claims a name of %d bytes; at most %d are read", r.what, n, maxName)
	}
	if r.err != nil {
		return ""
	}
	s, _, _ := strings.Cut(string(r.bytes(int(n))), "\x00")
	return s
}

// WriteAnnot writes version 2 under the table name given. Regions of one colour, a black one (which would
// read as no region) and labels outside the table are refused.
func WriteAnnot(w io.Writer, a *Annot, table string) error {
	seen := map[int32]string{0: "no region"}
	highest := int32(-1)
	for _, r := range a.Regions {
		if other, twice := seen[r.packed()]; twice {
			return fault.Inputf("%q and %q have the same colour %d %d %d, an annot file can't tell them apart", r.Name, other, r.R, r.G, r.B)
		}
		if len(r.Name) >= maxName || strings.Contains(r.Name, "\x00") {
			return fault.Inputf("the name %.40q doesn't fit into an annot file", r.Name)
		}
		seen[r.packed()] = r.Name
		highest = max(highest, r.Number)
	}
	b := bufio.NewWriter(w)
	put(b, int32(len(a.Label)))
	for v, l := range a.Label {
		value := int32(0)
		if l >= 0 {
			if int(l) >= len(a.Regions) {
				return fault.Inputf("vertex %d has label %d, there are %d regions", v, l, len(a.Regions))
			}
			value = a.Regions[l].packed()
		}
		put(b, int32(v), value)
	}
	put(b, int32(1), int32(-2), highest+1)
	putName(b, table)
	put(b, int32(len(a.Regions)))
	for _, r := range a.Regions {
		put(b, r.Number)
		putName(b, r.Name)
		put(b, int32(r.R), int32(r.G), int32(r.B), int32(r.Trans))
	}
	return b.Flush()
}

func putName(b *bufio.Writer, s string) {
	put(b, int32(len(s)+1))
	b.WriteString(s + "\x00")
}
