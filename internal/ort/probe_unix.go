//go:build cgo && unix

package ort

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>

// The first two members of OrtApiBase (onnxruntime_c_api.h) have been the same in every release.
typedef struct { const void *(*get_api)(unsigned int); const char *(*get_version)(void); } api_base;

static const char *version_of(void *get_base) {
	const api_base *base = ((const api_base *(*)(void))get_base)();
	return base ? base->get_version() : NULL;
}
*/
import "C"

import (
	"errors"
	"unsafe"
)

// probe loads the library at path and asks it for its version, which the binding tells only once it has
// accepted it. The handle stays open where the version could be read: the binding opens the same library
// again at no cost, and a tensor that is closed after the Runtime still finds its code mapped.
func probe(path string) (version string, err error) {
	p := C.CString(path)
	defer C.free(unsafe.Pointer(p))
	h := C.dlopen(p, C.RTLD_LAZY)
	if h == nil {
		return "", errors.New(C.GoString(C.dlerror()))
	}
	name := C.CString("OrtGetApiBase")
	defer C.free(unsafe.Pointer(name))
	f := C.dlsym(h, name)
	if f == nil {
		C.dlclose(h)
		return "", errNoAPI
	}
	v := C.version_of(f)
	if v == nil {
		C.dlclose(h)
		return "", errNoAPI
	}
	return C.GoString(v), nil
}
