package extract

import (
	"bytes"
	"errors"
	"fmt"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"testing/fstest"

	"cortexmap/internal/fault"
	"cortexmap/internal/ort/orttest"
	"cortexmap/internal/store"
)

// TestEveryPictureIsAccountedFor: of random folders of good and bad pictures, twins among them, rows and pictures that
// were left out are all pictures, each once, in order; without KeepGoing the first bad one ends the run and is named.
func TestEveryPictureIsAccountedFor(t *testing.T) {
	rt, net := orttest.Runtime(t), fixture(t, "resnet.ts.onnx")
	for seed := range uint64(8) {
		r := rand.New(rand.NewPCG(17, seed))
		files, bad := randomFolder(t, r)
		set := pictureSet(t, files)
		var want []string // left out
		for _, s := range set.Stimuli {
			if bad[s.Name] {
				want = append(want, s.Name)
			}
		}
		o := RunOptions{Key: "k", Batch: 1 + r.IntN(4), PartRows: 1 + r.IntN(5), Threads: 1 + r.IntN(2)}
		_, err := Run(t.Context(), rt, net, set, t.TempDir(), o)
		if (err != nil) != (len(want) > 0) {
			t.Fatalf("seed %d: %d bad pictures, %v", seed, len(want), err)
		}
		var f *fault.Error
		if err != nil && (!errors.As(err, &f) || f.Class != fault.Input || !slices.ContainsFunc(want, func(name string) bool { return strings.Contains(f.At, name) })) {
			t.Errorf("seed %d: got %v, want one of %q", seed, err, want)
		}
		o.KeepGoing = true
		dir := t.TempDir()
		m, err := Run(t.Context(), rt, net, set, dir, o)
		if len(want) == set.Len() {
			if fault.ClassOf(err) != fault.Input {
				t.Errorf("seed %d: no good picture: %v", seed, err)
			}
			continue
		}
		if err != nil {
			t.Fatalf("seed %d: %v", seed, err)
		}
		if !slices.Equal(m.LeftOut, want) || m.Images+len(want) != set.Len() {
			t.Errorf("seed %d: of %d pictures %d are rows, left out %q, want %q", seed, set.Len(), m.Images, m.LeftOut, want)
		}
		checkRows(t, openStore(t, dir), set.Len(), func(i int) (store.Digest, bool) { return set.Stimuli[i].Digest, bad[set.Stimuli[i].Name] })
	}
}

// checkRows: the rows are the pictures that aren't bad, in order.
func checkRows(t *testing.T, f *store.Features, n int, picture func(i int) (store.Digest, bool)) {
	t.Helper()
	row := 0
	for i := range n {
		digest, bad := picture(i)
		if bad {
			continue
		}
		if row >= f.Len() || f.Index[row] != int64(i) || f.Images[row] != digest {
			t.Fatalf("picture %d is not row %d", i, row)
		}
		row++
	}
	if row != f.Len() {
		t.Errorf("%d rows for %d good pictures", f.Len(), row)
	}
}

// randomFolder has 1 to 24 pictures of random sizes and kinds under random names, some of them empty, cut short, of
// another kind, or with noise for contents; some stand there twice.
func randomFolder(t *testing.T, r *rand.Rand) (files fstest.MapFS, bad map[string]bool) {
	t.Helper()
	files, bad = fstest.MapFS{}, map[string]bool{}
	share := r.Float64() // of bad ones
	var twin []byte
	for i := range 1 + r.IntN(24) {
		name := fmt.Sprintf("%c%d/%c.%s", 'a'+r.IntN(3), r.IntN(3), 'A'+i, []string{"png", "JPG", "x y.jpeg"}[r.IntN(3)])
		data := encoded(t, r)
		if twin != nil && r.IntN(4) == 0 {
			data = twin
		}
		twin = data
		if bad[name] = r.Float64() < share; bad[name] {
			switch r.IntN(4) {
			case 0:
				data = nil
			case 1:
				data = data[:20+r.IntN(20)]
			case 2:
				data = []byte("GIF89a and so on")
			default:
				data = slices.Concat(data[:8], make([]byte, 60))
			}
		}
		files[name] = &fstest.MapFile{Data: data}
	}
	return files, bad
}

// encoded is a random picture: grey, coloured, with alpha or 16 bits deep, as PNG or JPEG, one pixel wide and more.
func encoded(t *testing.T, r *rand.Rand) []byte {
	t.Helper()
	box := image.Rect(0, 0, 1+r.IntN(40), 1+r.IntN(40))
	var img interface {
		image.Image
		Set(x, y int, c color.Color)
	}
	switch r.IntN(4) {
	case 0:
		img = image.NewGray(box)
	case 1:
		img = image.NewNRGBA(box)
	case 2:
		img = image.NewNRGBA64(box)
	default:
		img = image.NewRGBA(box)
	}
	for y := range box.Dy() {
		for x := range box.Dx() {
			img.Set(x, y, color.NRGBA{uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(r.IntN(256)), uint8(128 + r.IntN(128))})
		}
	}
	var b bytes.Buffer
	var err error
	if r.IntN(2) == 0 {
		err = png.Encode(&b, img)
	} else {
		err = jpeg.Encode(&b, img, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}
