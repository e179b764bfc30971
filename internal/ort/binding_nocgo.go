//go:build !cgo

package ort

import "errors"

// A program built with CGO_ENABLED=0 can find and fetch the library but not load it; everything else of
// cortexmap (reading models, stores, reports) works in it.

var errNoCgo = errors.New("this cortexmap was built without cgo")

type value = any

func load(string) error                           { return errNoCgo }
func unload() error                               { return nil }
func probe(string) (string, error)                { return "", errNoCgo }
func newHalf([]byte, []int64) (value, error)      { return nil, errNoCgo }
func release(value)                               {}
func contents(value) (any, []int64, error)        { return nil, nil, errNoCgo }
func loadCUDA() error                             { return errNoCgo }
func newValue[T any]([]T, []int64) (value, error) { return nil, errNoCgo }

type handle struct{}

func openHandle([]byte, string, []string, []string, Options) (*handle, error) { return nil, errNoCgo }

func (h *handle) run([]value, []value) error { return errNoCgo }
func (h *handle) terminate()                 {}
func (h *handle) allow()                     {}
func (h *handle) close()                     {}
