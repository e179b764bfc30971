package fit

import (
	"context"
	"maps"
	"strings"
	"testing"

	"cortexmap/internal/ort"
	"cortexmap/internal/ort/orttest"
)

// BenchmarkStep times a whole step of descent; the type Speed says of what. Besides ms/image it reports the
// GFLOP/s of the products that the step can't do without, their rate over that of a plain matrix product
// taken in the same run (gemm-ratio: 1 would be nothing but products), the part of the cells' products that
// is left where layers are left out (active), each part's ms/image, and the process's peak memory. `cortexmap
// bench step` adds the plain form in PyTorch to the same figures.
//
//	go test ./fit -run - -bench Step
func BenchmarkStep(b *testing.B) {
	for _, c := range SpeedCases {
		b.Run(c.String(), func(b *testing.B) { c.bench(b) })
	}
}

// BenchmarkStepCUDA is BenchmarkStep through CUDA, where there is a GPU.
func BenchmarkStepCUDA(b *testing.B) {
	if _, _, err := orttest.Runtime(b).Device(ort.CUDA); err != nil {
		b.Skip("no CUDA here: ", err)
	}
	for _, c := range SpeedCases {
		c.Device = ort.CUDA
		b.Run(c.String(), func(b *testing.B) { c.bench(b) })
	}
}

func (c SpeedCase) bench(b *testing.B) {
	ctx := context.Background()
	s, err := NewSpeed(ctx, orttest.Runtime(b), 0, c)
	if err != nil {
		b.Fatal(err)
	}
	defer s.Close()
	if _, err := s.Round(ctx); err != nil { // sessions, page faults
		b.Fatal(err)
	}
	gemm, err := s.GEMM(ctx)
	if err != nil {
		b.Fatal(err)
	}
	images, before := 0, maps.Clone(s.Parts())
	for b.Loop() {
		n, err := s.Round(ctx)
		if err != nil {
			b.Fatal(err)
		}
		images += n
	}
	rate := s.FLOP() * float64(images) / b.Elapsed().Seconds()
	b.ReportMetric(1e3*b.Elapsed().Seconds()/float64(images), "ms/image")
	b.ReportMetric(rate/1e9, "GFLOP/s")
	b.ReportMetric(gemm/1e9, "gemm-GFLOP/s")
	b.ReportMetric(rate/gemm, "gemm-ratio")
	b.ReportMetric(s.Active(), "active")
	b.ReportMetric(float64(ort.PeakMemory())/(1<<20), "peak-MB")
	for part, sec := range s.Parts() {
		b.ReportMetric(1e3*(sec-before[part])/float64(images), strings.ReplaceAll(part, " ", "-")+"-ms/image")
	}
	b.ReportMetric(0, "ns/op")
}
