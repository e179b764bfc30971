package report

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"

	"cortexmap/analyze/draw"
)

// A page that is mailed stays below 15 MB, however many mappings it is about. What gives way, in this order, is said on
// the page, and lies in the files beside it:
//
//	pictures   256 colours, then fewer pixels down to half the side, then none: the last maps of the last mappings first
//	cortex     the maps of the last mappings
//	parts      mappings, comparisons and sections beyond the first 24, or fewer if they still fill the page
const (
	pageMost    = 15_000_000 // bytes of report.html
	pictureMost = 6 << 20    // bytes of PNG; base64 makes a third more of them
	cortexMost  = 3 << 20    // bytes of the interactive cortex's compressed numbers, the surfaces' own not counted
	partsMost   = 24
	// manyParts are folded: a page of more mappings shows their headings and key numbers.
	manyParts = 3
)

// leastScale is where a plate's words stop being legible.
const leastScale = 0.5

// fitPictures reduces the pictures until they take no more than budget bytes, and takes the others out.
func (d *drawn) fitPictures(ctx context.Context, budget int) error {
	order := d.pictures()
	total := func() (n int) {
		for _, f := range order {
			n += len(f.file)
		}
		return n
	}
	full := make([][]byte, len(order))
	for i, f := range order {
		full[i] = f.file
	}
	for scale := 1.0; total() > budget && (!d.reduced || scale > leastScale); d.reduced = true {
		if d.reduced { // a picture's bytes fall more slowly than its pixels: edges weigh more
			scale = math.Max(leastScale, 0.95*scale*math.Pow(float64(budget)/float64(total()), 1/1.4))
		}
		for i, f := range order {
			if err := ctx.Err(); err != nil {
				return err
			}
			var err error
			if f.file, err = draw.Reduce(full[i], scale); err != nil {
				return err
			}
		}
	}
	for n := len(order); total() > budget; n-- {
		order[n-1].file = nil
	}
	for _, f := range order {
		if f.file != nil {
			f.PNG, f.file = dataURI(f.file), nil
		}
	}
	d.takeOut()
	return nil
}

// pictures are the page's, the most important first: the first of each comparison, mapping and section, then the
// second of each, and so on.
func (d *drawn) pictures() (order []*figure) {
	var lists [][]*figure
	for i := range d.compared {
		lists = append(lists, append(pointers(d.compared[i].Differences), pointers(d.compared[i].Pair)...))
	}
	for i := range d.runs {
		list := pointers(d.runs[i].Plates)
		for _, s := range d.runs[i].Sections {
			list = append(list, s.Figures...)
		}
		lists = append(lists, list)
	}
	for _, s := range d.sections {
		lists = append(lists, s.Figures)
	}
	for place, more := 0, true; more; place++ {
		more = false
		for _, list := range lists {
			if place < len(list) {
				more = true
				if list[place].file != nil {
					order = append(order, list[place])
				}
			}
		}
	}
	return order
}

// takeOut removes the figures whose pictures were left out, and counts them.
func (d *drawn) takeOut() {
	for i := range d.runs {
		r := &d.runs[i]
		r.Plates, r.LeftOut = keep(r.Plates)
		for k := range r.Sections {
			r.Sections[k].keep()
		}
	}
	for i := range d.compared {
		c := &d.compared[i]
		var pair int
		c.Differences, c.LeftOut = keep(c.Differences)
		c.Pair, pair = keep(c.Pair)
		c.LeftOut += pair
	}
	for i := range d.sections {
		d.sections[i].keep()
	}
}

func pointers(list []figure) (out []*figure) {
	for i := range list {
		out = append(out, &list[i])
	}
	return out
}

// keep takes out the plates whose picture was left out, and counts them.
func keep(list []figure) ([]figure, int) {
	n := len(list)
	list = slices.DeleteFunc(list, func(f figure) bool { return f.PNG == "" })
	return list, n - len(list)
}

func (s *section) keep() {
	n := len(s.Figures)
	s.Figures = slices.DeleteFunc(s.Figures, func(f *figure) bool { return f.PNG == "" && f.SVG == "" })
	s.LeftOut = n - len(s.Figures)
}

// leftOut says how many pictures of a part are files only; "" for none.
func leftOut(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("For the page’s size, %s of this part are not shown here: they lie in plates/.", plural(n, "picture", "pictures"))
}

// firstOf says that only the first of something have parts on the page; "" if all have.
func firstOf(shown, n int, what string) string {
	if n <= shown {
		return ""
	}
	return fmt.Sprintf("For the page’s size, only the first %s of %s %s have a part of their own below: tables/ and plates/ have all of them.", count(shown), count(n), what)
}

// sizeNotes tell what the page's size cost.
func sizeNotes(reduced bool, notes ...string) string {
	if reduced {
		notes = append(notes, "The pictures on this page are reduced in colours, or in pixels too; those in plates/ are not.")
	}
	return strings.TrimSpace(strings.Join(slices.DeleteFunc(notes, func(s string) bool { return s == "" }), " "))
}
