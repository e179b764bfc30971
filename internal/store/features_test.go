package store

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// testStore describes a small store whose numbers are known: token t, channel d of image n in layer l.
type testStore struct {
	layers      []Layer
	images      int
	tokens      int
	part        int // rows a part
	compression string
}

func newTestStore() testStore {
	return testStore{
		layers: []Layer{
			{Index: 0, Name: "stem/conv", Tensor: "t0", Kind: "conv", Layout: "NCHW", Width: 3, Grid: [2]int{16, 16}, Global: "mean", Why: "test"},
			{Index: 1, Name: "block 1", Tensor: "t1", Kind: "block", Layout: "NLC", Width: 8, Grid: [2]int{7, 7}, Prefix: 1, Global: "cls", Why: "test"},
		},
		images: 7, tokens: 65, part: 4,
	}
}

func (s testStore) number(l, n, t, d int) uint16 {
	return Half(float32(l*1000+n*100+t) + float32(d)/16)
}

func (s testStore) image(n int) Digest { return sha256.Sum256([]byte{byte(n), byte(n >> 8)}) }

func (s testStore) meta(l int) FeatureMeta {
	return FeatureMeta{Layer: s.layers[l], Tokens: s.tokens, ModelSHA256: strings.Repeat("ab", 32), Key: "0123456789ab", Compression: s.compression}
}

func (s testStore) row(l, n int) []byte {
	b := make([]byte, 0, s.meta(l).RowBytes())
	for t := range s.tokens {
		for d := range s.layers[l].Width {
			b = binary.LittleEndian.AppendUint16(b, s.number(l, n, t, d))
		}
	}
	return b
}

func (s testStore) write(tb testing.TB, dir string) {
	tb.Helper()
	for l := range s.layers {
		for start := 0; start < s.images; start += s.part {
			w, err := NewFeatureWriter(PartPath(dir, s.layers[l], len(s.layers), start/s.part), s.meta(l))
			if err != nil {
				tb.Fatal(err)
			}
			for n := start; n < min(start+s.part, s.images); n++ {
				if err := w.Append(s.image(n), int64(2*n), s.row(l, n)); err != nil {
					tb.Fatal(err)
				}
			}
			if err := w.Close(); err != nil {
				tb.Fatal(err)
			}
		}
	}
	if err := WriteLayers(dir, s.layers); err != nil {
		tb.Fatal(err)
	}
	m := Manifest{Key: "0123456789ab", Model: ModelRef{Name: "tiny", SHA256: strings.Repeat("ab", 32)}, ImageSet: "set",
		Images: s.images, Grid: 8, Protocol: "sound", Precision: "float32", Compression: s.compression,
		Warnings: []Warning{{"guess-preprocessing", "guessed"}}, Version: "test"}
	if err := WriteManifest(dir, m); err != nil {
		tb.Fatal(err)
	}
}

func (s testStore) check(t *testing.T, f *Features) {
	t.Helper()
	if f.Len() != s.images || len(f.Layers) != len(s.layers) {
		t.Fatalf("%d images and %d layers, want %d and %d", f.Len(), len(f.Layers), s.images, len(s.layers))
	}
	for n := range s.images {
		if f.Images[n] != s.image(n) || f.Index[n] != int64(2*n) {
			t.Errorf("row %d is of image %x, index %d", n, f.Images[n], f.Index[n])
		}
	}
	rows := rand.New(rand.NewPCG(1, 2)).Perm(s.images)
	rows = append(rows, rows[0], rows[0])
	for l, layer := range s.layers {
		if f.Layers[l] != layer {
			t.Errorf("layer %d is %+v, want %+v", l, f.Layers[l], layer)
		}
		dst := make([]uint16, len(rows)*f.RowLen(l))
		if err := f.Read(context.Background(), l, rows, dst); err != nil {
			t.Fatal(err)
		}
		for i, n := range rows {
			for tok := range s.tokens {
				for d := range layer.Width {
					if got, want := dst[(i*s.tokens+tok)*layer.Width+d], s.number(l, n, tok, d); got != want {
						t.Fatalf("layer %d image %d token %d channel %d is %04x, want %04x", l, n, tok, d, got, want)
					}
				}
			}
		}
	}
	if err := f.Verify(context.Background()); err != nil {
		t.Errorf("Verify: %v", err)
	}
}

func TestFeatures(t *testing.T) {
	for _, compression := range []string{"none", "snappy", "zstd"} {
		t.Run(compression, func(t *testing.T) {
			s := newTestStore()
			s.compression = compression
			dir := t.TempDir()
			s.write(t, dir)
			f, err := OpenFeatures(dir)
			if err != nil {
				t.Fatal(err)
			}
			defer f.Close()
			if direct := f.parts[0][0].blobs != nil; direct != (compression == "none") {
				t.Errorf("read directly: %v", direct)
			}
			s.check(t, f)
		})
	}
}

// More rows than a row group, so that offsets of several groups are used.
func TestFeaturesRowGroups(t *testing.T) {
	s := newTestStore()
	s.images, s.part, s.tokens = 2*RowGroup+9, 2*RowGroup, 5
	dir := t.TempDir()
	s.write(t, dir)
	f, err := OpenFeatures(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if f.parts[0][0].blobs == nil {
		t.Error("pages of one row are not recognised")
	}
	if got := len(f.parts[0][0].parquet.RowGroups()); got != 2 {
		t.Errorf("%d row groups, want 2", got)
	}
	s.check(t, f)
}

func TestFeaturesConcurrently(t *testing.T) {
	s := newTestStore()
	dir := t.TempDir()
	s.write(t, dir)
	f, err := OpenFeatures(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var wait sync.WaitGroup
	for i := range 8 {
		wait.Go(func() {
			dst := make([]uint16, f.RowLen(1))
			for n := range s.images {
				n = (n + i) % s.images
				if err := f.Read(context.Background(), 1, []int{n}, dst); err != nil || dst[9] != s.number(1, n, 1, 1) {
					t.Errorf("row %d: %04x, %v", n, dst[9], err)
				}
			}
		})
	}
	wait.Wait()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	if err := f.Read(ctx, 0, []int{0}, make([]uint16, f.RowLen(0))); !errors.Is(err, context.Canceled) {
		t.Errorf("after cancel: %v", err)
	}
}

// Equal content is equal bytes, and an aborted part leaves nothing.
func TestFeatureWriterBytes(t *testing.T) {
	s := newTestStore()
	a, b := t.TempDir(), t.TempDir()
	s.write(t, a)
	s.write(t, b)
	for l := range s.layers {
		x, _ := durable.Digest(PartPath(a, s.layers[l], 2, 0))
		y, _ := durable.Digest(PartPath(b, s.layers[l], 2, 0))
		if x != y || x == (Digest{}) {
			t.Errorf("layer %d: two writes differ", l)
		}
	}
	dir := t.TempDir()
	w, err := NewFeatureWriter(PartPath(dir, s.layers[0], 2, 0), s.meta(0))
	if err != nil {
		t.Fatal(err)
	}
	if err := w.Append(s.image(0), 0, s.row(0, 0)); err != nil {
		t.Fatal(err)
	}
	w.Abort()
	if left, _ := filepath.Glob(filepath.Join(dir, "*", "*")); len(left) > 0 {
		t.Errorf("left behind: %v", left)
	}
	if _, err := NewFeatureWriter(filepath.Join(dir, "x"), FeatureMeta{Compression: "lz4"}); fault.ClassOf(err) != fault.Input {
		t.Errorf("lz4: %v", err)
	}
}

func TestReadPart(t *testing.T) {
	s := newTestStore()
	dir := t.TempDir()
	s.write(t, dir)
	path := PartPath(dir, s.layers[1], 2, 1)
	images, index, err := ReadPart(path, s.meta(1))
	if err != nil || len(images) != 3 || images[2] != s.image(6) || index[2] != 12 {
		t.Errorf("ReadPart: %d images, %v, %v", len(images), index, err)
	}
	if _, _, err := ReadPart(path, s.meta(0)); err == nil {
		t.Error("a part of another layer is accepted")
	}
}

// Damaged stores: each is a fault of class Input that names the file.
func TestFeaturesDamaged(t *testing.T) {
	s := newTestStore()
	part := func(dir string, l, i int) string { return PartPath(dir, s.layers[l], 2, i) }
	cases := []struct {
		name, file, text string
		damage           func(dir string) error
	}{
		{"cut part", "part-00001.parquet", "cut short", func(dir string) error { return truncate(part(dir, 1, 1), 100) }},
		{"empty part", "part-00000.parquet", "cut short", func(dir string) error { return os.Truncate(part(dir, 0, 0), 0) }},
		{"text for a part", "part-00000.parquet", "no Parquet", func(dir string) error { return os.WriteFile(part(dir, 0, 0), []byte("version https://git-lfs"), 0o666) }},
		{"missing last part", "layer=01-block_1", "4 rows, the first layer has 7", func(dir string) error { return os.Remove(part(dir, 1, 1)) }},
		{"missing first part", "part-00000.parquet", "missing", func(dir string) error { return os.Remove(part(dir, 1, 0)) }},
		{"missing part of every layer", "manifest.json", "7 images are listed, the layers have 4", func(dir string) error {
			return errors.Join(os.Remove(part(dir, 0, 1)), os.Remove(part(dir, 1, 1)))
		}},
		{"part of another layer", "part-00000.parquet", "cortexmap.", func(dir string) error { return copyFile(part(dir, 1, 0), part(dir, 0, 0)) }},
		{"part in another's place", "part-00001.parquet", "another image", func(dir string) error { return copyFile(part(dir, 1, 1), part(dir, 1, 0)) }},
		{"part twice", "part-00001.parquet", "after 6", func(dir string) error { return copyFile(part(dir, 0, 1), part(dir, 0, 0)) }},
		{"part of another store", "part-00000.parquet", "cortexmap.key", func(dir string) error {
			o := s
			w, err := NewFeatureWriter(part(dir, 0, 0), FeatureMeta{Layer: o.layers[0], Tokens: 65, ModelSHA256: strings.Repeat("ab", 32), Key: "ffff"})
			return errors.Join(err, w.Append(o.image(0), 0, o.row(0, 0)), w.Close())
		}},
		{"another number of tokens", "part-00001.parquet", "cortexmap.shape", func(dir string) error {
			o := s
			o.tokens = 50
			w, err := NewFeatureWriter(part(dir, 0, 1), o.meta(0))
			return errors.Join(err, w.Append(o.image(4), 8, o.row(0, 4)), w.Close())
		}},
		{"no manifest", "manifest.json", "not finished", func(dir string) error { return os.Remove(filepath.Join(dir, ManifestName)) }},
		{"manifest cut", "manifest.json", "JSON", func(dir string) error { return truncate(filepath.Join(dir, ManifestName), 10) }},
		{"later format", "manifest.json", "reads up to 1", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, ManifestName), []byte(`{"format": 2}`), 0o666)
		}},
		{"layers cut", "layers.json", "JSON", func(dir string) error { return truncate(filepath.Join(dir, LayersName), 10) }},
		{"no layers", "layers.json", "no layers", func(dir string) error { return os.WriteFile(filepath.Join(dir, LayersName), []byte("[]"), 0o666) }},
		{"layers out of order", "layers.json", "index 1", func(dir string) error {
			return os.WriteFile(filepath.Join(dir, LayersName), []byte(`[{"index": 1, "width": 3}]`), 0o666)
		}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			dir := t.TempDir()
			s.write(t, dir)
			if err := c.damage(dir); err != nil {
				t.Fatal(err)
			}
			f, err := OpenFeatures(dir)
			if err == nil {
				f.Close()
				t.Fatal("opened")
			}
			if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), c.file) || !strings.Contains(err.Error(), c.text) {
				t.Errorf("class %v: %v; want %q and %q", fault.ClassOf(err), err, c.file, c.text)
			}
		})
	}
}

// A bit that flipped on the disk is invisible to Open and Read, and found by Verify; a part that is cut while
// it is open is found by Read.
func TestFeaturesDamagedLater(t *testing.T) {
	s := newTestStore()
	dir := t.TempDir()
	s.write(t, dir)
	f, err := OpenFeatures(dir)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	path := PartPath(dir, s.layers[0], 2, 0)
	data, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	data[f.parts[0][0].blobs[1]+40] ^= 1
	if err := os.WriteFile(path, data, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := f.Verify(context.Background()); err == nil || !strings.Contains(err.Error(), path) {
		t.Errorf("Verify: %v", err)
	}
	if err := os.Truncate(path, f.parts[0][0].blobs[1]+40); err != nil {
		t.Fatal(err)
	}
	err = f.Read(context.Background(), 0, []int{1}, make([]uint16, f.RowLen(0)))
	if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), path) {
		t.Errorf("Read: %v", err)
	}
}

func truncate(path string, cut int64) error {
	info, err := os.Stat(path)
	if err != nil {
		return err
	}
	return os.Truncate(path, info.Size()-cut)
}

func copyFile(to, from string) error {
	data, err := os.ReadFile(from)
	return errors.Join(err, os.WriteFile(to, data, 0o666))
}

// FuzzReadPart: whatever a part's bytes are, there is an answer or a fault, never a panic.
func FuzzReadPart(f *testing.F) {
	s := newTestStore()
	dir := f.TempDir()
	s.write(f, dir)
	data, err := os.ReadFile(PartPath(dir, s.layers[0], 2, 0))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(data)
	f.Add(data[:len(data)-9])
	f.Add(append([]byte("PAR1"), data[len(data)-500:]...))
	f.Fuzz(func(t *testing.T, data []byte) {
		path := filepath.Join(t.TempDir(), "part.parquet")
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		_, _, err := ReadPart(path, s.meta(0))
		if err != nil && fault.ClassOf(err) != fault.Input {
			t.Errorf("class %v: %v", fault.ClassOf(err), err)
		}
	})
}

// BenchmarkFeatures measures reading of a ViT-B layer's rows (99,840 bytes) from the page cache.
func BenchmarkFeatures(b *testing.B) {
	for _, width := range []int{16, 768} {
		s := testStore{layers: []Layer{{Name: "block", Width: width}}, images: 1024, tokens: 65, part: 1024}
		dir := b.TempDir()
		s.write(b, dir)
		f, err := OpenFeatures(dir)
		if err != nil {
			b.Fatal(err)
		}
		defer f.Close()
		order := make([]int, s.images)
		for i := range order {
			order[i] = i
		}
		dst := make([]uint16, 32*f.RowLen(0))
		for _, how := range []string{"scan", "random"} {
			if how == "random" {
				order = rand.New(rand.NewPCG(1, 2)).Perm(s.images)
			}
			b.Run(fmt.Sprintf("%s-%d", how, width), func(b *testing.B) {
				b.SetBytes(int64(s.meta(0).RowBytes() * s.images))
				for b.Loop() {
					for at := 0; at < s.images; at += 32 {
						if err := f.Read(context.Background(), 0, order[at:at+32], dst); err != nil {
							b.Fatal(err)
						}
					}
				}
				b.ReportMetric(float64(b.Elapsed().Microseconds())/float64(b.N*s.images), "us/row")
			})
		}
	}
}
