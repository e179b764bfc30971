package pickle

import (
	"bytes"
	"encoding/binary"
	"math"
	"strings"

	"cortexmap/internal/fault"
)

// mark is what MARK leaves on the stack.
type mark struct{}

// machine runs the opcodes. The first failure stays.
type machine struct {
	may   Allowed
	b     []byte
	at    int
	stack []any
	memo  map[uint32]any
	err   error
}

// Allowed is what a pickle of some purpose may name; the zero value allows numbers, names and containers alone.
type Allowed struct {
	What       string          // the purpose, for messages: "a dict of names"
	Globals    map[Global]bool // that may be named
	Persistent bool            // references to things outside the pickle (BINPERSID), as PyTorch's tensors have
	Fix        string          // the remedy where something else is asked for
}

// Decode reads one pickle of a mapping. Its memory is a small multiple of len(b).
func Decode(b []byte) (any, error) {
	return DecodeFor(b, Allowed{What: "a dict of names", Globals: globals, Fix: "save the mapping anew: numpy.save(name, {1: 'V1v', 2: 'V1d'})"})
}

// DecodeFor reads one pickle that may name what is allowed. Its memory is a small multiple of len(b).
func DecodeFor(b []byte, may Allowed) (any, error) {
	m := &machine{b: b, memo: map[uint32]any{}, may: may}
	if len(b) < 2 || b[0] != 0x80 || b[1] < 2 || b[1] > 5 {
		return nil, fault.Inputf("this is no pickle of protocol 2 to 5: it begins with % x", b[:min(2, len(b))])
	}
	for m.err == nil {
		op := m.byte()
		if op == '.' {
			break
		}
		m.step(op)
	}
	if m.err == nil && m.at != len(b) {
		m.fail("%d bytes follow the end of the pickle", len(b)-m.at)
	}
	if m.err == nil && len(m.stack) != 1 {
		m.fail("%d values are left where one is meant", len(m.stack))
	}
	if m.err != nil {
		return nil, m.err
	}
	return m.stack[0], nil
}

func (m *machine) fail(format string, args ...any) {
	if m.err == nil {
		m.err = fault.Inputf("byte %d of the pickle: "+format, append([]any{m.at}, args...)...)
	}
}

// refuse is for what Python would do and we won't.
func (m *machine) refuse(format string, args ...any) {
	m.fail(format, args...)
	if e, ok := m.err.(*fault.Error); ok && e.Fix == "" && m.may.Fix != "" {
		m.err = e.Remedy("%s", m.may.Fix)
	}
}

// step does one opcode.
func (m *machine) step(op byte) {
	switch op {
	case 0x80: // PROTO
		m.byte()
	case 0x95: // FRAME
		if n := m.uint(8); m.err == nil && n > uint64(len(m.b)-m.at) {
			m.short(n)
		}
	case 'N':
		m.push(nil)
	case 0x88, 0x89:
		m.push(op == 0x88)
	case 'K':
		m.push(int64(m.byte()))
	case 'M':
		m.push(int64(m.uint(2)))
	case 'J':
		m.push(int64(int32(m.uint(4))))
	case 0x8a: // LONG1
		m.push(m.long(m.take(uint64(m.byte()))))
	case 'G':
		if b := m.take(8); b != nil {
			m.push(math.Float64frombits(binary.BigEndian.Uint64(b)))
		}
	case 0x8c: // SHORT_BINUNICODE
		m.push(string(m.take(m.uint(1))))
	case 'X', 'T': // BINUNICODE, BINSTRING
		m.push(string(m.take(m.uint(4))))
	case 'U':
		m.push(string(m.take(m.uint(1))))
	case 'C':
		m.push(m.take(m.uint(1)))
	case 'B':
		m.push(m.take(m.uint(4)))
	default:
		m.compound(op)
	}
}

// compound does the opcodes that work on the stack.
func (m *machine) compound(op byte) {
	switch op {
	case '(':
		m.push(mark{})
	case ')':
		m.push(Tuple{})
	case 0x85, 0x86, 0x87: // TUPLE1 to 3
		m.push(Tuple(m.last(int(op) - 0x84)))
	case 't':
		m.push(Tuple(m.marked()))
	case ']':
		m.push(&List{})
	case '}':
		m.push(&Dict{})
	case 'a', 'e': // APPEND, APPENDS
		items := m.items(op == 'e', 1)
		if l, ok := m.top().(*List); ok {
			l.Items = append(l.Items, items...)
		} else {
			m.fail("something is appended to %s", kind(m.top()))
		}
	case 's', 'u': // SETITEM, SETITEMS
		m.set(m.items(op == 'u', 2))
	case 0x94, 'q', 'r': // MEMOIZE, BINPUT, LONG_BINPUT
		at := uint32(len(m.memo))
		if op != 0x94 {
			at = m.place(op == 'r')
		}
		m.memo[at] = m.top()
	case 'h', 'j': // BINGET, LONG_BINGET
		at := m.place(op == 'j')
		v, ok := m.memo[at]
		if !ok {
			m.fail("value %d of the memo was never put there", at)
		}
		m.push(v)
	case 'c', 0x93: // GLOBAL, STACK_GLOBAL
		m.global(op == 'c')
	case 'R':
		m.reduce()
	case 'Q': // BINPERSID
		if !m.may.Persistent {
			m.refuse("the opcode %#02x is none that %s needs", op, m.may.What)
			return
		}
		m.push(Reference{m.last(1)[0]})
	case 'b':
		m.build()
	default:
		m.refuse("the opcode %#02x is none that %s needs", op, m.may.What)
	}
}

func (m *machine) set(items []any) {
	d, ok := m.top().(*Dict)
	switch {
	case !ok:
		m.fail("an item is set in %s", kind(m.top()))
	case len(items)%2 != 0:
		m.fail("a key has no value")
	default:
		for i := 0; i < len(items); i += 2 {
			d.Keys, d.Values = append(d.Keys, items[i]), append(d.Values, items[i+1])
		}
	}
}

func (m *machine) global(inline bool) {
	var module, name string
	if inline {
		module, name = m.line(), m.line()
	} else {
		names := m.last(2)
		if m.err != nil {
			return
		}
		module, _ = names[0].(string)
		name, _ = names[1].(string)
	}
	g := Global(module + "." + name)
	if m.err == nil && !m.may.Globals[g] {
		m.refuse("it asks for %.80q, which %s doesn't need", string(g), m.may.What)
	}
	m.push(g)
}

func (m *machine) reduce() {
	v := m.last(2)
	if m.err != nil {
		return
	}
	class, known := v[0].(Global)
	args, tuple := v[1].(Tuple)
	if !known || !tuple {
		m.fail("%s is called with %s", kind(v[0]), kind(v[1]))
	}
	if class == orderedDict && len(args) == 0 {
		m.push(&Dict{})
		return
	}
	m.push(&Object{Class: class, Args: args})
}

func (m *machine) build() {
	state := m.last(1)
	o, ok := m.top().(*Object)
	_, dict := m.top().(*Dict)
	switch {
	case m.err != nil:
	case dict: // an OrderedDict's attributes, which say nothing about its items
	case !ok:
		m.fail("%s is given a state", kind(m.top()))
	case o.State != nil:
		m.fail("a %s is given two states", o.Class)
	default:
		o.State = state[0]
	}
}

func (m *machine) push(v any) { m.stack = append(m.stack, v) }

// last takes n values off the stack.
func (m *machine) last(n int) []any {
	at := len(m.stack) - n
	if at < 0 {
		m.fail("the stack has %d values where %d are needed", len(m.stack), n)
		return make([]any, n)
	}
	v := append([]any(nil), m.stack[at:]...)
	for _, x := range v {
		if _, isMark := x.(mark); isMark {
			m.fail("a mark stands where a value is needed")
		}
	}
	m.stack = m.stack[:at]
	return v
}

// marked takes all values since the last mark, and the mark.
func (m *machine) marked() []any {
	for i := len(m.stack) - 1; i >= 0; i-- {
		if _, ok := m.stack[i].(mark); ok {
			v := append([]any(nil), m.stack[i+1:]...)
			m.stack = m.stack[:i]
			return v
		}
	}
	m.fail("there is no mark")
	return nil
}

func (m *machine) items(many bool, n int) []any {
	if many {
		return m.marked()
	}
	return m.last(n)
}

func (m *machine) top() any {
	if len(m.stack) == 0 {
		m.fail("the stack is empty")
		return nil
	}
	return m.stack[len(m.stack)-1]
}

func (m *machine) short(need uint64) {
	if m.err == nil {
		m.err = fault.Inputf("the pickle is cut short: at byte %d of %d, %d more are needed", m.at, len(m.b), need).Remedy("copy or write the file again")
	}
}

// take gives the next n bytes, nil if they aren't there.
func (m *machine) take(n uint64) []byte {
	if m.err != nil {
		return nil
	}
	if n > uint64(len(m.b)-m.at) {
		m.short(n)
		return nil
	}
	m.at += int(n)
	return m.b[m.at-int(n) : m.at : m.at]
}

func (m *machine) byte() byte { return byte(m.uint(1)) }

// uint is a number of n bytes.
func (m *machine) uint(n int) (v uint64) {
	b := m.take(uint64(n))
	for i := range b {
		v |= uint64(b[i]) << (8 * i)
	}
	return v
}

func (m *machine) place(long bool) uint32 {
	if long {
		return uint32(m.uint(4))
	}
	return uint32(m.byte())
}

// long is a signed number of any length; labels have at most 8 bytes.
func (m *machine) long(b []byte) int64 {
	if len(b) > 8 {
		m.fail("a number of %d bytes is no label", len(b))
		return 0
	}
	var v int64
	for i := range b {
		v |= int64(b[i]) << (8 * i)
	}
	unused := 64 - 8*len(b)
	return v << unused >> unused
}

func (m *machine) line() string {
	i := bytes.IndexByte(m.b[m.at:], '\n')
	if m.err != nil || i < 0 {
		m.short(1)
		return ""
	}
	return strings.TrimSuffix(string(m.take(uint64(i+1))), "\n")
}
