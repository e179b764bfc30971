package draw

import (
	"image"
	"math"

	"cortexmap/internal/cortex"
)

type vec [3]float64

func (a vec) dot(b vec) float64 { return a[0]*b[0] + a[1]*b[1] + a[2]*b[2] }
func (a vec) sub(b vec) vec     { return vec{a[0] - b[0], a[1] - b[1], a[2] - b[2]} }
func (a vec) add(b vec) vec     { return vec{a[0] + b[0], a[1] + b[1], a[2] + b[2]} }
func (a vec) mul(s float64) vec { return vec{a[0] * s, a[1] * s, a[2] * s} }
func (a vec) cross(b vec) vec {
	return vec{a[1]*b[2] - a[2]*b[1], a[2]*b[0] - a[0]*b[2], a[0]*b[1] - a[1]*b[0]}
}
func (a vec) unit() vec {
	if n := math.Sqrt(a.dot(a)); n > 0 {
		return a.mul(1 / n)
	}
	return a
}

func vecOf(p [3]float32) vec { return vec{float64(p[0]), float64(p[1]), float64(p[2])} }

// view is a camera: where its right, its up and the viewer are, as unit vectors.
type view struct {
	name              string
	right, up, toward vec
}

// look is the camera that looks along dir with up upwards.
func look(name string, dir, up vec) view {
	r := dir.cross(up).unit()
	return view{name, r, r.cross(dir).unit(), dir.mul(-1).unit()}
}

var flatView = view{"flat", vec{1, 0, 0}, vec{0, 1, 0}, vec{0, 0, 1}}

// cameras are the four views of a hemisphere (0 lh, 1 rh), as the package comment lists them.
func cameras(side int) []view {
	up, out := vec{0, 0, 1}, vec{-1, 0, 0}
	if side == 1 {
		out = vec{1, 0, 0}
	}
	return []view{
		look("lateral", out.mul(-1), up),
		look("medial", out, up),
		look("ventral", up, out),
		look("posterior", vec{0, 1, 0}, up),
	}
}

// normals are the vertices' unit normals: sums of the faces' cross products, weighted by area so.
func normals(s *cortex.Surface) []vec {
	n := make([]vec, len(s.Points))
	for _, t := range s.Faces {
		a := vecOf(s.Points[t[0]])
		c := vecOf(s.Points[t[1]]).sub(a).cross(vecOf(s.Points[t[2]]).sub(a))
		for _, k := range t {
			n[k] = n[k].add(c)
		}
	}
	for i := range n {
		n[i] = n[i].unit()
	}
	return n
}

// frame is a rasterised view: for each sample the triangle that is seen there and the weights of its first
// two corners. It does not know colours, so that any number of maps is painted from one frame.
type frame struct {
	w, h   int // samples
	tri    []int32
	wa, wb []float32
	shade  []float32 // n·toward; nil on flat maps
	depth  []float32 // larger is nearer, in samples
}

// project puts points into samples: x right, y down, z towards the viewer; centre lands in the middle.
func project(points [][3]float32, v view, centre vec, scale float64, w, h int) []vec {
	out := make([]vec, len(points))
	for i, p := range points {
		d := vecOf(p).sub(centre)
		out[i] = vec{float64(w)/2 + scale*d.dot(v.right), float64(h)/2 - scale*d.dot(v.up), scale * d.dot(v.toward)}
	}
	return out
}

// rasterise fills the triangles of a projected surface (z-buffer, barycentric weights at sample centres,
// triangles without area skipped). Normals may be nil. A corner that is NaN takes its triangle out.
func rasterise(faces [][3]int32, s, normal []vec, toward vec, w, h int) *frame {
	f := &frame{w: w, h: h, tri: make([]int32, w*h), wa: make([]float32, w*h), wb: make([]float32, w*h), depth: make([]float32, w*h)}
	for i := range f.tri {
		f.tri[i], f.depth[i] = -1, float32(math.Inf(-1))
	}
	if normal != nil {
		f.shade = make([]float32, w*h)
	}
	for n, t := range faces {
		f.triangle(int32(n), s[t[0]], s[t[1]], s[t[2]])
	}
	if normal != nil {
		f.light(faces, normal, toward)
	}
	return f
}

func (f *frame) triangle(n int32, a, b, c vec) {
	area := (b[0]-a[0])*(c[1]-a[1]) - (b[1]-a[1])*(c[0]-a[0])
	if area == 0 || math.IsNaN(area) {
		return
	}
	x0, x1 := span(a[0], b[0], c[0], f.w)
	y0, y1 := span(a[1], b[1], c[1], f.h)
	for y := y0; y <= y1; y++ {
		for x := x0; x <= x1; x++ {
			fx, fy := float64(x)+0.5, float64(y)+0.5
			wa := ((b[0]-fx)*(c[1]-fy) - (b[1]-fy)*(c[0]-fx)) / area
			wb := ((c[0]-fx)*(a[1]-fy) - (c[1]-fy)*(a[0]-fx)) / area
			wc := 1 - wa - wb
			if wa < 0 || wb < 0 || wc < 0 {
				continue
			}
			i, z := y*f.w+x, float32(wa*a[2]+wb*b[2]+wc*c[2])
			if z > f.depth[i] {
				f.depth[i], f.tri[i], f.wa[i], f.wb[i] = z, n, float32(wa), float32(wb)
			}
		}
	}
}

// span are the first and last samples that three coordinates may touch, cut to 0..n-1.
func span(a, b, c float64, n int) (int, int) {
	return max(0, int(math.Floor(min(a, b, c)))), min(n-1, int(math.Ceil(max(a, b, c))))
}

// light fills shade for the samples that are seen.
func (f *frame) light(faces [][3]int32, normal []vec, toward vec) {
	for i, n := range f.tri {
		if n < 0 {
			continue
		}
		t, wa, wb := faces[n], float64(f.wa[i]), float64(f.wb[i])
		m := normal[t[0]].mul(wa).add(normal[t[1]].mul(wb)).add(normal[t[2]].mul(1 - wa - wb)).unit()
		f.shade[i] = float32(math.Max(0, m.dot(toward)))
	}
}

// weights are those of sample i on the corners of its triangle.
func (f *frame) weights(i int) [3]float64 {
	a, b := float64(f.wa[i]), float64(f.wb[i])
	return [3]float64{a, b, math.Max(0, 1-a-b)}
}

// ambient is the share of light that comes from everywhere; more shading would make the colours disagree
// with the colour bar.
const ambient = 0.62

// paint colours rows y0..y1-1 of dst from a frame with ss × ss samples a pixel; the page is white.
func (f *frame) paint(dst *image.RGBA, ss, y0, y1 int, colour func(tri int32, w [3]float64) RGB) {
	for y := y0; y < y1; y++ {
		for x := 0; x < f.w/ss; x++ {
			var sum RGB
			for j := 0; j < ss; j++ {
				for i := 0; i < ss; i++ {
					c := f.sample((y*ss+j)*f.w+x*ss+i, colour)
					sum = RGB{sum[0] + c[0], sum[1] + c[1], sum[2] + c[2]}
				}
			}
			dst.SetRGBA(x, y, sum.mul(1/float64(ss*ss)).RGBA())
		}
	}
}

func (f *frame) sample(i int, colour func(int32, [3]float64) RGB) RGB {
	if f.tri[i] < 0 {
		return white
	}
	c := colour(f.tri[i], f.weights(i))
	if f.shade != nil {
		c = c.mul(ambient + (1-ambient)*float64(f.shade[i]))
	}
	return c
}
