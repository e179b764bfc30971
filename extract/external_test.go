package extract

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
	"cortexmap/internal/ort/orttest"
)

// outside moves the weights of a model with one float32 initialiser to a file: location, offset and length are
// written as exporters do.
func outside(t *testing.T, location string) (model, weights []byte) {
	t.Helper()
	b := insideOf(t)
	entry := func(key, value string) []byte {
		e := protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), key)
		return protowire.AppendString(protowire.AppendTag(e, 2, protowire.BytesType), value)
	}
	fields := func(b []byte, change func(id protowire.Number, field, content []byte) []byte) (out []byte) {
		for len(b) > 0 {
			id, kind, head := protowire.ConsumeTag(b)
			size := head + protowire.ConsumeFieldValue(id, kind, b[head:])
			var content []byte
			if kind == protowire.BytesType {
				content, _ = protowire.ConsumeBytes(b[head:])
			}
			out = append(out, change(id, b[:size], content)...)
			b = b[size:]
		}
		return out
	}
	message := func(id protowire.Number, b []byte) []byte {
		return protowire.AppendBytes(protowire.AppendTag(nil, id, protowire.BytesType), b)
	}
	tensor := func(id protowire.Number, field, content []byte) []byte {
		if id != 9 {
			return field
		}
		weights = append([]byte("spare"), content...)
		out := message(13, entry("location", location))
		out = append(out, message(13, entry("offset", "5"))...)
		out = append(out, message(13, entry("length", "432"))...)
		return append(protowire.AppendTag(out, 14, protowire.VarintType), 1) // data_location: external
	}
	graph := func(id protowire.Number, field, content []byte) []byte {
		if id != 5 {
			return field
		}
		return message(5, fields(content, tensor))
	}
	model = fields([]byte(strings.ReplaceAll(string(b.Model()), onnx.Prefix, "different/")), func(id protowire.Number, field, content []byte) []byte {
		if id != 7 {
			return field
		}
		return message(7, fields(content, graph))
	})
	if len(weights) != 5+432 {
		t.Fatalf("%d bytes of weights", len(weights))
	}
	return model, weights
}

// Weights in another file: beside the model, in a folder below, and through links as in Hugging Face's cache.
func TestExternalWeights(t *testing.T) {
	rt := orttest.Runtime(t)
	write := func(dir, name string, data []byte) string {
		path := filepath.Join(dir, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o777); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, data, 0o666); err != nil {
			t.Fatal(err)
		}
		return path
	}
	for name, lay := range map[string]func(dir string) string{
		"beside": func(dir string) string {
			model, weights := outside(t, "w.bin")
			write(dir, "w.bin", weights)
			return write(dir, "net.onnx", model)
		},
		"below": func(dir string) string {
			model, weights := outside(t, "data/w.bin")
			write(dir, "data/w.bin", weights)
			return write(dir, "net.onnx", model)
		},
		"links": func(dir string) string {
			model, weights := outside(t, "model.onnx_data")
			snapshot := filepath.Join(dir, "snapshots", "0123", "onnx")
			if err := os.MkdirAll(snapshot, 0o777); err != nil {
				t.Fatal(err)
			}
			for link, blob := range map[string]string{"model.onnx": write(dir, "blobs/aaaa", model), "model.onnx_data": write(dir, "blobs/bbbb", weights)} {
				rel, err := filepath.Rel(snapshot, blob)
				if err == nil {
					err = os.Symlink(rel, filepath.Join(snapshot, link))
				}
				if err != nil {
					t.Skip("no symbolic links here: ", err)
				}
			}
			return filepath.Join(snapshot, "model.onnx")
		},
	} {
		t.Run(name, func(t *testing.T) {
			net := openNetwork(t, lay(t.TempDir()), NetworkOptions{Threads: 1})
			full, _ := float32Taps(t, rt, net, whiteNoise(3*16*16))
			inside := buildNetwork(t, insideOf(t))
			want, _ := float32Taps(t, rt, inside, whiteNoise(3*16*16))
			if d := relative(full[0], want[0]); d > 0 {
				t.Errorf("tokens differ by %.1e of the largest", d)
			}
		})
	}
	model, weights := outside(t, "w.bin")
	escaping, _ := outside(t, "../w.bin")
	absolute, _ := outside(t, "/etc/hostname")
	for want, c := range map[string]struct{ model, weights []byte }{
		"which is missing":        {model, nil},
		"are cut short":           {model, weights[:100]},
		`folder: "../w.bin"`:      {escaping, weights},
		`folder: "/etc/hostname"`: {absolute, weights},
	} {
		dir := filepath.Join(t.TempDir(), "in")
		if c.weights != nil {
			write(dir, "w.bin", c.weights)
			write(dir, "../w.bin", c.weights)
		}
		path := write(dir, "net.onnx", c.model)
		_, err := OpenNetwork(context.Background(), rt, path, NetworkOptions{})
		if fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), "net.onnx") {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

// insideOf is the network of outside with its weights inside.
func insideOf(t *testing.T) *onnx.Builder {
	t.Helper()
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "N", 3, 16, 16)
	w := make([]float32, 4*3*9)
	for i := range w {
		w[i] = float32(i%7) - 3
	}
	b.OpTo("y", "Relu", []string{b.Op("Conv", []string{"x", b.ConstF32(w, 4, 3, 3, 3)}, onnx.Ints("pads", 1, 1, 1, 1))})
	b.Output("y", onnx.Float32, "N", 4, 16, 16)
	return b
}
