package extract_test

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"testing"

	"cortexmap/internal/bench"
	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
)

// Extraction beside the bare library: `cortexmap bench extract` as a benchmark, one round, a metric a column.
func BenchmarkExtract(b *testing.B) {
	o := bench.Options{
		Demo: os.DirFS(filepath.Join("..", "testdata", "demo")), Log: slog.New(slog.DiscardHandler), Progress: func(string, int, int) {},
		Start: func(context.Context) (*ort.Runtime, error) { return ort.Start(orttest.Runtime(b).Library()) },
	}
	for b.Loop() {
		tables, err := bench.Extract(context.Background(), o, bench.ExtractOptions{Rounds: 1})
		if err != nil {
			b.Fatal(err)
		}
		t := tables[0]
		for _, row := range t.Rows {
			for i, c := range t.Columns[1:] {
				if v, ok := row[i+1].(float64); ok {
					b.ReportMetric(v, fmt.Sprintf("%s:%s", row[0], c.Name))
				}
			}
		}
	}
}
