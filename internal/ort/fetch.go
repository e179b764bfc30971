package ort

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"cortexmap/internal/durable"
	"cortexmap/internal/fault"
)

// fetch runs download in a folder of its own, checks the archive that it leaves there and moves one member
// into the cache.
func (f *finder) fetch(ctx context.Context, c client) (Library, error) {
	if f.Offline {
		return Library{}, absentf("not asked (--offline)")
	}
	target, err := f.cached()
	if err != nil {
		return Library{}, err
	}
	if c.sum == "" {
		return Library{}, absentf("no library for %s", f.platform)
	}
	if err := os.MkdirAll(filepath.Dir(target), 0o777); err != nil {
		return Library{}, absentf("the cache can't be written: %v", err)
	}
	dir, err := os.MkdirTemp("", "cortexmap-fetch-")
	if err != nil {
		return Library{}, durable.Explain(err, os.TempDir())
	}
	defer os.RemoveAll(dir)

	slow := time.AfterFunc(3*time.Second, func() {
		f.log.Info("fetching ONNX Runtime "+Pinned+" with "+c.name, "download", c.size)
	})
	defer slow.Stop()
	if err := c.download(ctx, dir); err != nil {
		return Library{}, err
	}
	archive, err := c.archive(dir)
	if err != nil {
		return Library{}, err
	}
	if err := f.unpack(archive, target, c); err != nil {
		return Library{}, err
	}
	return Library{Path: target, Version: Pinned}, nil
}

// client is a package manager used to fetch one archive.
type client struct {
	name, size string
	download   func(ctx context.Context, dir string) error // puts the archive into dir; absent where it can't
	pattern    string                                      // of the archive's name
	sum        string                                      // SHA-256 of the archive
	member     string                                      // the library's path inside
	memberSum  string
	open       func(archive, member string) (io.ReadCloser, error)
}

func (c client) archive(dir string) (string, error) {
	found, err := filepath.Glob(filepath.Join(dir, c.pattern))
	if err != nil || len(found) != 1 {
		return "", absentf("left %d files %s instead of one", len(found), c.pattern)
	}
	sum, err := durable.Digest(found[0])
	if err != nil {
		return "", err
	}
	return found[0], checkSum(fmt.Sprintf("%x", sum), c.sum, filepath.Base(found[0])+" from "+c.name)
}

// unpack puts the library under its name in the cache, whole or not at all.
func (f *finder) unpack(archive, target string, c client) error {
	r, err := c.open(archive, c.member)
	if err != nil {
		return fault.Machinef("can't unpack %s: %w", filepath.Base(archive), err)
	}
	defer r.Close()
	out, err := durable.Create(target)
	if err != nil {
		return cacheFault(err, target)
	}
	defer out.Abort()
	if _, err := io.Copy(out, r); err != nil {
		return cacheFault(err, target)
	}
	sum, err := durable.Digest(out.Name())
	if err != nil {
		return err
	}
	if err := checkSum(fmt.Sprintf("%x", sum), c.memberSum, c.member); err != nil {
		return err
	}
	if err := out.Commit(); err != nil {
		// Windows can't rename over a library that another process has loaded; that one is as good.
		if _, there := f.fromCache(context.Background()); there != nil {
			return cacheFault(err, target)
		}
	}
	return nil
}

// cacheFault gives a failure to write into the cache the remedy that fits it.
func cacheFault(err error, path string) error {
	var e *fault.Error
	if errors.As(durable.Explain(err, path), &e) {
		return e.Remedy("make room, or name another cache folder in CORTEXMAP_CACHE")
	}
	return fault.Machinef("can't write %s: %w", path, err)
}

// Unless the user's environment says otherwise, the clients give up soon where there is no network: pip's
// own rule is five more tries of 15 s each, npm's two more after 10 and 60 s.
var (
	pipSettings = []string{"PIP_DISABLE_PIP_VERSION_CHECK=1", "PIP_RETRIES=1"}
	npmSettings = []string{"npm_config_update_notifier=false", "npm_config_fetch_retries=1", "npm_config_fetch_retry_mintimeout=1000"}
)

func containsAny(s string, words ...string) bool {
	for _, w := range words {
		if strings.Contains(s, w) {
			return true
		}
	}
	return false
}

// lastLine is the last line of a program's output that begins with prefix, or its last line, or err.
func lastLine(said, prefix string, err error) string {
	last := ""
	for line := range strings.Lines(said) {
		line = strings.TrimSpace(line)
		if strings.HasPrefix(line, prefix) || (line != "" && !strings.HasPrefix(last, prefix)) {
			last = line
		}
	}
	if last == "" {
		return err.Error()
	}
	return last
}

// runIn runs a program and returns all that it printed. It runs in dir, a folder of ours: `python -m pip`
// would take a pip.py or zipfile.py lying in the user's folder for the real one. The user's environment
// wins over settings.
func runIn(ctx context.Context, dir string, settings []string, args ...string) (said string, err error) {
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Dir = dir
	// Of two values the last counts. Nobody is there to answer questions, and pip's rule that it works in
	// virtual environments only is meant for installing.
	cmd.Env = slices.Concat(settings, os.Environ(), []string{"PIP_NO_INPUT=1", "PIP_REQUIRE_VIRTUALENV=0"})
	cmd.WaitDelay = time.Second // a grandchild may hold the pipe open after a cancellation
	var out bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &out
	err = cmd.Run()
	return out.String(), err
}
