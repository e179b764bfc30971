package models

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// fromMetadata reads what an .onnx file's own metadata says about its input, as testdata/get-models.py writes it:
//
//	input.layout  "NCHW RGB"        layout, colour order or both
//	input.scale   "0..1" | "0..255" what pixels are divided by: 255, or nothing
//	input.mean    "0.485,0.456,0.406"
//	input.std     "0.229,0.224,0.225"
//	input.size    "224"
//
// Other tools' files may use these keys in another sense: a value that can't be understood is passed over, with
// the returned text for a warning; "" if all is well.
func fromMetadata(meta map[string]string) (s says, problem string) {
	note := func(key string) {
		problem += fmt.Sprintf("metadata %s is %q, which is not understood; ", key, meta[key])
	}
	for _, word := range strings.Fields(meta["input.layout"]) {
		switch strings.ToUpper(word) {
		case "NCHW", "NHWC":
			s.Layout = strings.ToUpper(word)
		case "RGB", "BGR":
			s.Order = strings.ToUpper(word)
		default:
			note("input.layout")
		}
	}
	if text := meta["input.size"]; text != "" {
		if v, err := strconv.Atoi(strings.TrimSpace(text)); err == nil && v > 0 && v <= 1<<14 {
			s.Size = v
		} else {
			note("input.size")
		}
	}
	switch strings.ReplaceAll(meta["input.scale"], " ", "") {
	case "", "0..1":
		s.Scale = 255
	case "0..255":
		s.Scale = 1
	default:
		note("input.scale")
	}
	mean, okMean := threeNumbers(meta["input.mean"], s.Scale)
	std, okStd := threeNumbers(meta["input.std"], s.Scale)
	switch {
	case !okMean:
		note("input.mean")
	case !okStd:
		note("input.std")
	case (mean == nil) != (std == nil):
		problem += "metadata gives one of input.mean and input.std without the other; "
	default:
		s.Mean, s.Std = mean, std
	}
	if s.Scale == 0 || s.Mean == nil || s.Std[0] <= 0 || s.Std[1] <= 0 || s.Std[2] <= 0 {
		s.Scale, s.Order, s.Mean, s.Std = 0, "", nil, nil // statistics are taken whole or not at all
	}
	return s, strings.TrimSuffix(problem, "; ")
}

// threeNumbers reads "a,b,c"; nil and true for "".
func threeNumbers(text string, scale float64) ([]float64, bool) {
	if text == "" {
		return nil, true
	}
	parts := strings.Split(text, ",")
	if len(parts) != 3 {
		return nil, false
	}
	v := make([]float64, 3)
	for i, p := range parts {
		p = strings.TrimSpace(p)
		f, err := strconv.ParseFloat(p, 64)
		if err != nil || math.IsNaN(f) || math.IsInf(f, 0) {
			return nil, false
		}
		v[i] = unrounded(f, p, scale)
	}
	return v, true
}

// unrounded takes back the rounding of a number to the digits it is written with: people know statistics in
// levels (127, 123.68), files give them as parts of 255 (0.49803922). If a whole thousandth of a level lies within
// the rounding, the number is that. It needs 6 digits to be believed, and moves the number by less than the
// last of them.
func unrounded(v float64, text string, scale float64) float64 {
	dot := strings.IndexByte(text, '.')
	digits := len(text) - dot - 1
	if scale != 255 || dot < 0 || digits < 6 || strings.ContainsAny(text, "eE") {
		return v
	}
	levels := v * 255
	whole := math.Round(levels*1000) / 1000
	if math.Abs(levels-whole) <= 255*0.5*math.Pow10(-digits) {
		return whole / 255
	}
	return v
}
