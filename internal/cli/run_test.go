package cli

import (
	"errors"
	"os"
	"slices"
	"testing"
	"testing/fstest"

	"cortexmap/internal/fault"
)

// desk is a working folder with the embedded files that main would give.
func desk(t *testing.T) *env {
	t.Helper()
	t.Chdir(t.TempDir())
	builtIn := fstest.MapFS{"pipeline.yaml": {Data: []byte("models: [demo:lite0]\nsubjects: [demo:simulated]\nout: runs/demo\n")}}
	return &env{ctx: t.Context(), files: builtIn, flags: &flags{}}
}

// TestWhatIsRun: which file, networks and folder a command line stands for.
func TestWhatIsRun(t *testing.T) {
	for _, c := range []struct {
		name   string
		what   []string
		flags  flags
		here   string // pipeline.yaml in the folder
		out    string
		models []string
	}{
		{"built in", nil, flags{}, "", "runs/demo", []string{"demo:lite0"}},
		{"here", nil, flags{}, "models: [a.onnx]\nsubjects: [s]\nout: o\n", "o", []string{"a.onnx"}},
		{"a network", []string{"nets/it's.ONNX"}, flags{}, "", "runs/it's", []string{"nets/it's.ONNX"}},
		{"two networks", []string{"b.onnx", "a.onnx"}, flags{Out: "x: y"}, "", "x: y", []string{"b.onnx", "a.onnx"}},
		{"file and network", []string{"mine.yaml", "a.onnx"}, flags{}, "", "runs/a", []string{"a.onnx"}},
		{"file and folder", []string{"mine.yaml"}, flags{Out: "o"}, "", "o", []string{"m.onnx"}},
		{"set has the last word", []string{"a.onnx"}, flags{Out: "o", Set: []string{"models=[z.onnx]", "out=p"}}, "", "p", []string{"z.onnx"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			e := desk(t)
			e.flags = &c.flags
			write(t, "mine.yaml", "models: [m.onnx]\nsubjects: [s]\n")
			if c.here != "" {
				write(t, "pipeline.yaml", c.here)
			}
			cfg, err := (&stageCmd{What: c.what}).config(e)
			if err != nil {
				t.Fatal(err)
			}
			var models []string
			for _, m := range cfg.Models {
				models = append(models, m.Path)
			}
			if cfg.Out != c.out || !slices.Equal(models, c.models) {
				t.Errorf("out %q, models %v; want %q, %v", cfg.Out, models, c.out, c.models)
			}
		})
	}
}

func write(t *testing.T, name, text string) {
	t.Helper()
	if err := os.WriteFile(name, []byte(text), 0o666); err != nil {
		t.Fatal(err)
	}
}

// TestFlagsAreKeys: a flag says the same as its YAML key, and wins over the file.
func TestFlagsAreKeys(t *testing.T) {
	e := desk(t)
	e.flags = &flags{Device: "cpu", Threads: 3, Set: []string{"fit.seeds=[1, 2]", "extract.layers=every:2"}}
	write(t, "pipeline.yaml", "models: [m.onnx]\nsubjects: [s]\nthreads: 7\ndevice: cuda\n")
	cfg, err := (&stageCmd{}).config(e)
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Device != "cpu" || cfg.Threads != 3 || !slices.Equal(cfg.Fit.Seeds, []int{1, 2}) || cfg.Extract.Layers[0] != "every:2" {
		t.Errorf("%+v", cfg)
	}
}

// TestUsageFaults are the user's, each with a remedy.
func TestUsageFaults(t *testing.T) {
	for _, c := range []struct {
		what []string
		set  []string
	}{
		{what: []string{"net.pt"}},
		{what: []string{"net"}},
		{what: []string{"a.yaml", "b.yml"}},
		{what: []string{"gone.yaml"}},
		{set: []string{"fit.seeds"}},
		{set: []string{"=1"}},
	} {
		e := desk(t)
		e.flags.Set = c.set
		_, err := (&stageCmd{What: c.what}).config(e)
		var f *fault.Error
		if !errors.As(err, &f) || f.Class != fault.Input || f.Fix == "" {
			t.Errorf("%v %v: %v", c.what, c.set, err)
		}
	}
}
