package draw

import (
	"bytes"
	"encoding/base64"
	"encoding/xml"
	"fmt"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"strings"

	"golang.org/x/image/font"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
)

// sheet is a page of w × h logical pixels, described by operations that PNG and SVG both understand.
type sheet struct {
	w, h  float64
	scale float64 // device pixels a logical pixel, for PNG
	typ   typesetter
	ops   []op
}

// op is one thing on a sheet; the names of its fields say which kind it is.
type op struct {
	picture *image.RGBA // already in device pixels, its corner at x, y
	text    string
	line    [][2]float64 // a polyline, or a polygon if fill is set
	x, y    float64      // text: the baseline
	size    float64      // of text
	bold    bool
	halo    bool    // a white rim around text
	anchor  align   // of text
	width   float64 // of a line
	dash    bool
	colour  RGB
	alpha   float64 // 0 means opaque
	fill    bool
}

type align int

const (
	start align = iota
	middle
	end
)

func (s *sheet) picture(img *image.RGBA, x, y float64) {
	// whole device pixels, or the picture would have to be resampled
	x, y = math.Round(x*s.scale)/s.scale, math.Round(y*s.scale)/s.scale
	s.ops = append(s.ops, op{picture: img, x: x, y: y})
}

func (s *sheet) text(t string, x, y, size float64, a align, c RGB, bold bool) {
	s.ops = append(s.ops, op{text: t, x: x, y: y, size: size, anchor: a, colour: c, bold: bold})
}

func (s *sheet) line(points [][2]float64, width float64, c RGB) {
	s.ops = append(s.ops, op{line: points, width: width, colour: c})
}

func (s *sheet) polygon(points [][2]float64, c RGB, alpha float64) {
	s.ops = append(s.ops, op{line: points, fill: true, colour: c, alpha: alpha})
}

func (s *sheet) box(x, y, w, h float64, c RGB) {
	s.polygon([][2]float64{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}}, c, 1)
}

func (s *sheet) frame(x, y, w, h, width float64, c RGB) {
	s.line([][2]float64{{x, y}, {x + w, y}, {x + w, y + h}, {x, y + h}, {x, y}}, width, c)
}

func (s *sheet) disc(x, y, r float64, c RGB) { s.polygon(circle(x, y, r), c, 1) }

func circle(x, y, r float64) [][2]float64 {
	const n = 20
	p := make([][2]float64, n)
	for i := range p {
		a := 2 * math.Pi * float64(i) / n
		p[i] = [2]float64{x + r*math.Cos(a), y + r*math.Sin(a)}
	}
	return p
}

// paint turns the operations into pixels.
func (s *sheet) paint() *image.RGBA {
	img := image.NewRGBA(image.Rect(0, 0, int(math.Ceil(s.w*s.scale)), int(math.Ceil(s.h*s.scale))))
	draw.Draw(img, img.Bounds(), image.White, image.Point{}, draw.Src)
	c := canvas{img: img, scale: s.scale}
	for _, o := range s.ops {
		switch {
		case o.picture != nil:
			at := image.Pt(int(math.Round(o.x*s.scale)), int(math.Round(o.y*s.scale)))
			draw.Draw(img, o.picture.Bounds().Add(at), o.picture, image.Point{}, draw.Over)
		case o.text != "":
			c.text(o)
		default:
			c.shape(o)
		}
	}
	return img
}

// canvas paints operations on an image.
type canvas struct {
	img   *image.RGBA
	scale float64
	typ   typesetter
	vec   vector.Rasterizer
}

func (c *canvas) text(o op) {
	face := c.typ.face(o.size*c.scale, o.bold)
	width := float64(font.MeasureString(face, o.text)) / 64
	x := o.x*c.scale - width*float64(o.anchor)/2
	put := func(dx, dy float64, col RGB) {
		d := font.Drawer{Dst: c.img, Src: image.NewUniform(col.RGBA()), Face: face,
			Dot: fixed.Point26_6{X: fixed.Int26_6(64 * (x + dx)), Y: fixed.Int26_6(64 * (o.y*c.scale + dy))}}
		d.DrawString(o.text)
	}
	if o.halo {
		for i := range 12 {
			a := math.Pi * float64(i) / 6
			put(haloWidth*c.scale*math.Cos(a), haloWidth*c.scale*math.Sin(a), white)
		}
	}
	put(0, 0, o.colour)
}

const haloWidth = 1.6

// shape fills a polygon or strokes a polyline with round joints.
func (c *canvas) shape(o op) {
	lines := [][][2]float64{o.line}
	if !o.fill && o.dash {
		lines = dashes(o.line, 4)
	}
	var x0, y0, x1, y1 = math.Inf(1), math.Inf(1), math.Inf(-1), math.Inf(-1)
	pad := o.width/2 + 1
	for _, p := range o.line {
		x0, y0 = math.Min(x0, p[0]-pad), math.Min(y0, p[1]-pad)
		x1, y1 = math.Max(x1, p[0]+pad), math.Max(y1, p[1]+pad)
	}
	r := image.Rect(int(x0*c.scale), int(y0*c.scale), int(x1*c.scale)+2, int(y1*c.scale)+2).Intersect(c.img.Bounds())
	if r.Empty() {
		return
	}
	c.vec.Reset(r.Dx(), r.Dy())
	for _, line := range lines {
		if o.fill {
			c.add(line, r.Min)
		} else {
			c.stroke(line, o.width/2, r.Min)
		}
	}
	a := o.alpha
	if a == 0 {
		a = 1
	}
	rgba := o.colour.RGBA()
	src := image.NewUniform(color.NRGBA{rgba.R, rgba.G, rgba.B, byteOf(a)})
	c.vec.Draw(c.img, r, src, image.Point{})
}

// stroke adds each segment as a rectangle and each point as a disc, all turning the same way, so that
// overlaps stay covered once.
func (c *canvas) stroke(line [][2]float64, half float64, origin image.Point) {
	for i, p := range line {
		c.add(circle(p[0], p[1], half), origin)
		if i == 0 {
			continue
		}
		q := line[i-1]
		dx, dy := p[0]-q[0], p[1]-q[1]
		n := math.Hypot(dx, dy)
		if n == 0 {
			continue
		}
		nx, ny := -dy/n*half, dx/n*half
		c.add([][2]float64{{q[0] - nx, q[1] - ny}, {p[0] - nx, p[1] - ny}, {p[0] + nx, p[1] + ny}, {q[0] + nx, q[1] + ny}}, origin)
	}
}

func (c *canvas) add(polygon [][2]float64, origin image.Point) {
	for i, p := range polygon {
		x, y := float32(p[0]*c.scale)-float32(origin.X), float32(p[1]*c.scale)-float32(origin.Y)
		if i == 0 {
			c.vec.MoveTo(x, y)
		} else {
			c.vec.LineTo(x, y)
		}
	}
	c.vec.ClosePath()
}

// dashes cuts a polyline into pieces of the given length with gaps as long.
func dashes(line [][2]float64, length float64) [][][2]float64 {
	var out [][][2]float64
	on, left := true, length
	for i := 1; i < len(line); i++ {
		p, q := line[i-1], line[i]
		d := math.Hypot(q[0]-p[0], q[1]-p[1])
		for done := 0.0; done < d; {
			step := math.Min(left, d-done)
			a, b := done/d, (done+step)/d
			if on {
				out = append(out, [][2]float64{{p[0] + a*(q[0]-p[0]), p[1] + a*(q[1]-p[1])}, {p[0] + b*(q[0]-p[0]), p[1] + b*(q[1]-p[1])}})
			}
			done += step
			if left -= step; left <= 1e-9 {
				on, left = !on, length
			}
		}
	}
	return out
}

// encode is the PNG of an image.
func encode(img image.Image) ([]byte, error) {
	var buf bytes.Buffer
	err := png.Encode(&buf, img)
	return buf.Bytes(), err
}

// svg writes the sheet with pictures embedded, and lines and text as such.
func (s *sheet) svg(title, description string) ([]byte, error) {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 %s %s" width="%s" height="%s" role="img" font-family="Go, Helvetica, Arial, sans-serif">`,
		num(s.w), num(s.h), num(s.w), num(s.h))
	fmt.Fprintf(&b, "\n<title>%s</title>\n<desc>%s</desc>\n", escape(title), escape(description))
	fmt.Fprintf(&b, `<rect width="%s" height="%s" fill="#fff"/>`+"\n", num(s.w), num(s.h))
	for _, o := range s.ops {
		switch {
		case o.picture != nil:
			data, err := encode(o.picture)
			if err != nil {
				return nil, err
			}
			size := o.picture.Bounds().Size()
			fmt.Fprintf(&b, `<image x="%s" y="%s" width="%s" height="%s" href="data:image/png;base64,%s"/>`+"\n",
				num(o.x), num(o.y), num(float64(size.X)/s.scale), num(float64(size.Y)/s.scale), base64.StdEncoding.EncodeToString(data))
		case o.text != "":
			b.WriteString(o.svgText())
		default:
			b.WriteString(o.svgShape())
		}
	}
	b.WriteString("</svg>\n")
	return []byte(b.String()), nil
}

func (o op) svgText() string {
	var extra string
	if o.bold {
		extra += ` font-weight="bold"`
	}
	if o.anchor != start {
		extra += ` text-anchor="` + [...]string{"start", "middle", "end"}[o.anchor] + `"`
	}
	if o.halo {
		extra += fmt.Sprintf(` paint-order="stroke" stroke="#fff" stroke-width="%s" stroke-linejoin="round"`, num(2*haloWidth))
	}
	return fmt.Sprintf(`<text x="%s" y="%s" font-size="%s" fill="%s"%s>%s</text>`+"\n", num(o.x), num(o.y), num(o.size), o.colour.hex(), extra, escape(o.text))
}

func (o op) svgShape() string {
	var d strings.Builder
	for i, p := range o.line {
		letter := "L"
		if i == 0 {
			letter = "M"
		}
		d.WriteString(letter + num(p[0]) + " " + num(p[1]))
	}
	if o.fill {
		opacity := ""
		if o.alpha != 0 && o.alpha != 1 {
			opacity = fmt.Sprintf(` fill-opacity="%s"`, num(o.alpha))
		}
		return fmt.Sprintf(`<path d="%sZ" fill="%s"%s/>`+"\n", d.String(), o.colour.hex(), opacity)
	}
	dash := ""
	if o.dash {
		dash = ` stroke-dasharray="4 4"`
	}
	return fmt.Sprintf(`<path d="%s" fill="none" stroke="%s" stroke-width="%s" stroke-linecap="round" stroke-linejoin="round"%s/>`+"\n", d.String(), o.colour.hex(), num(o.width), dash)
}

// num writes a coordinate with two decimals at most.
func num(x float64) string {
	s := fmt.Sprintf("%.2f", x)
	s = strings.TrimRight(strings.TrimRight(s, "0"), ".")
	if s == "-0" {
		return "0"
	}
	return s
}

func escape(s string) string {
	var b bytes.Buffer
	xml.EscapeText(&b, []byte(s)) // writing to a bytes.Buffer can't fail
	return b.String()
}
