package draw

import (
	"strings"
	"sync"

	"golang.org/x/image/font"
	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/opentype"
)

// fonts parses the two embedded faces once.
var fonts = sync.OnceValue(func() [2]*opentype.Font {
	var out [2]*opentype.Font
	for i, ttf := range [][]byte{goregular.TTF, gobold.TTF} {
		f, err := opentype.Parse(ttf)
		if err != nil {
			panic("draw: the embedded font does not parse: " + err.Error())
		}
		out[i] = f
	}
	return out
})

// typesetter measures and holds faces of one sheet; a face must not be used by two goroutines.
type typesetter struct {
	faces map[faceKey]font.Face
}

type faceKey struct {
	size float64
	bold bool
}

func (t *typesetter) face(size float64, bold bool) font.Face {
	key := faceKey{size, bold}
	if f := t.faces[key]; f != nil {
		return f
	}
	which := 0
	if bold {
		which = 1
	}
	f, err := opentype.NewFace(fonts()[which], &opentype.FaceOptions{Size: size, DPI: 72, Hinting: font.HintingNone})
	if err != nil {
		panic("draw: no face of the embedded font: " + err.Error())
	}
	if t.faces == nil {
		t.faces = map[faceKey]font.Face{}
	}
	t.faces[key] = f
	return f
}

// width is how wide a string is, in the units of size.
func (t *typesetter) width(s string, size float64, bold bool) float64 {
	return float64(font.MeasureString(t.face(size, bold), s)) / 64
}

// wrap breaks a text into lines no wider than width; a single longer word stands alone.
func (t *typesetter) wrap(s string, size, width float64) []string {
	var lines []string
	line := ""
	for _, word := range strings.Fields(s) {
		longer := strings.TrimPrefix(line+" "+word, " ")
		if line != "" && t.width(longer, size, false) > width {
			lines = append(lines, line)
			longer = word
		}
		line = longer
	}
	if line != "" {
		lines = append(lines, line)
	}
	return lines
}

// fit shortens a string to a width, with an ellipsis where something was cut.
func (t *typesetter) fit(s string, size float64, bold bool, width float64) string {
	if t.width(s, size, bold) <= width {
		return s
	}
	r := []rune(s)
	for len(r) > 0 && t.width(string(r)+"…", size, bold) > width {
		r = r[:len(r)-1]
	}
	return string(r) + "…"
}
