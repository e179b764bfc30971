//go:build cgo && unix

package ort

/*
#cgo linux LDFLAGS: -ldl
#include <dlfcn.h>
#include <stdlib.h>
#ifdef __GLIBC__
#include <malloc.h>
#endif

// The first two members of OrtApiBase (onnxruntime_c_api.h) have been the same in every release.
typedef struct { const void *(*get_api)(unsigned int); const char *(*get_version)(void); } api_base;

static const char *version_of(void *get_base) {
	const api_base *base = ((const api_base *(*)(void))get_base)();
	return base ? base->get_version() : NULL;
}

// glibc raises the size from which blocks are mapped and given back alone to that of the largest block freed so far
// (mallopt(3)). Opening and closing sessions then leaves a third of a small extraction's memory in holes, more or
// less of it from run to run. Setting a threshold, here to its usual value, stops that.
static void keep_threshold(void) {
#ifdef __GLIBC__
	mallopt(M_TRIM_THRESHOLD, 128 << 10);
#endif
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
	C.keep_threshold() // before the library's first block
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
