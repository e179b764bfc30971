package subject

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"

	"cortexmap/internal/fault"
	"cortexmap/internal/strictyaml"
)

// SplitOptions are fit.split of the configuration.
type SplitOptions struct {
	// By says what stays together: photo (windows of one photograph, by its id and by its file), image (only
	// what is the same picture), the name of a column of the list (its values, and photographs), cluster (photographs,
	// and what Clusters names alike), or given (exactly the list's column split).
	By        string
	Clusters  []int   // of cluster: a number a picture; -1: in none
	Val, Test float64 // fractions of the images, 0 <= each, together below 1
	Seed      uint64
}

// Splits divides the pictures into training, validation and test indices, each ascending.
//
// Pictures that belong together are one group and stay on one side. The column split decides for its
// rows and all that belong with them; if it names test pictures, nothing else is drawn for the test, and
// likewise for validation (which is drawn out of train where the column leaves nothing else). The rest is drawn group by group in an order that depends on the seed
// and the pictures' digests only, not on their order or names, until a side holds its fraction of all
// images, rounded, and at least one where the fraction isn't 0.
//
// A column that isn't there, sides that contradict each other within a group, and a side that stays empty
// although it was asked for are faults.
func Splits(s *Subject, o SplitOptions) (train, val, test []int, err error) {
	if o.Val < 0 || o.Test < 0 || !(o.Val+o.Test < 1) {
		return nil, nil, nil, fault.Inputf("fit.split: val %v and test %v must not be negative and together stay below 1", o.Val, o.Test)
	}
	side := slices.Clone(s.Split)
	if side == nil {
		side = make([]string, s.Images.Len())
	}
	if o.By == "given" {
		err = s.allGiven(side)
	} else {
		err = s.draw(side, o)
	}
	if err != nil {
		return nil, nil, nil, err
	}
	for n, name := range side {
		switch name {
		case "test":
			test = append(test, n)
		case "val":
			val = append(val, n)
		default:
			train = append(train, n)
		}
	}
	if len(train) == 0 {
		return nil, nil, nil, fault.Inputf("fit.split: no picture of %d is left for training (%d validation, %d test)", s.Images.Len(), len(val), len(test)).
			Remedy("lower fit.split.val and fit.split.test, or write train into the column split")
	}
	return train, val, test, nil
}

// allGiven checks that the column split says everything.
func (s *Subject) allGiven(side []string) error {
	for n, name := range side {
		if name == "" {
			return fault.Inputf("fit.split.by: given, but the list of %s has no split for %s", s.Name, s.Images.Stimuli[n].Label()).
				Remedy("write train, val or test into the column split of every row, or split by photo")
		}
	}
	return nil
}

// draw gives every picture without a side one.
func (s *Subject) draw(side []string, o SplitOptions) error {
	groups, err := s.groups(o.By, o.Clusters)
	if err != nil {
		return err
	}
	given := map[string]bool{}
	for _, name := range side {
		given[name] = true
	}
	var free []*group
	for _, g := range groups {
		name, err := g.given(s, side)
		if err != nil {
			return err
		}
		for _, n := range g.images {
			side[n] = name
		}
		if name == "" {
			free = append(free, g)
		}
	}
	s.order(free, o.Seed)
	for _, part := range []struct {
		name     string
		fraction float64
	}{{"test", o.Test}, {"val", o.Val}} {
		if given[part.name] || part.fraction == 0 {
			continue
		}
		// A column that names only train and test leaves the choice of validation pictures, out of train, to us.
		if part.name == "val" && len(free) == 0 {
			free = s.training(groups, side, o.Seed)
		}
		want := max(1, int(math.Round(part.fraction*float64(s.Images.Len()))))
		var taken int
		free, taken = take(free, side, part.name, want)
		if taken == 0 {
			return fault.Inputf("fit.split: %d pictures in %d groups (by %s) are too few for a %s part of %v", s.Images.Len(), len(groups), o.By, part.name, part.fraction).
				Remedy("split by image, or give the sides in the column split")
		}
	}
	return nil
}

// training are the groups that the column split calls train, in the drawing's order.
func (s *Subject) training(groups []*group, side []string, seed uint64) []*group {
	var out []*group
	for _, g := range groups {
		if side[g.images[0]] == "train" {
			out = append(out, g)
		}
	}
	s.order(out, seed)
	return out
}

// take puts groups onto a side until it holds about want images: a group that would overshoot by more than
// is missing is passed over, unless all are too large; then the smallest is taken. At least one is left.
func take(free []*group, side []string, name string, want int) (rest []*group, taken int) {
	if len(free) < 2 {
		return free, 0
	}
	put := func(g *group) {
		for _, n := range g.images {
			side[n] = name
		}
		taken += len(g.images)
	}
	for i, g := range free {
		last := i == len(free)-1 && len(rest) == 0
		if last || len(g.images) > 2*(want-taken) {
			rest = append(rest, g)
		} else {
			put(g)
		}
	}
	if taken == 0 {
		least := slices.MinFunc(rest, func(a, b *group) int { return len(a.images) - len(b.images) })
		put(least)
		rest = slices.DeleteFunc(rest, func(g *group) bool { return g == least })
	}
	return rest, taken
}

// Half is a random half of some images, photograph by photograph, ascending: about half of the images, from as many
// photographs as that takes. seed and pictures determine it, not their order. Images of one photograph have no half.
func Half(s *Subject, images []int, seed uint64) ([]int, error) {
	photos, err := s.groups("photo", nil)
	if err != nil {
		return nil, err
	}
	wanted := map[int]bool{}
	for _, n := range images {
		wanted[n] = true
	}
	s.order(photos, seed)
	var out []int
	for _, p := range photos {
		if 2*len(out) >= len(images) {
			break
		}
		for _, n := range p.images {
			if wanted[n] {
				out = append(out, n)
			}
		}
	}
	if len(out) == len(images) {
		return nil, fault.Inputf("%d training pictures of one photograph have no half", len(images)).Remedy("leave fit.half_samples out")
	}
	slices.Sort(out)
	return out, nil
}

// group is a set of images that stay together.
type group struct {
	images []int
	key    [32]byte // place in the drawing's order
}

// given is the side that the column split names for a group, "" if it names none.
func (g *group) given(s *Subject, side []string) (string, error) {
	name, by := "", 0
	for _, n := range g.images {
		if side[n] == "" {
			continue
		}
		if name != "" && side[n] != name {
			return "", fault.Inputf("%s is in %s and %s in %s, and they belong together", s.Images.Stimuli[by].Label(), name, s.Images.Stimuli[n].Label(), side[n]).
				Remedy("put them on one side in the column split, or give fit.split.by another value")
		}
		name, by = side[n], n
	}
	return name, nil
}

// order sorts groups by SHA-256 of the seed and the smallest digest among their images.
func (s *Subject) order(groups []*group, seed uint64) {
	for _, g := range groups {
		least := s.Images.Stimuli[g.images[0]].Digest
		for _, n := range g.images[1:] {
			if d := s.Images.Stimuli[n].Digest; bytes.Compare(d[:], least[:]) < 0 {
				least = d
			}
		}
		g.key = sha256.Sum256(binary.LittleEndian.AppendUint64(least[:], seed))
	}
	slices.SortFunc(groups, func(a, b *group) int { return bytes.Compare(a.key[:], b.key[:]) })
}

// groups joins the images that share, in any row, one of the values that By holds together, or a cluster.
func (s *Subject) groups(by string, clusters []int) ([]*group, error) {
	if err := s.CanSplitBy(by); err != nil {
		return nil, err
	}
	column := ""
	switch by {
	case "photo", "image":
	case "cluster":
		if len(clusters) != s.Images.Len() {
			return nil, fault.New(fault.Bug, "%d clusters of %d pictures", len(clusters), s.Images.Len())
		}
	default:
		column = by
	}
	u := newUnion(s.Images.Len())
	if by != "image" {
		for _, r := range s.list() {
			u.join(r.image, "file\x00"+r.file)
			u.join(r.image, "photo\x00"+r.photo)
			if column != "" {
				u.join(r.image, "column\x00"+r.columns[column])
			}
		}
	}
	for n, c := range clusters {
		if by == "cluster" && c >= 0 {
			u.join(n, fmt.Sprintf("cluster\x00%d", c))
		}
	}
	at := map[int]*group{}
	var out []*group
	for n := range s.Images.Len() {
		root := u.root(n)
		if at[root] == nil {
			at[root] = &group{}
			out = append(out, at[root])
		}
		at[root].images = append(at[root].images, n)
	}
	return out, nil
}

// list is every row of the list of images; for a subject that wasn't read from one, a row an image.
func (s *Subject) list() []row {
	if s.rows != nil {
		return s.rows
	}
	out := make([]row, s.Images.Len())
	for n := range out {
		st := &s.Images.Stimuli[n]
		out[n] = row{image: n, file: st.Name, photo: st.Photo, columns: st.Columns}
		if s.Photo != nil {
			out[n].photo = s.Photo[n]
		}
	}
	return out
}

// CanSplitBy refuses what SplitOptions.By can't be for this subject: a word that is no way of splitting, and no column of
// its list of images.
func (s *Subject) CanSplitBy(name string) error {
	if _, ok := s.Groups[name]; ok || slices.Contains([]string{"cluster", "given", "image", "photo"}, name) {
		return nil
	}
	valid := append(slices.Sorted(maps.Keys(s.Groups)), "cluster", "given", "image", "photo")
	e := fault.Inputf("fit.split.by is %q, which %s has no column for; it can be %s", name, s.Name, strings.Join(valid, ", "))
	if near := strictyaml.Nearest(name, valid); near != "" {
		return e.Remedy("did you mean %s?", near)
	}
	return e
}

// union joins images that share a value (disjoint sets with path halving).
type union struct {
	parent []int
	first  map[string]int // the first image with a value
}

func newUnion(n int) *union {
	u := &union{parent: make([]int, n), first: map[string]int{}}
	for i := range u.parent {
		u.parent[i] = i
	}
	return u
}

func (u *union) root(i int) int {
	for u.parent[i] != i {
		u.parent[i] = u.parent[u.parent[i]]
		i = u.parent[i]
	}
	return i
}

func (u *union) join(image int, value string) {
	other, ok := u.first[value]
	if !ok {
		u.first[value] = image
		return
	}
	// The smaller number becomes the root, so that the result doesn't depend on the order of joining.
	a, b := u.root(image), u.root(other)
	u.parent[max(a, b)] = min(a, b)
}

// String is for logs: sizes of the sides.
func (o SplitOptions) String() string {
	return fmt.Sprintf("by %s, val %v, test %v, seed %d", o.By, o.Val, o.Test, o.Seed)
}
