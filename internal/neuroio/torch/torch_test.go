package torch

import (
	"archive/zip"
	"bytes"
	"encoding/json"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/fault"
)

const golden = "../../../testdata/reference/checkpoints"

func file(t testing.TB, name string) []byte {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(golden, name))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func read(b []byte) (map[string]Tensor, error) { return Read(bytes.NewReader(b), int64(len(b))) }

// TestGolden: what PyTorch saved is what PyTorch said (testdata/reference/published.py).
func TestGolden(t *testing.T) {
	var want map[string]struct {
		Shape []int
		Data  []any
	}
	if err := json.Unmarshal(file(t, "tensors.json"), &want); err != nil {
		t.Fatal(err)
	}
	got, err := read(file(t, "tensors.pt"))
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != len(want) {
		t.Errorf("%d tensors, want %d", len(got), len(want))
	}
	for name, w := range want {
		g, ok := got[name]
		if !ok || !slices.Equal(g.Shape, w.Shape) && len(w.Shape) > 0 || len(g.Data) != len(w.Data) {
			t.Errorf("%s: shape %v of %d, want %v of %d", name, g.Shape, len(g.Data), w.Shape, len(w.Data))
			continue
		}
		for i, x := range w.Data {
			y := float32(math.Inf(1))
			if f, finite := x.(float64); finite {
				y = float32(f)
			}
			if g.Data[i] != y {
				t.Errorf("%s[%d] = %v, want %v", name, i, g.Data[i], y)
			}
		}
	}
}

// repacked is the golden file with one entry changed by edit (nil: left out), or packed by another method.
func repacked(t testing.TB, name string, edit func([]byte) []byte, method uint16) []byte {
	t.Helper()
	b := file(t, "tensors.pt")
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	w := zip.NewWriter(&out)
	for _, f := range z.File {
		r, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		var data bytes.Buffer
		if _, err := data.ReadFrom(r); err != nil {
			t.Fatal(err)
		}
		content := data.Bytes()
		if strings.HasSuffix(f.Name, "/"+name) {
			if edit == nil {
				continue
			}
			content = edit(content)
		}
		e, err := w.CreateHeader(&zip.FileHeader{Name: f.Name, Method: method})
		if err == nil {
			_, err = e.Write(content)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func replace(old, new string) func([]byte) []byte {
	return func(b []byte) []byte { return bytes.Replace(b, []byte(old), []byte(new), 1) }
}

func TestRefusals(t *testing.T) {
	whole := file(t, "tensors.pt")
	for name, c := range map[string]struct {
		data []byte
		want string
	}{
		"empty":            {nil, "no checkpoint"},
		"a pickle":         {[]byte("\x80\x02}q\x00."), "no checkpoint"},
		"cut short":        {whole[:len(whole)/2], "no checkpoint"},
		"no pickle":        {repacked(t, "data.pkl", nil, zip.Store), "no data.pkl"},
		"a storage gone":   {repacked(t, "data/0", nil, zip.Store), "lacks data/0"},
		"a storage short":  {repacked(t, "data/0", func(b []byte) []byte { return b[:8] }, zip.Store), "in a storage of 2"},
		"compressed":       {repacked(t, "", nil, zip.Deflate), "is compressed"},
		"code":             {repacked(t, "data.pkl", replace("ctorch._utils\n_rebuild_tensor_v2", "cposix\nsystem"), zip.Store), `asks for "posix.system"`},
		"another opcode":   {repacked(t, "data.pkl", replace("\x80\x02}", "\x80\x02i"), zip.Store), "opcode 0x69"},
		"no dict":          {repacked(t, "data.pkl", func([]byte) []byte { return []byte("\x80\x02]q\x00.") }, zip.Store), "no dict of tensors"},
		"nothing but text": {repacked(t, "data.pkl", func([]byte) []byte { return []byte("\x80\x02}q\x00.") }, zip.Store), "no floating-point tensors"},
	} {
		_, err := read(c.data)
		if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}

// TestCount: no shape reads outside its storage or asks for much more memory than the file has.
func TestCount(t *testing.T) {
	big := math.MaxInt32
	for _, c := range []struct {
		size, stride []int
		offset       int64
		there        int64
		ok           bool
	}{
		{[]int{2, 3}, []int{3, 1}, 0, 6, true},
		{[]int{2, 3}, []int{3, 1}, 1, 6, false},
		{[]int{}, []int{}, 0, 1, true},
		{[]int{}, []int{}, 1, 1, false},
		{[]int{0, big}, []int{big, big}, 0, 0, true},
		{[]int{big}, []int{0}, 0, 10, false},
		{[]int{big, big, big, big}, []int{big, big, big, big}, 0, 1 << 40, false},
		{[]int{1, 1, 1, 2}, []int{big, big, big, big}, 0, 10, false},
	} {
		if _, err := count(c.size, c.stride, c.offset, c.there); (err == nil) != c.ok {
			t.Errorf("size %v stride %v offset %d of %d: %v", c.size, c.stride, c.offset, c.there, err)
		}
	}
}

// TestHostile: a small file can't keep the reader busy for ever, nor make it fill the memory.
func TestHostile(t *testing.T) {
	// Eight dicts, each of which holds the one before 200 times: 200^7 items to walk through.
	var p bytes.Buffer
	p.WriteString("\x80\x02}U\x010}q\x00s")
	for k := byte(1); k < 8; k++ {
		p.WriteString("U\x01" + string('0'+k) + "}q" + string(k) + "(")
		for i := range 200 {
			fmt.Fprintf(&p, "U\x03%03dh%c", i, k-1)
		}
		p.WriteString("us")
	}
	p.WriteString(".")
	_, err := read(repacked(t, "data.pkl", func([]byte) []byte { return p.Bytes() }, zip.Store))
	if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "over and over") {
		t.Errorf("dicts of dicts: %v", err)
	}

	// Many names for the same bytes of the archive.
	b := file(t, "tensors.pt")
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	c := &checkpoint{entries: map[string]*zip.File{}, read: map[string][]byte{}, unread: int64(len(b))}
	for i := 0; err == nil && i < len(b); i++ {
		key := fmt.Sprint(i)
		for _, f := range z.File {
			if strings.HasSuffix(f.Name, "/data/0") {
				c.entries["data/"+key] = f
			}
		}
		_, err = c.storage(key)
	}
	if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), "more bytes than the file") {
		t.Errorf("entries that lie on each other: %v", err)
	}
}

func FuzzRead(f *testing.F) {
	f.Add(file(f, "tensors.pt"))
	f.Add(repacked(f, "data/0", func(b []byte) []byte { return b[:8] }, zip.Store))
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := read(b)
		if err != nil && fault.ClassOf(err) != fault.Input {
			t.Errorf("%v", err)
		}
		n := 0
		for _, x := range got {
			n += len(x.Data)
		}
		if n > 8*len(b)+4096 {
			t.Errorf("%d numbers of %d bytes", n, len(b))
		}
	})
}
