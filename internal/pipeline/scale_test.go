package pipeline

import (
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"google.golang.org/protobuf/encoding/protowire"

	"cortexmap/internal/config"
	"cortexmap/internal/subject/subjecttest"
)

// BenchmarkTenThousandTasks is what --dry-run and status do with 100 networks, 10 subjects and 9 seeds: 10,001
// tasks, of which none, or all but the results, are done.
func BenchmarkTenThousandTasks(b *testing.B) {
	dir := b.TempDir()
	network, err := os.ReadFile(filepath.Join(testdata, "onnx", "resnet.dyn.onnx"))
	if err != nil {
		b.Fatal(err)
	}
	var models, subjects []string
	for i := range 100 { // each with another doc_string, so that each is another network
		name := fmt.Sprintf("net%03d.onnx", i)
		doc := protowire.AppendString(protowire.AppendTag(nil, 6, protowire.BytesType), name)
		if err := os.WriteFile(filepath.Join(dir, name), append(network[:len(network):len(network)], doc...), 0o666); err != nil {
			b.Fatal(err)
		}
		models = append(models, name)
	}
	for i := range 10 {
		name := fmt.Sprintf("s%d", i)
		if err := (subjecttest.Small{Pictures: 20 + i, Units: 6, Positions: "csv"}).Write(filepath.Join(dir, name)); err != nil {
			b.Fatal(err)
		}
		path := filepath.Join(dir, name, "subject.yaml")
		text, err := os.ReadFile(path)
		if err == nil {
			err = os.WriteFile(path, []byte(strings.Replace(string(text), "name: small", "name: "+name, 1)), 0o666)
		}
		if err != nil {
			b.Fatal(err)
		}
		subjects = append(subjects, name)
	}
	b.Chdir(dir)
	c, err := config.Load("sweep.yaml", fmt.Appendf(nil, "out: out\nmodels: [%s]\nsubjects: [%s]\nfit: {seeds: [0, 1, 2, 3, 4, 5, 6, 7, 8]}\n",
		strings.Join(models, ", "), strings.Join(subjects, ", ")), nil)
	if err != nil {
		b.Fatal(err)
	}
	o := Options{Config: c, Demo: os.DirFS(filepath.Join(testdata, "demo")), Until: Analyze, Log: slog.New(slog.DiscardHandler)}
	look := func(b *testing.B, done int) {
		for b.Loop() {
			s, err := Look(b.Context(), o, false)
			if err != nil {
				b.Fatal(err)
			}
			kept := 0
			for _, t := range s.Tasks {
				if t.State == "kept" {
					kept++
				}
			}
			if len(s.Tasks) != 10_001 || kept != done {
				b.Fatalf("%d tasks, %d of them done", len(s.Tasks), kept)
			}
		}
	}
	b.Run("none done", func(b *testing.B) { look(b, 0) })
	s, err := Look(b.Context(), o, false)
	if err != nil {
		b.Fatal(err)
	}
	for _, t := range s.Tasks {
		if t.Kind != "results" {
			if err := os.MkdirAll(filepath.Join("out", filepath.FromSlash(t.Folder)), 0o777); err != nil {
				b.Fatal(err)
			}
		}
	}
	b.Run("all done but results", func(b *testing.B) { look(b, 10_000) })
}
