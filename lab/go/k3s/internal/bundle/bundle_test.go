package bundle

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

func packed(t *testing.T) (file, directory string) {
	t.Helper()
	directory = t.TempDir()
	launcher := filepath.Join(directory, "launcher")
	part := filepath.Join(directory, "part")
	file = filepath.Join(directory, "k3s")
	must(t, os.WriteFile(launcher, []byte("#!/bin/true\n"), 0o755))
	must(t, os.WriteFile(part, []byte("the part's bytes"), 0o755))
	must(t, Write(file, launcher, []Entry{{Name: "bin/part", Source: part}, {Name: "bin/alias", Target: "part"}}))
	return file, directory
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestWhatIsPackedIsUnpackedOnceUnderItsHash(t *testing.T) {
	file, directory := packed(t)
	found, err := Open(file)
	must(t, err)
	root := filepath.Join(directory, "data")
	target, err := found.Extract(root)
	must(t, err)
	if target != filepath.Join(root, found.Name()) {
		t.Fatalf("unpacked to %s", target)
	}
	for _, name := range []string{"bin/part", "bin/alias", "../current/bin/part"} {
		text, err := os.ReadFile(filepath.Join(target, name))
		must(t, err)
		if string(text) != "the part's bytes" {
			t.Errorf("%s holds %q", name, text)
		}
	}
	must(t, os.Remove(filepath.Join(target, "bin/part")))
	_, err = found.Extract(root)
	must(t, err)
	if _, err := os.Stat(filepath.Join(target, "bin/part")); !errors.Is(err, os.ErrNotExist) {
		t.Error("it was unpacked a second time")
	}
}

func TestAnAlteredArchiveIsNotUnpacked(t *testing.T) {
	file, directory := packed(t)
	found, err := Open(file)
	must(t, err)
	text, err := os.ReadFile(file)
	must(t, err)
	text[len(text)-trailerSize-1] ^= 1
	must(t, os.WriteFile(file, text, 0o755))
	root := filepath.Join(directory, "data")
	if _, err := found.Extract(root); err == nil {
		t.Fatal("an altered archive was accepted")
	}
	if present(filepath.Join(root, found.Name())) {
		t.Error("a half-unpacked directory has the final name")
	}
}

func TestALauncherAloneSaysThatItCarriesNothing(t *testing.T) {
	file := filepath.Join(t.TempDir(), "k3s")
	must(t, os.WriteFile(file, make([]byte, 4096), 0o755))
	if _, err := Open(file); !errors.Is(err, ErrBare) {
		t.Fatalf("got %v", err)
	}
}
