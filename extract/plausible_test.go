package extract

import (
	"context"
	"path/filepath"
	"strings"
	"testing"

	"cortexmap/internal/ort/orttest"
	"cortexmap/models"
)

// What trained networks want raises no doubt, nor does ImageNet's guess for EfficientNet-Lite, which is off by a factor of
// two and a half. Levels in place of values, and values in place of levels, are caught for networks with batch norms, and
// the right way is named. VGG-16-HED has none and is never doubted.
func TestDoubtfulPreprocessing(t *testing.T) {
	ctx := context.Background()
	for _, c := range []struct{ name, imagenet, levels string }{ // "" for no doubt, else what must be named
		{"demo", "", "values from -1 to 1"}, {"lite1", "", "values from -1 to 1"}, {"lite2", "", "values from -1 to 1"}, {"lite0_rot4", "", "values from -1 to 1"},
		{"opennsfw_resnet50thin", "levels minus their mean", ""}, {"vgg16_hed", "", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			path := filepath.Join(testdata, "demo", "lite0.onnx")
			if c.name != "demo" {
				path = dataModel(t, c.name+".onnx")
			}
			net := openNetwork(t, path, NetworkOptions{})
			l, err := net.newLoudness(ctx, orttest.Runtime(t), 1)
			if err != nil || l == nil {
				t.Fatal(l, err)
			}
			defer l.session.Close()
			for _, v := range []struct {
				what string
				card models.Card
				want string
			}{{"its own card", net.Card, ""}, {"ImageNet's statistics", PaperCard(net.Card), c.imagenet}, {"levels", usual[2].card(net.Card), c.levels}} {
				doubt, err := l.doubt(ctx, v.card)
				if err != nil {
					t.Fatal(err)
				}
				if (doubt != "") != (v.want != "") || !strings.Contains(doubt, v.want) {
					rho, _ := l.of(ctx, v.card)
					t.Errorf("%s: loudness %.3g, doubt %q, want %q in it", v.what, rho, doubt, v.want)
				}
			}
		})
	}
}

// A network that normalises right behind its first layer isn't judged.
func TestTransformersAreNotJudged(t *testing.T) {
	net := openNetwork(t, filepath.Join(testdata, "onnx", "vit.ts.onnx"), NetworkOptions{})
	l, err := net.newLoudness(context.Background(), orttest.Runtime(t), 1)
	if err != nil || l != nil {
		t.Errorf("%v, %v", l, err)
	}
}
