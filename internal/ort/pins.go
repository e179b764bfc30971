package ort

import (
	"strconv"
	"strings"
)

// Pinned is the version of ONNX Runtime that is fetched: the newest that both registries serve.
const Pinned = "1.27.0"

// older compares dotted versions by their numbers; what follows a digit in a part is ignored.
func older(a, b string) bool {
	as, bs := strings.Split(a, "."), strings.Split(b, ".")
	for i := range bs {
		if i >= len(as) {
			return true
		}
		x, y := leading(as[i]), leading(bs[i])
		if x != y {
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
