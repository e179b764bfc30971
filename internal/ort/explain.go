package ort

import "cortexmap/internal/fault"

// Explain turns an error of the library about a model into a fault.
func (rt *Runtime) Explain(err error, model string) error {
	return fault.Inputf("%w", err).In("%s", model)
}
