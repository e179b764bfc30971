package extract

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestLayouts(t *testing.T) {
	var none []int64
	cases := []struct {
		name     string
		one, two []int64
		frozen   int64
		h, w     int
		want     []layout
	}{
		{"convolutional map", []int64{1, 64, 56, 56}, []int64{2, 64, 56, 56}, 0, 224, 224, []layout{{NCHW, 56, 56, 0, 64}}},
		{"channels last", []int64{1, 14, 14, 384}, []int64{2, 14, 14, 384}, 0, 224, 224, []layout{{NHWC, 14, 14, 0, 384}}},
		{"cube", []int64{1, 7, 7, 7}, []int64{2, 7, 7, 7}, 0, 224, 224, []layout{{NCHW, 7, 7, 0, 7}, {NHWC, 7, 7, 0, 7}}},
		{"mixer", []int64{1, 196, 512}, []int64{2, 196, 512}, 0, 224, 224, []layout{{NLC, 14, 14, 0, 512}}},
		{"class token", []int64{1, 197, 768}, []int64{2, 197, 768}, 0, 224, 224, []layout{{NLC, 14, 14, 1, 768}}},
		{"distilled", []int64{1, 198, 192}, []int64{2, 198, 192}, 0, 224, 224, []layout{{NLC, 14, 14, 2, 192}}},
		{"registers", []int64{1, 261, 384}, []int64{2, 261, 384}, 0, 224, 224, []layout{{NLC, 16, 16, 5, 384}}},
		{"tokens first", []int64{50, 1, 768}, []int64{50, 2, 768}, 0, 224, 224, []layout{{LNC, 7, 7, 1, 768}}},
		{"frozen batch", []int64{4, 197, 768}, none, 4, 224, 224, []layout{{NLC, 14, 14, 1, 768}}},
		{"frozen, tokens first", []int64{197, 1, 768}, none, 1, 224, 224, []layout{{LNC, 14, 14, 1, 768}}},
		{"wide picture", []int64{1, 256, 18, 32}, []int64{2, 256, 18, 32}, 0, 288, 512, []layout{{NCHW, 18, 32, 0, 256}}},
		{"wide, rounded", []int64{1, 256, 8, 13}, []int64{2, 256, 8, 13}, 0, 240, 400, []layout{{NCHW, 8, 13, 0, 256}}},
		{"wide and prefixed", []int64{1, 36, 64}, []int64{2, 36, 64}, 0, 64, 128, []layout{{NLC, 4, 8, 4, 64}}},
		{"two readings", []int64{1, 25, 64}, []int64{2, 25, 64}, 0, 80, 80, []layout{{NLC, 5, 5, 0, 64}, {NLC, 4, 4, 9, 64}}},
		{"windows", []int64{16, 49, 96}, []int64{32, 49, 96}, 0, 224, 224, nil},
		{"a vector", []int64{1, 1000}, []int64{2, 1000}, 0, 224, 224, nil},
		{"pooled", []int64{1, 512, 1, 1}, []int64{2, 512, 1, 1}, 0, 224, 224, nil},
		{"no batch", []int64{197, 768}, []int64{197, 768}, 0, 224, 224, nil},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			got, why := layouts(c.one, c.two, c.frozen, c.h, c.w)
			if d := cmp.Diff(fmt.Sprint(c.want), fmt.Sprint(got)); d != "" || (why == "") != (len(c.want) > 0) {
				t.Errorf("%s (%s)", d, why)
			}
		})
	}
}

// A patch must lie in the middle of one token, and name the same place on every grid.
func TestPatches(t *testing.T) {
	for _, grid := range [][2]int{{7, 7}, {14, 14}, {56, 56}, {9, 16}, {28, 28}} {
		h, w := grid[0], grid[1]
		ih, iw := h*8, w*8
		for _, p := range patches(h, w, ih, iw) {
			cell := p.cell(h, w, ih, iw)
			y, x := cell/w, cell%w
			if p.y < y*8 || p.y+p.side > (y+1)*8 || p.x < x*8 || p.x+p.side > (x+1)*8 {
				t.Errorf("%v: patch %v leaves its cell %d,%d", grid, p, y, x)
			}
		}
	}
}

func TestMostChanged(t *testing.T) {
	const h, w, c, n = 2, 3, 4, 2
	for _, l := range []layout{{NCHW, h, w, 0, c}, {NHWC, h, w, 0, c}, {NLC, h, w, 2, c}, {LNC, h, w, 2, c}} {
		for cell := range h * w {
			a := make([]float32, n*(l.prefix+h*w)*c)
			b := make([]float32, len(a))
			start, step := l.token(l.prefix+cell, n)
			b[start+2*step] = 1
			b[len(b)-1] = 9 // another image's
			if got := l.mostChanged(a, b, n); got != cell {
				t.Errorf("%s: got cell %d, want %d", l.kind, got, cell)
			}
		}
	}
}
