package draw

import (
	_ "embed"
	"encoding/hex"
	"image/color"
	"math"
	"strings"
	"sync"
)

// RGB is a display colour (sRGB, gamma included), 0..1 a component.
type RGB [3]float64

var (
	white = RGB{1, 1, 1}
	ink   = RGB{0.13, 0.13, 0.15} // text and axes
	faint = RGB{0.40, 0.41, 0.44} // secondary text: contrast 5.6 on white
	rule  = RGB{0.80, 0.80, 0.82} // grid lines and frames
	alarm = RGB{0.66, 0.25, 0.02} // the word "simulated"
)

func (c RGB) mul(f float64) RGB { return RGB{c[0] * f, c[1] * f, c[2] * f} }

// mix is c where f = 0 and d where f = 1.
func (c RGB) mix(d RGB, f float64) RGB {
	return RGB{c[0] + (d[0]-c[0])*f, c[1] + (d[1]-c[1])*f, c[2] + (d[2]-c[2])*f}
}

// RGBA is the nearest 8-bit colour.
func (c RGB) RGBA() color.RGBA { return color.RGBA{byteOf(c[0]), byteOf(c[1]), byteOf(c[2]), 255} }

func (c RGB) hex() string {
	x := c.RGBA()
	return "#" + hex.EncodeToString([]byte{x.R, x.G, x.B})
}

func byteOf(f float64) uint8 { return uint8(math.Round(255 * clamp(f, 0, 1))) }

func clamp(x, lo, hi float64) float64 { return math.Max(lo, math.Min(hi, x)) }

// ramp is a colour map of 256 rows.
type ramp [256]RGB

// at looks t in 0..1 up, as matplotlib does: row int(256 t), the last one for t = 1.
func (r *ramp) at(t float64) RGB { return r[int(clamp(t*256, 0, 255))] }

//go:embed colourmaps.txt
var colourTables string

// ramps parses the embedded tables once; they are constants in all but form.
var ramps = sync.OnceValue(func() map[string]*ramp {
	all := map[string]*ramp{}
	var now *ramp
	n := 0
	for line := range strings.Lines(colourTables) {
		if name, ok := strings.CutPrefix(strings.TrimSpace(line), "map "); ok {
			now, n = new(ramp), 0
			all[name] = now
			continue
		}
		if strings.HasPrefix(line, "#") {
			continue
		}
		for _, word := range strings.Fields(line) {
			b, err := hex.DecodeString(word)
			if err != nil || len(b) != 3 {
				panic("draw: colourmaps.txt is damaged at " + word)
			}
			now[n] = bytesRGB(b[0], b[1], b[2])
			n++
		}
	}
	return all
})

func bytesRGB(r, g, b uint8) RGB {
	return RGB{float64(r) / 255, float64(g) / 255, float64(b) / 255}
}

// okabeIto are eight colours that colour-blind people can tell apart (black left out, it is the outlines'),
// followed by twelve more for maps that need them: those can be told apart by name and place only.
var okabeIto = []RGB{
	bytesRGB(230, 159, 0), bytesRGB(86, 180, 233), bytesRGB(0, 158, 115), bytesRGB(240, 228, 66),
	bytesRGB(0, 114, 178), bytesRGB(213, 94, 0), bytesRGB(204, 121, 167), bytesRGB(127, 60, 141),
	bytesRGB(128, 186, 90), bytesRGB(165, 170, 153), bytesRGB(140, 86, 75), bytesRGB(23, 190, 207),
	bytesRGB(249, 123, 114), bytesRGB(50, 70, 110), bytesRGB(174, 199, 232), bytesRGB(152, 30, 50),
	bytesRGB(205, 200, 120), bytesRGB(255, 187, 216), bytesRGB(88, 80, 200), bytesRGB(0, 90, 50),
}

// tab20 are matplotlib's twenty categories, the publication's.
var tab20 = []RGB{
	bytesRGB(31, 119, 180), bytesRGB(174, 199, 232), bytesRGB(255, 127, 14), bytesRGB(255, 187, 120), bytesRGB(44, 160, 44),
	bytesRGB(152, 223, 138), bytesRGB(214, 39, 40), bytesRGB(255, 152, 150), bytesRGB(148, 103, 189), bytesRGB(197, 176, 213),
	bytesRGB(140, 86, 75), bytesRGB(196, 156, 148), bytesRGB(227, 119, 194), bytesRGB(247, 182, 210), bytesRGB(127, 127, 127),
	bytesRGB(199, 199, 199), bytesRGB(188, 189, 34), bytesRGB(219, 219, 141), bytesRGB(23, 190, 207), bytesRGB(158, 218, 229),
}

// Category is the colour of the i-th category; they repeat after twenty.
func (s Style) Category(i int) RGB {
	if s == Paper {
		return tab20[i%len(tab20)]
	}
	return okabeIto[i%len(okabeIto)]
}

// oklabStamp is the colour of an image point: u to the right, v up, both −1..1. Chroma grows from the grey
// centre to the edges on an Oklab plane of lightness 0.74; 0.125 is the largest radius inside sRGB. The
// square is mapped to a disc by (u √(1−v²/2), v √(1−u²/2)), so that corners keep their chroma.
func oklabStamp(u, v float64) RGB {
	u, v = clamp(u, -1, 1), clamp(v, -1, 1)
	return oklab(0.74, 0.125*u*math.Sqrt(1-v*v/2), 0.125*v*math.Sqrt(1-u*u/2))
}

// paperCorners are the decoded corner colours of the published stamp: top left, top right, bottom left,
// bottom right (paper.md 1.10, ±5 of 255).
var paperCorners = [4]RGB{bytesRGB(0, 205, 255), bytesRGB(24, 205, 0), bytesRGB(253, 70, 255), bytesRGB(255, 99, 0)}

// paperStamp interpolates the published corners bilinearly in Oklab; its centre is (176, 169, 163), the
// published one (173, 170, 169).
func paperStamp(u, v float64) RGB {
	s, t := (clamp(u, -1, 1)+1)/2, (clamp(v, -1, 1)+1)/2
	w := [4]float64{(1 - s) * t, s * t, (1 - s) * (1 - t), s * (1 - t)}
	var lab [3]float64
	for i, c := range paperCorners {
		for k, x := range toOklab(c) {
			lab[k] += w[i] * x
		}
	}
	return oklab(lab[0], lab[1], lab[2])
}

// oklab converts from Oklab (Björn Ottosson, 2020) to display sRGB, clipped.
func oklab(l, a, b float64) RGB {
	cube := func(x float64) float64 { return x * x * x }
	p := cube(l + 0.3963377774*a + 0.2158037573*b)
	q := cube(l - 0.1055613458*a - 0.0638541728*b)
	r := cube(l - 0.0894841775*a - 1.2914855480*b)
	return RGB{
		gamma(+4.0767416621*p - 3.3077115913*q + 0.2309699292*r),
		gamma(-1.2684380046*p + 2.6097574011*q - 0.3413193965*r),
		gamma(-0.0041960863*p - 0.7034186147*q + 1.7076147010*r),
	}
}

func toOklab(c RGB) [3]float64 {
	r, g, b := linear(c[0]), linear(c[1]), linear(c[2])
	p := math.Cbrt(0.4122214708*r + 0.5363325363*g + 0.0514459929*b)
	q := math.Cbrt(0.2119034982*r + 0.6806995451*g + 0.1073969566*b)
	s := math.Cbrt(0.0883024619*r + 0.2817188376*g + 0.6299787005*b)
	return [3]float64{
		0.2104542553*p + 0.7936177850*q - 0.0040720468*s,
		1.9779984951*p - 2.4285922050*q + 0.4505937099*s,
		0.0259040371*p + 0.7827717662*q - 0.8086757660*s,
	}
}

// gamma is sRGB's transfer function, linear its inverse.
func gamma(x float64) float64 {
	x = clamp(x, 0, 1)
	if x <= 0.0031308 {
		return 12.92 * x
	}
	return 1.055*math.Pow(x, 1/2.4) - 0.055
}

func linear(x float64) float64 {
	if x <= 0.04045 {
		return x / 12.92
	}
	return math.Pow((x+0.055)/1.055, 2.4)
}
