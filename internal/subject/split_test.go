package subject

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"
	"testing"

	"cortexmap/internal/fault"
	"cortexmap/internal/stimuli"
)

// made is a subject of made-up pictures: a row gives photo, file, split and session.
func made(rows ...[4]string) *Subject {
	s := &Subject{Name: "made", Images: &stimuli.Set{}, Groups: map[string][]string{"session": nil}}
	for i, r := range rows {
		st := stimuli.Stimulus{Name: r[1], Photo: r[0], Columns: map[string]string{"split": r[2], "session": r[3]}}
		st.Digest[0], st.Digest[1] = byte(37*i), byte(i>>8)
		st.Digest[2] = byte(i)
		s.Images.Stimuli = append(s.Images.Stimuli, st)
		s.Photo, s.Split = append(s.Photo, r[0]), append(s.Split, r[2])
		s.Groups["session"] = append(s.Groups["session"], r[3])
	}
	return s
}

// windows is photos x per pictures.
func windows(photos, per int) *Subject {
	var rows [][4]string
	for i := range photos * per {
		rows = append(rows, [4]string{fmt.Sprint("photo", i/per), fmt.Sprint("file", i/per), "", fmt.Sprint(i % 7)})
	}
	return made(rows...)
}

func sides(t *testing.T, s *Subject, o SplitOptions) (train, val, test []int, side []string) {
	t.Helper()
	train, val, test, err := Splits(s, o)
	if err != nil {
		t.Fatal(err)
	}
	side = make([]string, s.Images.Len())
	for name, list := range map[string][]int{"train": train, "val": val, "test": test} {
		if !slices.IsSorted(list) {
			t.Errorf("%s isn't ascending", name)
		}
		for _, n := range list {
			if side[n] != "" {
				t.Errorf("picture %d is on two sides", n)
			}
			side[n] = name
		}
	}
	if slices.Contains(side, "") {
		t.Error("a picture is on no side")
	}
	return train, val, test, side
}

func TestSplitsKeepPhotographsTogether(t *testing.T) {
	s := windows(282, 9)
	for seed := range uint64(20) {
		_, val, test, side := sides(t, s, SplitOptions{By: "photo", Val: 0.1, Test: 0.1, Seed: seed})
		for n := range side {
			if side[n] != side[n/9*9] {
				t.Fatalf("seed %d: windows of one photograph are in %s and %s", seed, side[n], side[n/9*9])
			}
		}
		// 253.8 pictures wanted a side; groups of 9 come within half a group of it.
		for _, got := range []int{len(val), len(test)} {
			if math.Abs(float64(got)-253.8) > 5 {
				t.Errorf("seed %d: a side has %d pictures, about 254 are wanted", seed, got)
			}
		}
	}
}

func TestSplitsAreDeterministic(t *testing.T) {
	s := windows(40, 3)
	o := SplitOptions{By: "photo", Val: 0.1, Test: 0.2, Seed: 3}
	_, _, test, side := sides(t, s, o)
	_, _, again, _ := sides(t, s, o)
	o.Seed = 4
	_, _, other, _ := sides(t, s, o)
	if !slices.Equal(test, again) || slices.Equal(test, other) {
		t.Error("the same seed gives two splits, or two seeds one")
	}
	// The pictures in another order keep their sides.
	o.Seed = 3
	turned := windows(40, 3)
	slices.Reverse(turned.Images.Stimuli)
	slices.Reverse(turned.Photo)
	_, _, _, back := sides(t, turned, o)
	slices.Reverse(back)
	if !slices.Equal(back, side) {
		t.Error("the order of the pictures changes the split")
	}
}

func TestSplitsBy(t *testing.T) {
	// Pictures 0 and 1 share a file under two photo ids; 2 and 3 a photo id; 0 and 4 a session.
	s := made([4]string{"a", "f", "", "s1"}, [4]string{"b", "f", "", "s2"}, [4]string{"c", "g", "", "s3"}, [4]string{"c", "h", "", "s4"},
		[4]string{"d", "i", "", "s1"}, [4]string{"e", "j", "", "s5"}, [4]string{"k", "l", "", "s6"}, [4]string{"m", "n", "", "s7"})
	for by, together := range map[string][][2]int{"photo": {{0, 1}, {2, 3}}, "session": {{0, 1}, {2, 3}, {0, 4}}, "image": nil} {
		apart := false
		for seed := range uint64(60) {
			_, _, _, side := sides(t, s, SplitOptions{By: by, Val: 0.2, Test: 0.2, Seed: seed})
			for _, pair := range together {
				if side[pair[0]] != side[pair[1]] {
					t.Errorf("by %s, seed %d: pictures %v are apart", by, seed, pair)
				}
			}
			apart = apart || side[2] != side[3]
		}
		if by == "image" && !apart {
			t.Error("by image: windows of one photograph were never apart in 60 draws")
		}
	}
}

func TestSplitColumnDecides(t *testing.T) {
	rows := make([][4]string, 20)
	for i := range rows {
		rows[i] = [4]string{fmt.Sprint("p", i/2), fmt.Sprint("f", i/2), "", ""}
	}
	rows[0][2], rows[4][2], rows[8][2] = "test", "val", "train"
	for seed := range uint64(20) {
		train, val, test, _ := sides(t, made(rows...), SplitOptions{By: "photo", Val: 0.3, Test: 0.3, Seed: seed})
		if !slices.Equal(test, []int{0, 1}) || !slices.Equal(val, []int{4, 5}) || len(train) != 16 {
			t.Fatalf("seed %d: test %v, val %v: the column names one photograph of each, and its windows follow", seed, test, val)
		}
	}
	// A column that names train and test only leaves the choice of validation to the seed.
	for i := range rows {
		rows[i][2] = "train"
		if i < 4 {
			rows[i][2] = "test"
		}
	}
	train, val, test, _ := sides(t, made(rows...), SplitOptions{By: "photo", Val: 0.2, Test: 0.2})
	if !slices.Equal(test, []int{0, 1, 2, 3}) || len(val) != 4 || len(train) != 12 {
		t.Errorf("train %v, val %v, test %v", train, val, test)
	}
	// Given: exactly what stands there.
	train, val, test, _ = sides(t, made(rows...), SplitOptions{By: "given", Val: 0.2, Test: 0.2})
	if len(val) != 0 || len(test) != 4 || len(train) != 16 {
		t.Errorf("given: train %v, val %v, test %v", train, val, test)
	}
}

func TestPaperSplit(t *testing.T) {
	// 841 of 9,841 pictures for the test, none for validation (paper.md 3).
	train, val, test, _ := sides(t, windows(9841, 1), SplitOptions{By: "photo", Test: 0.0855})
	if len(test) != 841 || len(val) != 0 || len(train) != 9000 {
		t.Errorf("%d, %d, %d pictures, want 9000, 0, 841", len(train), len(val), len(test))
	}
}

func TestSplitFaults(t *testing.T) {
	conflict := made([4]string{"a", "f", "test", ""}, [4]string{"a", "g", "train", ""}, [4]string{"b", "h", "", ""})
	for _, c := range []struct {
		name string
		s    *Subject
		o    SplitOptions
		says string
	}{
		{"fractions", windows(9, 1), SplitOptions{By: "photo", Val: 0.5, Test: 0.5}, "stay below 1"},
		{"negative", windows(9, 1), SplitOptions{By: "photo", Val: -0.5}, "must not be negative"},
		{"NaN", windows(9, 1), SplitOptions{By: "photo", Val: math.NaN()}, "stay below 1"},
		{"cluster", windows(9, 1), SplitOptions{By: "cluster"}, "0 clusters of 9 pictures"},
		{"unknown", windows(9, 1), SplitOptions{By: "sesion"}, "did you mean session?"},
		{"given", windows(9, 1), SplitOptions{By: "given"}, "has no split for file0"},
		{"conflict", conflict, SplitOptions{By: "photo", Test: 0.3}, "they belong together"},
		{"one photograph", windows(1, 9), SplitOptions{By: "photo", Test: 0.1}, "9 pictures in 1 groups (by photo) are too few for a test part"},
		{"two photographs", windows(2, 9), SplitOptions{By: "photo", Val: 0.1, Test: 0.1}, "too few for a val part"},
		{"all tests", made([4]string{"a", "f", "test", ""}), SplitOptions{By: "given"}, "no picture of 1 is left for training"},
	} {
		t.Run(c.name, func(t *testing.T) {
			_, _, _, err := Splits(c.s, c.o)
			var e *fault.Error
			if !errors.As(err, &e) || !strings.Contains(err.Error(), c.says) {
				t.Errorf("got %v, want a fault with %q", err, c.says)
			}
		})
	}
}

func TestFivePictures(t *testing.T) {
	train, val, test, _ := sides(t, windows(5, 1), SplitOptions{By: "photo", Val: 0.1, Test: 0.1})
	if len(train) != 3 || len(val) != 1 || len(test) != 1 {
		t.Errorf("five pictures: %d, %d, %d", len(train), len(val), len(test))
	}
}
