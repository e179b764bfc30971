// Package pickle reads Python pickles as trees of what they say. Brain data come with one kind: a dict of
// numbers and names, saved by numpy.save, such as the mapping_*.npy of the Algonauts 2023 challenge
// ([Mapping]); package torch reads another. Nothing in a file is ever imported, called or run.
//
// # The format
//
// Source: Lib/pickletools.py of Python (opcodes), numpy/_core/multiarray (what an array's pickle holds). The
// file is .npy with descr |O and shape (); then comes one pickle, a program for a machine with a stack and
// a memo of numbered values. Numbers are little-endian but for BINFLOAT. Opcodes that are read:
//
//	80 n     PROTO, 2 to 5              95 n:8    FRAME of n bytes            2E       STOP
//	4E       None                       88 89     True, False
//	4B n     BININT1                    4D n:2    BININT2                     4A n:4   BININT, signed
//	8A n …   LONG1, n bytes, signed     47 …      BINFLOAT, 8 bytes, big-endian
//	8C n …   string of n bytes          58 n:4 …  string, UTF-8
//	43 n …   bytes                      42 n:4 …  bytes                       55 n …, 54 n:4 … Python 2's str
//	29 85 86 87 tuple of 0, 1, 2, 3     28 MARK, 74 tuple of all since MARK
//	5D list  61 APPEND  65 APPENDS      7D dict   73 SETITEM  75 SETITEMS
//	94 MEMOIZE  71 n, 72 n:4 BINPUT     68 n, 6A n:4 BINGET
//	63 module 0A name 0A GLOBAL         93 STACK_GLOBAL: module and name from the stack
//	52 REDUCE: a global and its arguments    62 BUILD: an object and its state
//	51 BINPERSID: what the value on the stack refers to, outside the pickle (PyTorch's tensors)
//
// Any other opcode is refused, and so is any global but numpy's _reconstruct, scalar, ndarray and dtype
// (whose module is numpy.core.multiarray in numpy 1, numpy._core.multiarray in numpy 2) and _codecs.encode,
// by which protocol 2 writes bytes; [DecodeFor] takes a list of its caller's. REDUCE and BUILD only group: what comes out is the tree of what the
// file says.
//
// The dict stands at the end of an array's state:
//
//	_reconstruct(ndarray, (0,), b'b'), state (1, (), dtype('O'), False, [{0: 'Unknown', 1: 'OFA'}])
//
// Keys are int, or numpy integers: scalar(dtype('i8'), 8 bytes).
package pickle

import (
	"fmt"
)

// What Decode gives, beside nil, bool, int64, float64, string and []byte.
type (
	// Tuple is Python's.
	Tuple []any
	// List is Python's.
	List struct{ Items []any }
	// Dict is Python's, in the order in which its items were set; a key may stand twice, and the last counts.
	Dict struct{ Keys, Values []any }
	// Global is the name of something that would be imported: module.name.
	Global string
	// Reference is something outside the pickle that ID names.
	Reference struct{ ID any }
	// Object is what Python would make by calling Class with Args and then giving it State.
	Object struct {
		Class Global
		Args  Tuple
		State any // nil: none was given
	}
)

// globals are the only ones that may be named.
var globals = map[Global]bool{
	"numpy.core.multiarray._reconstruct": true, "numpy._core.multiarray._reconstruct": true,
	"numpy.core.multiarray.scalar": true, "numpy._core.multiarray.scalar": true,
	"numpy.ndarray": true, "numpy.dtype": true, "_codecs.encode": true,
}

// orderedDict is read as a Dict wherever it may be named.
const orderedDict Global = "collections.OrderedDict"

// kind names a value in faults.
func kind(v any) string {
	switch v := v.(type) {
	case nil:
		return "None"
	case string:
		return fmt.Sprintf("%.40q", v)
	case bool, int64, float64:
		return fmt.Sprint(v)
	case []byte:
		return "bytes"
	case Tuple:
		return "a tuple"
	case *List:
		return "a list"
	case *Dict:
		return "a dict"
	case Global:
		return string(v)
	case *Object:
		return "a " + string(v.Class)
	case Reference:
		return "a reference"
	}
	return "a mark"
}
