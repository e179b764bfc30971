package subject

import (
	"bytes"
	"errors"
	"testing"

	"cortexmap/internal/fault"
)

func FuzzDescribe(f *testing.F) {
	f.Add(plain()["subject.yaml"])
	f.Add(onSurface().more("rois: [{name: V4}, {file: a.npy, names: {1: V1}}]\nhierarchy: [V1, {high: [a, b]}]\nceiling: {trials: t.npy, missing: 255}\n")["subject.yaml"])
	f.Add([]byte("format: 1\nname: x\npositions: {surface: {files: {lh: a}}, mask: {rh: b}}\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		var e *fault.Error
		if _, _, err := describe("subject.yaml", b); err != nil && !errors.As(err, &e) {
			t.Fatalf("an error that is no fault: %v", err)
		}
	})
}

func FuzzTables(f *testing.F) {
	f.Add([]byte("hemi,x,y,z\nlh,1,2,3\n,4,5,6\nrh,-1.5,0,1e1\n"))
	f.Add([]byte("\ufeffunit, roi\n0,V1\n2,V2\n"))
	f.Fuzz(func(t *testing.T, b []byte) {
		s := &Subject{Units: 3, Hemi: make([]string, 3)}
		d := &builder{s: s}
		r := newRegions(3)
		for _, err := range []error{d.readPoints(bytes.NewReader(b)), d.readTable(bytes.NewReader(b), r, roiForm{})} {
			var e *fault.Error
			if err != nil && !errors.As(err, &e) {
				t.Fatalf("an error that is no fault: %v", err)
			}
		}
	})
}
