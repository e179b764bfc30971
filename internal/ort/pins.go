package ort

import (
	"strconv"
	"strings"
)

// Pinned is the version of ONNX Runtime that is fetched: the newest that PyPI and npm both serve.
const Pinned = "1.27.0"

// pins are what one platform may be given, each file with its SHA-256. "" where there is none.
type pins struct {
	file string // the library's name in the cache

	wheelTags []string // pip's --platform: those of the cp312 wheel (it is only unzipped: any Python's would do)
	wheel     string   // SHA-256 of the wheel
	wheelLib  string   // the library's path inside
	wheelSum  string   // SHA-256 of the library

	tarball string // SHA-256 of npm's package, the same for every platform
	npmLib  string
	npmSum  string

	moduleLib string // in test_data of the Go binding's module: ONNX Runtime 1.24.1
	moduleSum string
}

// platforms are those that ONNX Runtime 1.27 is built for and cortexmap was made for. There is no build
// for Intel Macs; musl systems can't load the Linux ones.
var platforms = map[string]pins{
	"linux/amd64": {
		file:      "libonnxruntime.so." + Pinned,
		wheelTags: []string{"manylinux_2_27_x86_64", "manylinux_2_28_x86_64"},
		wheel:     "7c65a7438632d55dfbc8a02ee60bd6cf7dd9d1ba05a43d4b851452f32338e194",
		wheelLib:  "onnxruntime/capi/libonnxruntime.so." + Pinned,
		wheelSum:  "b5c9d4f124d24707f514dad926dc181820807178855df1c528e3addb2dd0e6f7",
		tarball:   npmTarball,
		npmLib:    "package/bin/napi-v6/linux/x64/libonnxruntime.so.1",
		npmSum:    "d8aff4aa8abee8fb2abb2f2f2459ffc94461e781e41b9f7c072829dd0d470221",
	},
	"linux/arm64": {
		file:      "libonnxruntime.so." + Pinned,
		wheelTags: []string{"manylinux_2_27_aarch64", "manylinux_2_28_aarch64"},
		wheel:     "c6fddce0539a4898c7bef35b052ffd37935b2190e35488eab99ce91887743ea1",
		wheelLib:  "onnxruntime/capi/libonnxruntime.so." + Pinned,
		wheelSum:  "9275ef52956228686ae47b0219f67476a1148505084bdc5571e7bf1bf69b11f2",
		tarball:   npmTarball,
		npmLib:    "package/bin/napi-v6/linux/arm64/libonnxruntime.so.1",
		npmSum:    "c36bc200e7e6c093b8abb0b34590fbdd8c52fd3fb5e33795b9523ffdde2fce0f",
		moduleLib: "onnxruntime_arm64.so",
		moduleSum: "7954e8bdedb497f830c6a679e818d98399b7f4d81ade1126c3e0be74d28111ab",
	},
	"darwin/arm64": {
		file:      "libonnxruntime." + Pinned + ".dylib",
		wheelTags: []string{"macosx_14_0_arm64"},
		wheel:     "a14c2ce45312def86b77aea651f46565e45960cf5f0721bfdff449165086ab76",
		wheelLib:  "onnxruntime/capi/libonnxruntime." + Pinned + ".dylib",
		wheelSum:  "49422a138fff12d7fcbd544373aefbffd510e473e08e18af28a8ecc3581029bf",
		tarball:   npmTarball,
		npmLib:    "package/bin/napi-v6/darwin/arm64/libonnxruntime.1.dylib",
		npmSum:    "89f692a3a1a224e4ad0b796b0e7c0bd81113b0741bfe84211eceef14d05a9e59",
		moduleLib: "onnxruntime_arm64.dylib",
		moduleSum: "9626bbdd201fbed7e3addcbd9fc7e97ec4954c03afcf40a9883af50498bffb06",
	},
	"windows/amd64": {
		file:      "onnxruntime.dll",
		wheelTags: []string{"win_amd64"},
		wheel:     "20c321cf187ba496e648acf6b4cf90b4d398b0d17c2a77fdaeba365b908cc1c1",
		wheelLib:  "onnxruntime/capi/onnxruntime.dll",
		wheelSum:  "bbb4ff18db820c24ad6d9196ecdc7a62d6099268eaadf264813a23591d4d15cc",
		moduleLib: "onnxruntime.dll",
		moduleSum: "8a1aad8d59d02a5337d4e3f5bbd1158c3f7bf84fe3b3f0052f957dd3e75a91cb",
	},
}

const npmTarball = "c3779c01c59832f8c03e2c392ac3af10bf08579f1822e8b1c63cc451edb302a2"

// The Go binding's module, as it lies in the module cache, and the ONNX Runtime inside.
const (
	bindingModule  = "github.com/yalue/onnxruntime_go"
	bindingVersion = "v1.27.0"
	moduleLibrary  = "1.24.1"
)

// older compares dotted versions by their numbers; what follows a digit in a part is ignored.
func older(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range bs {
		if i >= len(as) {
			return true
		}
		if x, y := leading(as[i]), leading(bs[i]); x != y {
			return x < y
		}
	}
	return false
}

func leading(s string) int {
	end := 0
	for end < len(s) && s[end] >= '0' && s[end] <= '9' {
		end++
	}
	n, _ := strconv.Atoi(s[:end])
	return n
}
