package stimuli

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/hex"
	"errors"
	"image"
	"image/color"
	"image/jpeg"
	"image/png"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"testing/fstest"

	"cortexmap/internal/fault"
)

// encode makes a small PNG in one colour, so that pictures differ by their shade.
func encode(t testing.TB, w, h int, shade byte) []byte {
	t.Helper()
	m := image.NewNRGBA(image.Rect(0, 0, w, h))
	for y := range h {
		for x := range w {
			m.SetNRGBA(x, y, color.NRGBA{R: shade, G: byte(x), B: byte(y), A: 255})
		}
	}
	var b bytes.Buffer
	if err := png.Encode(&b, m); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

func pictures(t testing.TB) fstest.MapFS {
	return fstest.MapFS{
		"pics/b.png":          {Data: encode(t, 40, 30, 2)},
		"pics/B.PNG":          {Data: encode(t, 40, 30, 1)},
		"pics/a/z 1.png":      {Data: encode(t, 20, 30, 3)},
		"pics/é.png":          {Data: encode(t, 8, 8, 4)},
		"pics/notes.txt":      {Data: []byte("not a picture")},
		"pics/.hidden/x.png":  {Data: []byte("junk")},
		"pics/.DS_Store.jpeg": {Data: []byte("junk")},
	}
}

func names(s *Set) []string {
	var n []string
	for _, st := range s.Stimuli {
		n = append(n, st.Name)
	}
	return n
}

func TestFolderIsInByteOrder(t *testing.T) {
	set, err := Folder(t.Context(), pictures(t), "pics", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"B.PNG", "a/z 1.png", "b.png", "é.png"}; !slices.Equal(names(set), want) {
		t.Errorf("order %q, want %q", names(set), want)
	}
	if set.Name != "pics" {
		t.Errorf("name %q", set.Name)
	}
	if w, h := set.Size(1); w != 20 || h != 30 {
		t.Errorf("size %d x %d, want 20 x 30", w, h)
	}
	img, err := set.Pixels(1)
	if err != nil {
		t.Fatal(err)
	}
	if img.W != 20 || img.H != 30 || !bytes.Equal(img.Pix[3*(5*20+7):][:3], []byte{3, 7, 5}) {
		t.Errorf("pixel (7, 5) is %v", img.Pix[3*(5*20+7):][:3])
	}
}

// The values are Python's:
//
//	d = hashlib.sha256(b"picture").digest()
//	hashlib.sha256(d + struct.pack("<4IB", 1, 2, 300, 70000, 1)).hexdigest()
func TestWindowDigest(t *testing.T) {
	d, err := hex.DecodeString("2cea274d0bedc39ec4ab6ba9e59ec889e3ed6fb56a1cf088a64d9b383378dc97")
	if err != nil {
		t.Fatal(err)
	}
	got := windowDigest([32]byte(d), Window{1, 2, 300, 70000, true})
	if want := "de8d4009522e5872b674244a4873b31413e0715d93b943195f1c49ad939829a0"; hex.EncodeToString(got[:]) != want {
		t.Errorf("digest %x, want %s", got, want)
	}
}

func TestListKeepsOrderWindowsAndColumns(t *testing.T) {
	list := "file,photo,split,x,y,w,h,mirror,session\n" +
		"b.png,p1,train,,,,,,s1\n" +
		"./b.png,,test,1,2,10,20,1,s2\n" +
		"a/z 1.png,,,,,,,true,s1\n" +
		"b.png,,val,,,,,,s3\n"
	rows, err := ReadList("images.csv", strings.NewReader(list))
	if err != nil {
		t.Fatal(err)
	}
	set, err := List(t.Context(), pictures(t), "pics", rows, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"b.png", "b.png", "a/z 1.png", "b.png"}; !slices.Equal(names(set), want) {
		t.Fatalf("order %q", names(set))
	}
	s := set.Stimuli
	if s[0].Digest != s[3].Digest || s[0].Digest == s[1].Digest {
		t.Error("a repeat has the picture's digest, a window its own")
	}
	if s[0].Photo != "p1" || s[1].Photo != hex.EncodeToString(s[0].Digest[:]) {
		t.Errorf("photos %q, %q", s[0].Photo, s[1].Photo)
	}
	if s[1].Columns["split"] != "test" || s[1].Columns["session"] != "s2" || len(s[1].Columns) != 2 {
		t.Errorf("columns %v", s[1].Columns)
	}
	if *s[1].Window != (Window{1, 2, 10, 20, true}) || *s[2].Window != (Window{0, 0, 20, 30, true}) {
		t.Errorf("windows %v, %v", *s[1].Window, *s[2].Window)
	}
	img, err := set.Pixels(1)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(img.Pix[:6], []byte{2, 10, 2, 2, 9, 2}) {
		t.Errorf("the mirrored window begins with %v", img.Pix[:6])
	}
	distinct, place := set.Distinct()
	if distinct.Len() != 3 || !slices.Equal(place, []int{0, 1, 2, 0}) {
		t.Errorf("distinct %d, places %v", distinct.Len(), place)
	}
	if set.Digest() == distinct.Digest() || set.Digest() != set.Subset([]int{0, 1, 2, 3}).Digest() {
		t.Error("a set's digest is that of its stimuli in order")
	}
}

func TestZip(t *testing.T) {
	name := filepath.Join(t.TempDir(), "my pictures.zip")
	f, err := os.Create(name)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(f)
	for n, file := range pictures(t) {
		w, err := z.Create(n)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := w.Write(file.Data); err != nil {
			t.Fatal(err)
		}
	}
	if err := errors.Join(z.Close(), f.Close()); err != nil {
		t.Fatal(err)
	}
	set, err := Zip(t.Context(), name, nil, Options{})
	if err != nil {
		t.Fatal(err)
	}
	if want := []string{"pics/B.PNG", "pics/a/z 1.png", "pics/b.png", "pics/é.png"}; !slices.Equal(names(set), want) || set.Name != "my pictures" {
		t.Errorf("%q: %q", set.Name, names(set))
	}
	if _, err := set.Pixels(3); err != nil {
		t.Error(err)
	}
	if err := set.Close(); err != nil {
		t.Error(err)
	}
	some, err := Zip(t.Context(), name, []Row{{File: "pics/b.png"}}, Options{Name: "one"})
	if err != nil {
		t.Fatal(err)
	}
	defer some.Close()
	if some.Len() != 1 || some.Name != "one" {
		t.Errorf("%q has %d", some.Name, some.Len())
	}
}

// Every fault is the user's, names the place and, where there is one, the remedy.
func TestFaults(t *testing.T) {
	good := encode(t, 40, 30, 1)
	withRows := func(rows ...Row) func(fs.FS) error {
		return func(fsys fs.FS) error {
			_, err := List(context.Background(), fsys, ".", rows, Options{Where: "pics"})
			return err
		}
	}
	folder := func(fsys fs.FS) error {
		_, err := Folder(context.Background(), fsys, ".", Options{Where: "pics"})
		return err
	}
	pixels := func(o Options) func(fs.FS) error {
		return func(fsys fs.FS) error {
			o.Where = "pics"
			set, err := Folder(context.Background(), fsys, ".", o)
			if err != nil {
				return errors.New("opening must not fail: " + err.Error())
			}
			_, err = set.Pixels(0)
			return err
		}
	}
	for _, tc := range []struct {
		name  string
		files fstest.MapFS
		do    func(fs.FS) error
		want  []string
	}{
		{"no pictures", fstest.MapFS{"a.txt": {}}, folder, []string{"no pictures", "pics", ".png"}},
		{"unreadable kind", fstest.MapFS{"a.png": {Data: good}, "b.heic": {}}, folder, []string{".heic", "pics/b.heic", "PNG"}},
		{"missing file", fstest.MapFS{}, withRows(Row{File: "x.png", Where: "images.csv:3"}), []string{"no such file", "images.csv:3", "pics/x.png"}},
		{"leaves the folder", fstest.MapFS{}, withRows(Row{File: "../x.png"}), []string{"leaves the folder", "../x.png"}},
		{"window outside", fstest.MapFS{"a.png": {Data: good}}, withRows(Row{File: "a.png", Where: "images.csv:2", Window: &Window{30, 0, 11, 1, false}}), []string{"x=30", "40 x 30", "images.csv:2"}},
		{"window that overflows", fstest.MapFS{"a.png": {Data: good}}, withRows(Row{File: "a.png", Window: &Window{1, 0, 1<<63 - 1, 1, false}}), []string{"40 x 30"}},
		{"no rows", fstest.MapFS{}, withRows(), []string{"no pictures"}},
		{"empty file", fstest.MapFS{"a.jpg": {}}, pixels(Options{}), []string{"empty", "pics/a.jpg"}},
		{"text", fstest.MapFS{"a.jpg": {Data: []byte("hello, world")}}, pixels(Options{}), []string{"no picture", "hello, w", "pics/a.jpg"}},
		{"Git LFS", fstest.MapFS{"a.jpg": {Data: []byte("version https://git-lfs.github.com/spec/v1")}}, pixels(Options{}), []string{"Git LFS"}},
		{"cut short", fstest.MapFS{"a.png": {Data: good[:60]}}, pixels(Options{}), []string{"cut short", "pics/a.png", "copy it again"}},
		{"damaged", fstest.MapFS{"a.png": {Data: append(slices.Clone(good[:len(good)-30]), make([]byte, 30)...)}}, pixels(Options{}), []string{"damaged", "pics/a.png", "copy it again"}},
		{"too many pixels", fstest.MapFS{"a.png": {Data: good}}, pixels(Options{MaxPixels: 1000}), []string{"40 x 30", "limit is 1000", "pics/a.png", "shrink"}},
		{"too many bytes", fstest.MapFS{"a.png": {Data: make([]byte, 2<<20)}}, folderMax(1000), []string{"larger than 1 MB", "pics/a.png"}},
	} {
		t.Run(tc.name, func(t *testing.T) {
			err := tc.do(tc.files)
			if err == nil {
				t.Fatal("no error")
			}
			if fault.ClassOf(err) != fault.Input {
				t.Errorf("not the user's fault: %v", err)
			}
			for _, w := range tc.want {
				if !strings.Contains(err.Error(), w) {
					t.Errorf("%q does not say %q", err, w)
				}
			}
		})
	}
}

// A JPEG says that it is cut short wherever it was cut, and that it is damaged where it goes on to its end.
func TestCutJPEG(t *testing.T) {
	img := image.NewRGBA(image.Rect(0, 0, 64, 48))
	for i := range img.Pix {
		img.Pix[i] = byte(i*i/7 + i)
	}
	var b bytes.Buffer
	if err := jpeg.Encode(&b, img, nil); err != nil {
		t.Fatal(err)
	}
	whole := b.Bytes()
	for cut := 20; cut < len(whole)-2; cut += 17 {
		if _, err := Decode(whole[:cut], 0); err == nil || !strings.Contains(err.Error(), "cut short") {
			t.Errorf("cut at %d of %d bytes: %v", cut, len(whole), err)
		}
	}
	hole := slices.Clone(whole)
	copy(hole[len(hole)/2:], []byte{0xff, 0xd0, 0xff, 0xd3, 0xff, 0xd0})
	if _, err := Decode(hole, 0); err == nil || strings.Contains(err.Error(), "cut short") {
		t.Errorf("markers in the middle: %v", err)
	}
}

func folderMax(pixels int) func(fs.FS) error {
	return func(fsys fs.FS) error {
		_, err := Folder(context.Background(), fsys, ".", Options{Where: "pics", MaxPixels: pixels})
		return err
	}
}

func TestChangedFileIsRefused(t *testing.T) {
	files := pictures(t)
	set, err := Folder(t.Context(), files, "pics", Options{})
	if err != nil {
		t.Fatal(err)
	}
	files["pics/b.png"].Data = encode(t, 40, 30, 99)
	if _, err := set.Pixels(2); err == nil || !strings.Contains(err.Error(), "changed") {
		t.Errorf("error %v, want one that says the file changed", err)
	}
}

func TestCancelledContext(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if _, err := Folder(ctx, pictures(t), "pics", Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
	if _, err := List(ctx, pictures(t), "pics", []Row{{File: "b.png"}}, Options{}); !errors.Is(err, context.Canceled) {
		t.Errorf("error %v", err)
	}
}

// counting counts how often files are opened.
type counting struct {
	fs.FS
	opened atomic.Int64
}

func (c *counting) Open(name string) (fs.File, error) {
	c.opened.Add(1)
	return c.FS.Open(name)
}

func TestWindowsOfOnePhotographDecodeOnce(t *testing.T) {
	fsys := &counting{FS: pictures(t)}
	set, err := List(t.Context(), fsys, "pics", []Row{{File: "b.png"}, {File: "B.PNG"}, {File: "a/z 1.png"}}, Options{})
	if err != nil {
		t.Fatal(err)
	}
	windows, err := Windows(set, 1, 20)
	if err != nil {
		t.Fatal(err)
	}
	fsys.opened.Store(0)
	var next atomic.Int64
	var workers sync.WaitGroup
	for range 4 {
		workers.Go(func() {
			for i := int(next.Add(1)) - 1; i < windows.Len(); i = int(next.Add(1)) - 1 {
				img, err := windows.Pixels(i)
				if err != nil {
					t.Error(err)
					return
				}
				if r := windows.Stimuli[i].Window; img.W != r.W || img.H != r.H {
					t.Errorf("window %d is %d x %d", i, img.W, img.H)
				}
			}
		})
	}
	workers.Wait()
	if n := fsys.opened.Load(); n != 3 {
		t.Errorf("3 photographs were opened %d times", n)
	}
}

func TestCacheStaysWithinItsBounds(t *testing.T) {
	var c cache
	big := func() (*RGB, error) { return &RGB{Pix: make([]byte, cacheBytes/4)}, nil }
	for _, name := range []string{"a", "b", "c", "d", "a", "e", "f"} {
		if _, err := c.get(name, big); err != nil {
			t.Fatal(err)
		}
	}
	if c.bytes != cacheBytes || len(c.kept) != 4 || c.kept["a"] == nil || c.kept["b"] != nil {
		t.Errorf("%d bytes in %d pictures; a, asked for later than b, is kept: %v", c.bytes, len(c.kept), c.kept["a"] != nil)
	}
	failed := errors.New("no")
	if _, err := c.get("g", func() (*RGB, error) { return nil, failed }); err != failed {
		t.Error(err)
	}
	if c.kept["g"] != nil {
		t.Error("a failure is kept")
	}
	if img, err := c.get("huge", func() (*RGB, error) { return &RGB{Pix: make([]byte, 2*cacheBytes)}, nil }); err != nil || img == nil || len(c.kept) != 1 {
		t.Errorf("a picture beyond the bound comes alone: %d kept, %v", len(c.kept), err)
	}
}

// For the race detector: pictures are dropped while others are decoded.
func TestCacheUnderManyWorkers(t *testing.T) {
	var c cache
	var workers sync.WaitGroup
	for w := range 4 {
		workers.Go(func() {
			for i := range 40 {
				img, err := c.get(string(rune('a'+(i+3*w)%9)), func() (*RGB, error) { return &RGB{Pix: make([]byte, cacheBytes/3)}, nil })
				if err != nil || len(img.Pix) != cacheBytes/3 {
					t.Error(err)
				}
			}
		})
	}
	workers.Wait()
}

func TestWindows(t *testing.T) {
	set, err := Folder(t.Context(), pictures(t), "pics", Options{})
	if err != nil {
		t.Fatal(err)
	}
	const per = 100
	windows, err := Windows(set.Subset([]int{0, 1, 2}), 7, per)
	if err != nil {
		t.Fatal(err)
	}
	if windows.Len() != 3*per {
		t.Fatalf("%d windows", windows.Len())
	}
	seen := map[[32]byte]bool{}
	mirrored := 0
	for i, st := range windows.Stimuli {
		w, h := set.Size(i / per)
		short, r := min(w, h), *st.Window
		if !r.Inside(w, h) || r.W != r.H {
			t.Errorf("window %+v of a %d x %d picture", r, w, h)
		}
		if i%per == 0 {
			if r != (Window{(w - short) / 2, (h - short) / 2, short, short, false}) {
				t.Errorf("the first window of %d x %d is %+v, not the centre square", w, h, r)
			}
		} else if float64(r.W) < 0.45*float64(short)-0.5 || float64(r.W) > 0.9*float64(short)+0.5 {
			t.Errorf("window %+v of a %d x %d picture is not 45 to 90 %% of the short side", r, w, h)
		}
		if st.Photo != set.Stimuli[i/per].Photo || seen[st.Digest] {
			t.Errorf("window %d: photo %s, digest seen before: %v", i, st.Photo, seen[st.Digest])
		}
		seen[st.Digest] = true
		if r.Mirror {
			mirrored++
		}
	}
	// 297 fair coins: 6 standard deviations are 52.
	if mirrored < 148-52 || mirrored > 149+52 {
		t.Errorf("%d of 297 random windows are mirrored", mirrored)
	}
	again, err := Windows(set.Subset([]int{2, 0}), 7, per)
	if err != nil {
		t.Fatal(err)
	}
	if again.Stimuli[per+3].Digest != windows.Stimuli[3].Digest {
		t.Error("a photograph's windows depend on the other photographs")
	}
	other, err := Windows(set.Subset([]int{0}), 8, per)
	if err != nil {
		t.Fatal(err)
	}
	if other.Stimuli[3].Digest == windows.Stimuli[3].Digest {
		t.Error("the seed does not matter")
	}
	if _, err := Windows(windows, 7, per); err == nil {
		t.Error("windows of windows")
	}
	tiny, err := Folder(t.Context(), fstest.MapFS{"t.png": {Data: encode(t, 1, 1, 1)}}, ".", Options{})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Windows(tiny, 7, per); fault.ClassOf(err) != fault.Input {
		t.Errorf("one pixel has %d different windows: %v", per, err)
	}
}
