package subject

import (
	"bytes"
	"fmt"
	"image"
	"image/png"
	"runtime"
	"testing"
)

// windowsTree shows n different windows of one picture of 80 x 80.
func windowsTree(t testing.TB, n int) tree {
	var b, list bytes.Buffer
	if err := png.Encode(&b, image.NewGray(image.Rect(0, 0, 80, 80))); err != nil {
		t.Fatal(err)
	}
	list.WriteString("file,x,y,w,h\n")
	for i := range n {
		fmt.Fprintf(&list, "p.png,%d,%d,8,8\n", i%72, i/72)
	}
	return tree{"images/p.png": b.Bytes(), "l.csv": list.Bytes(),
		"subject.yaml": []byte("format: 1\nname: big\nimages: {folder: images, list: l.csv}\nresponses: {file: responses.npy, rows: images}\n")}
}

// A float32 file in C order with a row an image is used where it lies; the other way round costs one array
// of its size and a block.
func TestResponsesTakeLittleMemory(t *testing.T) {
	const images, units = 4000, 2000 // 32 MB
	data := make([]float32, images*units)
	for i := range data {
		data[i] = float32(i%1013) + float32(i/units)
	}
	size := uint64(4 * len(data))
	for _, c := range []struct {
		name  string
		tree  tree
		limit uint64
	}{
		// Per unit and per image there are a few hundred bytes of names, regions and digests: some 4 MB here.
		{"mapped", windowsTree(t, images).with("responses.npy", array(data, images, units)), size / 2},
		{"turned", windowsTree(t, images).yaml(t, "rows: images", "rows: units").with("responses.npy", array(transposed(data, images), units, images)), size + size/2 + 2*blockBytes},
	} {
		t.Run(c.name, func(t *testing.T) {
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			s := c.tree.mustOpen(t)
			runtime.ReadMemStats(&after)
			if took := after.TotalAlloc - before.TotalAlloc; took > c.limit {
				t.Errorf("opening responses of %d bytes took %d bytes of memory, %d are allowed", size, took, c.limit)
			}
			for _, i := range []int{0, units, 3*units + 17, len(data) - 1} {
				if s.Responses[i] != data[i] {
					t.Errorf("response %d is %v, want %v", i, s.Responses[i], data[i])
				}
			}
		})
	}
}
