package extract

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"cortexmap/internal/fault"
	"cortexmap/internal/onnx"
)

const testdata = "../testdata"

// dataModel is the path of a network made by testdata/get-models.py, which CI doesn't have.
func dataModel(t *testing.T, name string) string {
	t.Helper()
	dir := os.Getenv("CORTEXMAP_DATA")
	if dir == "" {
		t.Skip("CORTEXMAP_DATA does not name the folder that testdata/get-models.py fills")
	}
	path := filepath.Join(dir, name)
	if _, err := os.Stat(path); err != nil {
		t.Skipf("CORTEXMAP_DATA holds no %s", name)
	}
	return path
}

func numbered(format string, from, n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprintf(format, from+i))
	}
	return out
}

func namesOf(found []Candidate) []string {
	var out []string
	for _, c := range found {
		out = append(out, c.Name)
	}
	return out
}

// The blocks that `auto` takes must be the network's own: their number and names are those of the module
// lists that the networks were made from.
func TestFindLayers(t *testing.T) {
	resnet := strings.Fields("layer1.0 layer1.1 layer2.0 layer2.1 layer3.0 layer3.1 layer4.0 layer4.1")
	vgg := strings.Fields("conv1_1 conv1_2 conv2_1 conv2_2 conv3_1 conv3_2 conv3_3 conv4_1 conv4_2 conv4_3 conv5_1 conv5_2 conv5_3")
	cases := []struct {
		file string
		want []string
	}{
		{"demo/lite0.onnx", numbered("block%d", 1, 16)},
		{"onnx/vit.ts.onnx", numbered("encoder_layer_%d", 0, 6)},
		{"onnx/vit.dyn.onnx", numbered("encoder_layer_%d", 0, 6)},
		{"onnx/vit.stripped.onnx", numbered("block%d", 1, 6)},
		{"onnx/resnet.ts.onnx", resnet},
		{"onnx/resnet.dyn.onnx", resnet},
		{"onnx/resnet.stripped.onnx", numbered("block%d", 1, 8)},
		{"onnx/clip.ts.onnx", numbered("blocks.%d", 0, 4)},
		{"onnx/clip.dyn.onnx", numbered("blocks.%d", 0, 4)},
		{"onnx/clip.stripped.onnx", numbered("block%d", 1, 4)},
		{"onnx/swin.ts.onnx", strings.Fields("features.1.0 features.1.1 features.3.0 features.3.1")},
		{"onnx/swin.dyn.onnx", strings.Fields("features.1.0 features.1.1 features.3.0 features.3.1")},
		{"onnx/swin.stripped.onnx", numbered("block%d", 1, 4)},
		{"$lite1.onnx", numbered("block%d", 1, 21)},
		{"$lite2.onnx", numbered("block%d", 1, 21)},
		{"$lite0_rot4.onnx", numbered("block%d", 1, 16)},
		{"$opennsfw_resnet50thin.onnx", numbered("block%d", 1, 16)},
		{"$vgg16_hed.onnx", vgg},
	}
	for _, c := range cases {
		t.Run(c.file, func(t *testing.T) {
			path := filepath.Join(testdata, c.file)
			if name, data := strings.CutPrefix(c.file, "$"); data {
				path = dataModel(t, name)
			}
			m, err := onnx.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			found, err := FindLayers(m)
			if err != nil {
				t.Fatal(err)
			}
			auto, err := SelectLayers(found, nil, nil)
			if err != nil {
				t.Fatal(err)
			}
			if d := cmp.Diff(c.want, namesOf(auto)); d != "" {
				t.Error(d)
			}
		})
	}
}

// A U-Net without residual sums, and an edge detector with side outputs: the encoder is what counts.
func TestSkipConnectionsToADecoder(t *testing.T) {
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "N", 3, 32, 32)
	conv := func(x string) string {
		w := b.ConstF32(make([]float32, 9), 1, 1, 3, 3)
		return b.Op("Relu", []string{b.Op("Conv", []string{x, w})})
	}
	x := "x"
	var skips []string
	for range 4 {
		x = conv(conv(x))
		skips = append(skips, x)
		x = b.Op("MaxPool", []string{x}, onnx.Ints("kernel_shape", 2, 2))
	}
	x = conv(conv(x))
	for i := range skips {
		up := b.Op("Resize", []string{x})
		x = conv(conv(b.Op("Concat", []string{up, skips[len(skips)-1-i]}, onnx.Int("axis", 1))))
	}
	b.OpTo("y", "Sigmoid", []string{x})
	b.Output("y", onnx.Float32, "N", 1, 32, 32)
	found := findIn(t, b)
	if len(found) != 10 {
		t.Errorf("found %d of the encoder's 10 convolutions: %v", len(found), found)
	}
}

// Units whose ends and insides are easily taken for something else. Each network has four units of 8 channels, and a
// classifier behind them.
func TestUnitsAsExported(t *testing.T) {
	b := onnx.NewBuilder(17)
	conv := func(x string, in, out, kernel, group int64) string {
		w := b.ConstF32(make([]float32, out*in/group*kernel*kernel), out, in/group, kernel, kernel)
		return b.Op("Conv", []string{x, w}, onnx.Ints("kernel_shape", kernel, kernel), onnx.Int("group", group))
	}
	relu := func(x string) string { return b.Op("Relu", []string{x}) }
	add := func(x, y string) string { return b.Op("Add", []string{x, y}) }
	number := func(op, x string) string { return b.Op(op, []string{x, b.ConstF32([]float32{1}, 1)}) }
	folded := func(x string) string { return add(conv(x, 8, 8, 3, 8), conv(x, 8, 8, 1, 8)) }
	cases := map[string]func(x string) (end string){
		"branches that could be folded, inside a unit (RepGhost)": func(x string) string {
			return add(x, conv(relu(folded(relu(folded(x)))), 8, 8, 1, 1))
		},
		"branches that could be folded, in front of the channel mixing (FastViT)": func(x string) string {
			y := folded(x)
			return add(y, conv(relu(conv(y, 8, 16, 1, 1)), 16, 8, 1, 1))
		},
		"branches that could be folded and nothing else, a number added in front of the activation (MobileOne)": func(x string) string {
			return relu(number("Add", folded(x)))
		},
		"convolutions in two steps, a gate between them, without any way round (LCNet)": func(x string) string {
			y := relu(conv(x, 8, 8, 3, 8))
			gate := b.Op("Sigmoid", []string{conv(b.Op("GlobalAveragePool", []string{y}), 8, 8, 1, 1)})
			return relu(conv(b.Op("Mul", []string{y, gate}), 8, 8, 1, 1))
		},
		"a scaled activation behind a sum (HGNet's kind)": func(x string) string {
			return number("Add", number("Mul", relu(add(x, conv(relu(conv(x, 8, 8, 3, 1)), 8, 8, 3, 1)))))
		},
	}
	for name, unit := range cases {
		t.Run(name, func(t *testing.T) {
			b = onnx.NewBuilder(17)
			b.Input("x", onnx.Float32, "N", 3, 32, 32)
			x := relu(conv("x", 3, 8, 3, 1))
			var want, got []string
			for range 4 {
				x = unit(x)
				want = append(want, x)
			}
			mean := relu(conv(b.Op("GlobalAveragePool", []string{x}), 8, 16, 1, 1))
			b.OpTo("y", "Conv", []string{mean, b.ConstF32(make([]float32, 48), 3, 16, 1, 1)}, onnx.Ints("kernel_shape", 1, 1))
			b.Output("y", onnx.Float32, "N", 3, 1, 1)
			auto, err := SelectLayers(findIn(t, b), nil, nil)
			for _, f := range auto {
				got = append(got, f.Tensor)
			}
			if d := cmp.Diff(want, got); err != nil || d != "" {
				t.Error(err, d)
			}
		})
	}
}

// What lies in no list of modules: a concatenation right behind the picture is the stem's (HGNet), convolutions behind the last
// entry are the head's. Nodes that the exporter gave no module lie where their readers do.
func TestOutsideTheLists(t *testing.T) {
	b := onnx.NewBuilder(17)
	b.Input("x", onnx.Float32, "N", 3, 32, 32)
	scope, scopes := "", map[string]string{}
	op := func(op string, inputs []string, attrs ...onnx.Attr) string {
		out := b.Op(op, inputs, attrs...)
		scopes[out] = scope + "/" + op
		return out
	}
	conv := func(x string, in, out, kernel int64) string {
		w := b.ConstF32(make([]float32, out*in*kernel*kernel), out, in, kernel, kernel)
		return op("Conv", []string{x, w}, onnx.Ints("kernel_shape", kernel, kernel))
	}
	relu := func(x string) string { return op("Relu", []string{x}) }
	unit := func(x string, kernel int64) string {
		var parts []string
		for range 3 {
			y := b.Op("Identity", []string{conv(x, 8, 8, kernel)}) // without a module
			parts = append(parts, relu(y))
		}
		return op("Add", []string{x, conv(op("Sum", parts), 8, 8, 3)})
	}
	scope = "/stem"
	x := relu(conv("x", 3, 8, 3))
	x = op("Concat", []string{op("MaxPool", []string{x}, onnx.Ints("kernel_shape", 2, 2)), relu(conv(x, 8, 8, 3))}, onnx.Int("axis", 1))
	x = relu(conv(x, 16, 8, 1))
	for i := range 4 {
		scope = fmt.Sprintf("/blocks/blocks.%d", i)
		x = unit(x, 3)
	}
	scope = "/neck"
	x = unit(x, 1)
	b.OpTo("y", "GlobalAveragePool", []string{x})
	b.Output("y", onnx.Float32, "N", 8, 1, 1)
	m := parsed(t, b)
	for _, n := range m.Graph.Nodes {
		n.Name = scopes[n.Outputs[0]]
	}
	found, err := FindLayers(m)
	if err != nil {
		t.Fatal(err)
	}
	auto, err := SelectLayers(found, nil, nil)
	if d := cmp.Diff(numbered("blocks.%d", 0, 4), namesOf(auto)); err != nil || d != "" {
		t.Error(err, d)
	}
}

func parsed(t *testing.T, b *onnx.Builder) *onnx.Model {
	t.Helper()
	raw := b.Model()
	m, err := onnx.Parse(strings.NewReader(string(raw)), int64(len(raw)))
	if err != nil {
		t.Fatal(err)
	}
	return m
}

func findIn(t *testing.T, b *onnx.Builder) []Candidate {
	t.Helper()
	found, err := FindLayers(parsed(t, b))
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestNoPicture(t *testing.T) {
	text := onnx.NewBuilder(17)
	text.Input("input_ids", onnx.Int64, "N", "L")
	text.OpTo("y", "Cast", []string{"input_ids"}, onnx.Int("to", 1))
	text.Output("y", onnx.Float32, "N", "L")
	bypass := onnx.NewBuilder(17)
	bypass.Input("x", onnx.Float32, "N", 3, 8, 8)
	bypass.OpTo("y", "Shape", []string{"x"})
	bypass.Output("y", onnx.Int64, 4)
	empty := onnx.NewBuilder(17)
	empty.Input("x", onnx.Float32, "N", 3, 8, 8)
	empty.OpTo("y", "Relu", []string{"x"})
	empty.Output("y", onnx.Float32, "N", 3, 8, 8)
	for want, b := range map[string]*onnx.Builder{
		"takes no picture: no input has 4 dimensions of which one is 3 (or 1) colours; its inputs are input_ids int64[N, L]": text,
		`no output of the model depends on its picture input "x"`:                                                            bypass,
		"no layers were found": empty,
	} {
		raw := b.Model()
		m, err := onnx.Parse(strings.NewReader(string(raw)), int64(len(raw)))
		if err != nil {
			t.Fatal(err)
		}
		if _, err = FindLayers(m); fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func TestSelectLayers(t *testing.T) {
	var found []Candidate
	for i, kind := range []string{Stem, Block, Transition, Block, Block, Downsample, Block} {
		found = append(found, Candidate{Name: fmt.Sprintf("l%d", i), Tensor: fmt.Sprintf("tensor/%d", i), Kind: kind})
	}
	grids := map[string][2]int{"l1": {8, 8}, "l2": {4, 4}, "l3": {4, 4}, "l4": {4, 4}, "l6": {2, 2}}
	cases := []struct {
		want string // of extract.layers
		got  string
	}{
		{"auto", "l1 l2 l3 l4 l6"},
		{"blocks", "l1 l3 l4 l6"},
		{"stages", "l1 l4 l6"},
		{"every:2", "l1 l3 l6"},
		{"every:9", "l6"},
		{"l6 l0", "l0 l6"},
		{"l[1-3]", "l1 l2 l3"},
		{"tensor/5", "l5"},
		{"tensor/*", "l0 l1 l2 l3 l4 l5 l6"},
	}
	for _, c := range cases {
		got, err := SelectLayers(found, strings.Fields(c.want), func(c Candidate) [2]int { return grids[c.Name] })
		if err != nil || strings.Join(namesOf(got), " ") != c.got {
			t.Errorf("%s: got %v, %v, want %s", c.want, namesOf(got), err, c.got)
		}
	}
	for want, message := range map[string]string{
		"blcok3":  `no layer is called "blcok3"`,
		"every:0": "every:K needs a whole number",
	} {
		if _, err := SelectLayers(found, []string{want}, nil); fault.ClassOf(err) != fault.Input || !strings.Contains(err.Error(), message) {
			t.Errorf("%s: got %v", want, err)
		}
	}
	_, err := SelectLayers([]Candidate{{Name: "block1"}, {Name: "block12"}, {Name: "stem"}, {Name: "conv"}}, []string{"blcok1"}, nil)
	if !strings.Contains(err.Error(), "the nearest: block1, block12") {
		t.Errorf("nearest names: %v", err)
	}
}
