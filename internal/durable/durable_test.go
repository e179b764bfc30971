package durable

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"

	"cortexmap/internal/fault"
)

func names(t *testing.T, dir string) (out []string) {
	t.Helper()
	list, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range list {
		out = append(out, e.Name())
	}
	return out
}

func TestFileIsWholeOrAbsent(t *testing.T) {
	dir := t.TempDir()
	path := filepath.Join(dir, "a", "b.txt")
	f, err := Create(path)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("half")); err != nil {
		t.Fatal(err)
	}
	if Exists(path) {
		t.Error("there before Commit")
	}
	f.Abort()
	if got := names(t, filepath.Dir(path)); len(got) != 0 {
		t.Errorf("Abort leaves %v", got)
	}
	if err := WriteFile(path, []byte("whole")); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(path, []byte("again")); err != nil {
		t.Fatal(err)
	}
	data, err := os.ReadFile(path)
	if err != nil || string(data) != "again" {
		t.Errorf("%q, %v", data, err)
	}
	if got := names(t, filepath.Dir(path)); len(got) != 1 {
		t.Errorf("leaves %v", got)
	}
}

func TestDirGoesOnAndCommits(t *testing.T) {
	final := filepath.Join(t.TempDir(), "store")
	d, err := OpenDir(final)
	if err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(d.Path, "part-0"), nil); err != nil {
		t.Fatal(err)
	}
	d.DiscardEmpty() // not empty: stays
	d, err = OpenDir(final)
	if err != nil {
		t.Fatal(err)
	}
	// what a killed process left
	if err := os.WriteFile(filepath.Join(d.Path, ".part-1.tmp123"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	if err := d.Commit(); err != nil {
		t.Fatal(err)
	}
	if got := names(t, final); len(got) != 1 || got[0] != "part-0" {
		t.Errorf("holds %v", got)
	}
	if Exists(d.Path) {
		t.Error("the unfinished folder stays")
	}
}

func TestDiscardEmpty(t *testing.T) {
	final := filepath.Join(t.TempDir(), "store")
	d, err := OpenDir(final)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(d.Path, "layer"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(d.Path, "layer", ".x.tmp1"), nil, 0o666); err != nil {
		t.Fatal(err)
	}
	d.DiscardEmpty()
	if Exists(d.Path) {
		t.Error("an unfinished folder without a finished file stays")
	}
}

func TestExplain(t *testing.T) {
	for _, c := range []struct {
		err  error
		want fault.Class
	}{
		{syscall.ENOSPC, fault.Machine},
		{syscall.EFBIG, fault.Machine},
		{syscall.EROFS, fault.Machine},
		{os.ErrPermission, fault.Machine},
		{os.ErrNotExist, fault.Input},
		{syscall.ENOTDIR, fault.Input},
		{fault.Inputf("known"), fault.Input},
		{errors.New("unknown"), fault.Bug},
	} {
		got := Explain(&os.PathError{Op: "write", Path: "x", Err: c.err}, "x")
		if fault.ClassOf(got) != c.want {
			t.Errorf("%v becomes %v", c.err, got)
		}
		if !errors.Is(got, c.err) {
			t.Errorf("%v is lost", c.err)
		}
	}
	if Explain(nil, "x") != nil {
		t.Error("nil becomes an error")
	}
}

func TestModeFollowsUmask(t *testing.T) {
	path := filepath.Join(t.TempDir(), "f")
	if err := WriteFile(path, nil); err != nil {
		t.Fatal(err)
	}
	info, err := os.Stat(path)
	if err != nil {
		t.Fatal(err)
	}
	if got, want := info.Mode().Perm(), 0o666&^umask(); got != want {
		t.Errorf("mode %v, want %v", got, want)
	}
}

func TestFreeDigestSize(t *testing.T) {
	dir := t.TempDir()
	if n, err := Free(dir); err != nil || n <= 0 {
		t.Errorf("Free: %d, %v", n, err)
	}
	path := filepath.Join(dir, "f")
	if err := WriteFile(path, []byte("abc")); err != nil {
		t.Fatal(err)
	}
	sum, err := Digest(path)
	if err != nil || sum[0] != 0xba || sum[31] != 0xad { // FIPS 180-2, appendix B.1
		t.Errorf("Digest: %x, %v", sum, err)
	}
	if err := os.Mkdir(filepath.Join(dir, "sub"), 0o777); err != nil {
		t.Fatal(err)
	}
	if err := WriteFile(filepath.Join(dir, "sub", "g"), []byte("defg")); err != nil {
		t.Fatal(err)
	}
	for p, want := range map[string]int64{path: 3, dir: 7, filepath.Join(dir, "none"): 0} {
		if n, err := Size(p); err != nil || n != want {
			t.Errorf("Size of %s: %d, %v, want %d", p, n, err, want)
		}
	}
}

// TestExplainTexts: a path is named once, as the user knows it; the cause stays for errors.Is.
func TestExplainTexts(t *testing.T) {
	dir := t.TempDir()
	plain := filepath.Join(dir, "plain")
	if err := WriteFile(plain, nil); err != nil {
		t.Fatal(err)
	}
	_, missing := os.Open(filepath.Join(dir, "gone"))
	below := os.MkdirAll(filepath.Join(plain, "a"), 0o777)
	pathError := func(errno syscall.Errno) error { return &os.PathError{Op: "write", Path: "/x/.out.tmp1", Err: errno} }
	for _, c := range []struct {
		err   error
		class fault.Class
		what  string
	}{
		{missing, fault.Input, "out does not exist"},
		{below, fault.Input, "out needs a folder where a file stands"},
		{pathError(syscall.ENOSPC), fault.Machine, "no space left to write out: no space left on device"},
		{pathError(syscall.EFBIG), fault.Machine, "no space left to write out: file too large"},
		{pathError(syscall.EROFS), fault.Machine, "no permission for out: read-only file system"},
		{&os.LinkError{Op: "rename", Old: "/x/a", New: "/x/b", Err: syscall.EACCES}, fault.Machine, "no permission for out: permission denied"},
	} {
		var f *fault.Error
		if err := Explain(c.err, "out"); !errors.As(err, &f) || f.Class != c.class || f.What != c.what || f.Fix == "" || !errors.Is(err, c.err) {
			t.Errorf("Explain(%v) is %#v, want %q with a remedy", c.err, err, c.what)
		}
	}
	known := fault.Inputf("known")
	if got := Explain(fmt.Errorf("a library says: %w", known), "out"); got != error(known) {
		t.Errorf("a fault that was passed on becomes %v", got)
	}
	for _, err := range []error{nil, errors.New("other"), known} {
		if got := Explain(err, "out"); got != err {
			t.Errorf("Explain(%v) is %v", err, got)
		}
	}
}

// TestTidy: temporary files of processes that are gone are removed; those of this process, of another machine and
// files of users stay.
func TestTidy(t *testing.T) {
	dir := t.TempDir()
	mine, err := Create(filepath.Join(dir, "run.json"))
	if err != nil {
		t.Fatal(err)
	}
	defer mine.Abort()
	ended := exec.Command(os.Args[0], "-test.run=^$")
	if err := ended.Run(); err != nil {
		t.Fatal(err)
	}
	gone := fmt.Sprintf(".run.json.tmp%s-%d-1", here(), ended.Process.Pid)
	stay := []string{filepath.Base(mine.Name()), fmt.Sprintf(".run.json.tmp00000000-%d-1", ended.Process.Pid), ".bashrc", "run.json"}
	for _, name := range append(stay[1:], gone) {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o666); err != nil {
			t.Fatal(err)
		}
	}
	Tidy(dir)
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	var left []string
	for _, e := range entries {
		left = append(left, e.Name())
	}
	slices.Sort(stay)
	if !slices.Equal(left, stay) {
		t.Errorf("left are %v, want %v", left, stay)
	}
}
