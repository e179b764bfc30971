// Package fault is the one error type that people see: what failed, where, and what to do about it.
//
// A fault has a class, from which package cli (and nothing else) decides the exit code. Everything that
// comes from outside (files, settings, networks, the machine) ends in a fault; an error that is none is a
// bug in cortexmap and is reported as one.
package fault

import (
	"context"
	"errors"
	"fmt"
	"strings"
)

// Class says whose turn it is to act. The exit codes are those of the command's documentation.
type Class int

const (
	Bug         Class = iota // ours: exit code 1
	Input                    // something the user gave is wrong: 2
	Machine                  // the machine lacks something: library, device, memory, disk, permission: 3
	Partial                  // finished, but some tasks failed: 4
	Interrupted              // stopped by a signal: 130
)

// Error is a failure told in one line, with an optional place and an optional remedy.
type Error struct {
	Class Class
	What  string // what failed: lower case, no full stop, both numbers of a mismatch
	At    string // file, line, layer or row; "" when What says it all
	Fix   string // what to do; "" when we are not sure
	Err   error  // the cause, kept for errors.Is and errors.As; nil if there is none
}

// New makes a fault of a class; the text follows fmt.Sprintf, and an error among the arguments given
// with %w is kept as the cause.
func New(class Class, format string, args ...any) *Error {
	err := fmt.Errorf(format, args...)
	return &Error{Class: class, What: err.Error(), Err: errors.Unwrap(err)}
}

// Inputf is New(Input, …).
func Inputf(format string, args ...any) *Error { return New(Input, format, args...) }

// Machinef is New(Machine, …).
func Machinef(format string, args ...any) *Error { return New(Machine, format, args...) }

// In sets the place (file, line, layer) and returns e.
func (e *Error) In(format string, args ...any) *Error {
	e.At = fmt.Sprintf(format, args...)
	return e
}

// Remedy sets what to do about it and returns e.
func (e *Error) Remedy(format string, args ...any) *Error {
	e.Fix = fmt.Sprintf(format, args...)
	return e
}

// Error is the fault on one line: "what (at; fix: …)". cli prints the parts on lines of their own.
func (e *Error) Error() string {
	var more []string
	if e.At != "" {
		more = append(more, e.At)
	}
	if e.Fix != "" {
		more = append(more, "fix: "+e.Fix)
	}
	if len(more) == 0 {
		return e.What
	}
	return e.What + " (" + strings.Join(more, "; ") + ")"
}

// Unwrap gives the cause.
func (e *Error) Unwrap() error { return e.Err }

// ClassOf is the class of the outermost fault in err's chain; a cancelled context counts as Interrupted,
// anything else as Bug.
func ClassOf(err error) Class {
	if errors.Is(err, context.Canceled) {
		return Interrupted
	}
	var e *Error
	if errors.As(err, &e) {
		return e.Class
	}
	return Bug
}
