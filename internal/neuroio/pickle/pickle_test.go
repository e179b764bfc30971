package pickle

import (
	"bytes"
	"encoding/binary"
	"errors"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/neuroio/neuroiotest"
)

func mapping(b []byte) (map[int64]string, error) {
	return Mapping(bytes.NewReader(b), int64(len(b)))
}

func TestGolden(t *testing.T) {
	var golden map[string]map[int64]string
	neuroiotest.GoldenIn(t, "pickle", "files", &golden)
	if len(golden) < 12 {
		t.Fatalf("%d golden files", len(golden))
	}
	for name, want := range golden {
		got, err := mapping(neuroiotest.File(t, "pickle/"+name))
		if err != nil || !reflect.DeepEqual(got, want) {
			t.Errorf("%s: %v, %v; numpy reads %v", name, got, err, want)
		}
	}
}

// object is a .npy file of one object whose pickle has these opcodes after PROTO.
func object(opcodes string) []byte {
	dict := "{'descr': '|O', 'fortran_order': False, 'shape': (), }"
	b := binary.LittleEndian.AppendUint16([]byte("\x93NUMPY\x01\x00"), uint16(len(dict)))
	return append(b, dict+"\x80\x03"+opcodes...)
}

func TestRefusals(t *testing.T) {
	const array = "cnumpy.core.multiarray\n_reconstruct\n)R"
	for _, c := range []struct {
		name string
		file []byte
		says string
	}{
		{"numbers", neuroiotest.File(t, "c_f4.npy"), "an array of f4, not Python objects"},
		{"two objects", neuroiotest.File(t, "pickle/two.npy"), "holds [2] Python objects"},
		{"names as an array", neuroiotest.File(t, "pickle/list.npy"), "is not read"},
		{"nested", neuroiotest.File(t, "pickle/nested.npy"), "label 1 of the mapping is a dict"},
		{"the other way round", neuroiotest.File(t, "pickle/text_keys.npy"), `key 0 of the mapping is "V1"`},
		{"code", neuroiotest.File(t, "pickle/evil.npy"), `asks for "posix.system"`},
		{"protocol 0", neuroiotest.File(t, "pickle/protocol0.npy"), "no pickle of protocol 2 to 5"},
		{"long", make([]byte, maxFile+1), "at most 1048576"},
		{"code inline", object("cos\nsystem\n."), `asks for "os.system"`},
		{"a module of numpy", object("cnumpy.core.multiarray\nfromfile\n."), "fromfile"},
		{"persistent", object("Q."), "byte 3 of the pickle: the opcode 0x51"},
		{"newobj", object("))\x81."), "opcode 0x81"},
		{"extension", object("\x82\x01."), "opcode 0x82"},
		{"long4", object("\x8b\x01\x00\x00\x00\x05."), "opcode 0x8b"},
		{"huge long", object("\x8a\x09" + strings.Repeat("\x00", 9) + "."), "number of 9 bytes"},
		{"huge string", object("X\xff\xff\xff\xffV1."), "4294967295 more are needed"},
		{"huge bytes", object("B\xff\xff\xff\x7fV1."), "2147483647 more are needed"},
		{"huge frame", object("\x95\xff\xff\xff\xff\xff\xff\xff\xff."), "18446744073709551615 more are needed"},
		{"empty stack", object("."), "0 values are left"},
		{"no stop", object("N"), "cut short"},
		{"more after it", object("N.N"), "1 bytes follow"},
		{"two values", object("NN."), "2 values are left"},
		{"no mark", object("Nt."), "there is no mark"},
		{"mark as a value", object("(\x85."), "a mark stands"},
		{"too few", object("N\x87."), "the stack has 1 values where 3 are needed"},
		{"memo", object("h\x07."), "value 7 of the memo"},
		{"append to a number", object("K\x01Na."), "appended to 1"},
		{"item of a number", object("K\x01NNs."), "set in 1"},
		{"odd items", object("}(Nu."), "a key has no value"},
		{"call a number", object("K\x01)R."), "1 is called with a tuple"},
		{"call with a number", object("cnumpy\ndtype\nK\x01R."), "numpy.dtype is called with 1"},
		{"state of a number", object("K\x01)b."), "1 is given a state"},
		{"two states", object("cnumpy\ndtype\n)R)b)b."), "two states"},
		{"global of numbers", object("K\x01K\x02\x93."), `asks for "."`},
		{"only a dict", object("}."), "holds a dict, not an array"},
		{"an empty array", object(array + "."), "doesn't hold one object"},
		{"names in a list", object(array + "(NNNN]]atb."), "holds a list, not a dict"},
		{"a label twice", object(array + "(NNNN]}(K\x01X\x01\x00\x00\x00aK\x01X\x01\x00\x00\x00buatb."), "label 1 stands twice"},
		{"a cycle", object(array + "(NNNN]q\x01h\x01atb."), "holds a list, not a dict"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, err := mapping(c.file)
			neuroiotest.Refused(t, err, c.says)
		})
	}
}

// Opcodes that double what is on the stack don't exist here; the worst that a byte can ask for is a few
// words.
func TestMemoryIsBoundedByTheFile(t *testing.T) {
	for name, opcodes := range map[string]string{
		"tuples":  strings.Repeat(")", maxFile/2),
		"copies":  "Nq\x00" + strings.Repeat("h\x00h\x00h\x00\x87q\x00", maxFile/12),
		"strings": "X\x00\x10\x00\x00" + strings.Repeat("x", 4096) + "q\x00" + strings.Repeat("h\x00", maxFile/4),
	} {
		b := object(opcodes + ".")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		_, err := mapping(b)
		runtime.ReadMemStats(&after)
		// A value is 16 bytes on the stack, which grows by doubling (5 times as much in sum), and up to 100
		// in a map: 200 times the file.
		if took := after.TotalAlloc - before.TotalAlloc; took > 200*uint64(len(b)) {
			t.Errorf("%s: %d bytes took %d of memory", name, len(b), took)
		}
		neuroiotest.Refused(t, err, "")
	}
}

func TestBattery(t *testing.T) {
	for _, name := range []string{"one.npy", "protocol2.npy", "int64_keys.npy", "numpy_names.npy"} {
		read := func(b []byte) error { _, err := mapping(b); return err }
		neuroiotest.Battery(t, neuroiotest.Format{Name: name, File: neuroiotest.File(t, "pickle/"+name), Read: read})
	}
}

func FuzzMapping(f *testing.F) {
	for _, name := range []string{"mapping_floc-faces.npy", "protocol2.npy", "protocol3.npy", "protocol5.npy", "numpy1.npy", "int64_keys.npy",
		"small_keys.npy", "numpy_names.npy", "numbers.npy", "one.npy", "empty.npy", "unicode.npy", "evil.npy", "nested.npy"} {
		f.Add(neuroiotest.File(f, "pickle/"+name))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var e *fault.Error
		if _, err := mapping(b); err != nil && !errors.As(err, &e) {
			t.Fatalf("an error that is no fault: %v", err)
		}
	})
}
