package raw

import (
	"bytes"
	"compress/gzip"
	"encoding/binary"
	"errors"
	"io"
	"math"
	"reflect"
	"strings"
	"testing"

	"cortexmap/internal/fault"
)

func TestConvert(t *testing.T) {
	for _, c := range []struct {
		kind  Kind
		value any // a slice, as encoding/binary writes it
		want  []float64
	}{
		{Int, []int8{-128, 127, 0}, []float64{-128, 127, 0}},
		{Uint, []uint8{255, 1}, []float64{255, 1}},
		{Int, []int16{-32768, 300}, []float64{-32768, 300}},
		{Uint, []uint16{65535, 300}, []float64{65535, 300}},
		{Int, []int32{-1 << 31, 1<<31 - 1}, []float64{-1 << 31, 1<<31 - 1}},
		{Uint, []uint32{1<<32 - 1}, []float64{1<<32 - 1}},
		{Int, []int64{-1 << 63, 5}, []float64{-1 << 63, 5}},
		{Uint, []uint64{1 << 63, 5}, []float64{1 << 63, 5}},
		{Float, []float32{0.1, float32(math.Inf(-1))}, []float64{float64(float32(0.1)), math.Inf(-1)}},
		{Float, []float64{0.1, -2}, []float64{0.1, -2}},
	} {
		for _, order := range []binary.ByteOrder{binary.LittleEndian, binary.BigEndian} {
			b, err := binary.Append(nil, order, c.value)
			if err != nil {
				t.Fatal(err)
			}
			typ := Type{c.kind, len(b) / len(c.want), order}
			got, narrow := make([]float64, len(c.want)), make([]float32, len(c.want))
			Convert(got, b, typ)
			Convert(narrow, b, typ)
			for i, w := range c.want {
				if got[i] != w || narrow[i] != float32(w) {
					t.Errorf("%v %v: %v and %v, want %v", typ, order, got[i], narrow[i], w)
				}
			}
		}
	}
}

func TestHalfIsExact(t *testing.T) {
	for _, c := range []struct {
		bits uint16
		want float64
	}{{0, 0}, {1, 0x1p-24}, {0x3ff, 1023 * 0x1p-24}, {0x400, 0x1p-14}, {0x3c00, 1}, {0xc100, -2.5}, {0x7bff, 65504}, {0xfc00, math.Inf(-1)}} {
		if got := float64(Half(c.bits)); got != c.want {
			t.Errorf("Half(%#x) = %v, want %v", c.bits, got, c.want)
		}
	}
	if !math.IsNaN(float64(Half(0x7e00))) || !math.Signbit(float64(Half(0x8000))) {
		t.Error("NaN or the sign of zero is lost")
	}
}

func TestWhole(t *testing.T) {
	for _, c := range []struct {
		name  string
		kind  Kind
		value any
		says  string
	}{
		{"labels as floats", Float, []float32{-1, 0, 7}, ""},
		{"a fraction", Float, []float32{1, 0.5}, "number 11 is 0.5"},
		{"NaN", Float, []float64{math.NaN()}, "number 10 is NaN"},
		{"infinity", Float, []float64{math.Inf(1)}, "number 10 is +Inf"},
		{"no longer exact", Float, []float64{1 << 53}, "number 10"},
		{"largest", Int, []int64{math.MaxInt64, math.MinInt64}, ""},
		{"beyond", Uint, []uint64{1 << 63}, "9223372036854775808, beyond int64"},
	} {
		b, err := binary.Append(nil, binary.LittleEndian, c.value)
		if err != nil {
			t.Fatal(err)
		}
		n := reflect.ValueOf(c.value).Len()
		err = Whole(make([]int64, n), b, Type{c.kind, len(b) / n, binary.LittleEndian}, 10)
		if (err == nil) != (c.says == "") || err != nil && !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, want %q", c.name, err, c.says)
		}
	}
}

func numbers(n int) []byte {
	v := make([]int16, n)
	for i := range v {
		v[i] = int16(i % 1000)
	}
	b, _ := binary.Append(nil, binary.BigEndian, v)
	return b
}

func sequence(b []byte, n, count int64) *Sequence {
	return &Sequence{S: NewStream(bytes.NewReader(b), "test file", binary.BigEndian), Type: Type{Int, 2, binary.BigEndian}, N: n, Count: count, Slope: 1}
}

// Frames longer than a block, whole, picked and as integers.
func TestSequence(t *testing.T) {
	const n = 2*block + 7
	b := numbers(3 * n)
	q := sequence(b, n, 3)
	first, err := q.Next()
	if err != nil || len(first) != n {
		t.Fatal(len(first), err)
	}
	at := []int32{0, 1, block - 1, block, 2*block + 6}
	got := make([]float32, len(at))
	if err := q.Pick(got, at); err != nil {
		t.Fatal(err)
	}
	third, err := q.Int32s()
	if err != nil {
		t.Fatal(err)
	}
	for i, a := range at {
		if first[a] != float32(int(a)%1000) || got[i] != float32((n+int(a))%1000) || third[a] != int32((2*n+int(a))%1000) {
			t.Errorf("place %d: %v %v %v", a, first[a], got[i], third[a])
		}
	}
	if _, err := q.Next(); err != io.EOF {
		t.Errorf("after the last frame: %v", err)
	}
}

func TestScaled(t *testing.T) {
	q := sequence(numbers(4), 4, 1)
	q.Slope, q.Inter = 0.5, 10
	v, err := q.Next()
	if want := []float32{10, 10.5, 11, 11.5}; err != nil || !reflect.DeepEqual(v, want) {
		t.Errorf("%v %v, want %v", v, err, want)
	}
	q = sequence(numbers(4), 4, 1)
	q.Slope = 0.5
	if _, err := q.Int32s(); err == nil || !strings.Contains(err.Error(), "number 1 is 0.5") {
		t.Errorf("half a label: %v", err)
	}
}

func TestCutShort(t *testing.T) {
	q := sequence(numbers(5), 4, 2)
	if _, err := q.Next(); err != nil {
		t.Fatal(err)
	}
	for range 2 { // the first failure stays
		if _, err := q.Next(); err == nil || !strings.Contains(err.Error(), "cut short: it ends after 10 bytes") {
			t.Errorf("got %v", err)
		}
	}
}

// A gzip file's checksum is behind the last frame: damage that changes no length is still found.
func TestChecksum(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(numbers(8))
	z.Close()
	b := packed.Bytes()
	if v, err := sequence(b, 8, 1).All(8); err != nil || v[0][7] != 7 {
		t.Fatal(v, err)
	}
	b[len(b)-8] ^= 1
	var e *fault.Error
	if _, err := sequence(b, 8, 1).All(8); !errors.As(err, &e) {
		t.Errorf("a wrong checksum: %v", err)
	}
	if _, err := sequence(b, 8, 1).Labels(8); !errors.As(err, &e) {
		t.Errorf("a wrong checksum behind labels: %v", err)
	}
}

func TestTail(t *testing.T) {
	q := sequence(numbers(8), 4, 1)
	q.Tail = 7
	if _, err := q.All(4); err == nil || !strings.Contains(err.Error(), "more than 7 bytes follow") {
		t.Errorf("got %v", err)
	}
	q = sequence(numbers(8), 4, 1)
	q.Tail = 8
	if _, err := q.All(4); err != nil {
		t.Error(err)
	}
}

type broken struct{ err error }

func (b broken) Read([]byte) (int, error) { return 0, b.err }

// An error of the file system is not called a damaged file.
func TestErrorsFromBelow(t *testing.T) {
	lost := errors.New("the disk is gone")
	head := numbers(4)
	q := sequence(nil, 4, 2)
	q.S = NewStream(io.MultiReader(bytes.NewReader(head), broken{lost}), "test file", binary.BigEndian)
	if _, err := q.Next(); err != nil {
		t.Fatal(err)
	}
	if _, err := q.Next(); err != lost {
		t.Errorf("got %v", err)
	}
}

func TestPickPanics(t *testing.T) {
	for name, at := range map[string][]int32{"descending": {2, 1}, "twice": {1, 1}, "negative": {-1, 0}, "beyond": {0, 4}, "too few": {0}} {
		func() {
			defer func() {
				if recover() == nil {
					t.Errorf("%s: no panic", name)
				}
			}()
			_ = sequence(numbers(4), 4, 1).Pick(make([]float32, 2), at)
		}()
	}
}
