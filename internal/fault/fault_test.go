package fault

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"testing"
)

func TestClassOf(t *testing.T) {
	for _, c := range []struct {
		name string
		err  error
		want Class
	}{
		{"plain error", errors.New("x"), Bug},
		{"input", Inputf("x"), Input},
		{"wrapped", fmt.Errorf("while reading: %w", Machinef("x")), Machine},
		{"outermost counts", Inputf("x: %w", Machinef("y")), Input},
		{"cancelled", fmt.Errorf("x: %w", context.Canceled), Interrupted},
		{"cancelled inside a fault", Machinef("x: %w", context.Canceled), Interrupted},
	} {
		if got := ClassOf(c.err); got != c.want {
			t.Errorf("%s: %v, want %v", c.name, got, c.want)
		}
	}
}

func TestErrorIsOneLineAndKeepsItsCause(t *testing.T) {
	err := Inputf("lh responses have %d rows: %w", 9840, fs.ErrNotExist).In("subj03/lh.npy").Remedy("look again")
	if got, want := err.Error(), "lh responses have 9840 rows: file does not exist (subj03/lh.npy; fix: look again)"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if !errors.Is(err, fs.ErrNotExist) {
		t.Error("the cause is lost")
	}
}
