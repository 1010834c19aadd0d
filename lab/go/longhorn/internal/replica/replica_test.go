package replica

import (
	"bytes"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func made(t *testing.T) Folder {
	folder := At(t.TempDir(), "pvc-1-abc")
	must(t, folder.Make())
	return folder
}

func write(t *testing.T, folder Folder, name, text string) {
	path := filepath.Join(folder.Data(), name)
	must(t, os.MkdirAll(filepath.Dir(path), 0o755))
	must(t, os.WriteFile(path, []byte(text), 0o640))
}

func mirror(t *testing.T, from, to Folder) {
	here, err := Read(string(from))
	must(t, err)
	there, err := Read(string(to))
	must(t, err)
	send, remove := Difference(here, there)
	var stream bytes.Buffer
	must(t, Write(&stream, string(from), send, remove))
	must(t, Apply(&stream, string(to)))
	there, err = Read(string(to))
	must(t, err)
	if send, remove := Difference(here, there); len(send)+len(remove) != 0 {
		t.Fatalf("still to send %v, to remove %v", send, remove)
	}
}

func TestACopyFollowsEveryChange(t *testing.T) {
	from, to := made(t), made(t)
	write(t, from, "a/b/file", "one")
	must(t, os.Symlink("file", filepath.Join(from.Data(), "a/b/link")))
	mirror(t, from, to)
	write(t, from, "a/b/file", "two")
	must(t, os.Remove(filepath.Join(from.Data(), "a/b/link")))
	write(t, from, "a/b/link/now-a-folder", "x")
	must(t, os.Chmod(filepath.Join(from.Data(), "a"), 0o700))
	mirror(t, from, to)
	text, err := os.ReadFile(filepath.Join(to.Data(), "a/b/file"))
	must(t, err)
	if string(text) != "two" {
		t.Fatalf("%q", text)
	}
	must(t, os.RemoveAll(filepath.Join(from.Data(), "a")))
	mirror(t, from, to)
	entries, err := os.ReadDir(to.Data())
	must(t, err)
	if len(entries) != 0 {
		t.Fatalf("%v", entries)
	}
}

func TestWhatDidNotChangeIsNotSent(t *testing.T) {
	from, to := made(t), made(t)
	write(t, from, "same", "x")
	write(t, from, "other", "x")
	mirror(t, from, to)
	write(t, from, "other", "longer")
	here, _ := Read(string(from))
	there, _ := Read(string(to))
	if send, remove := Difference(here, there); !slices.Equal(send, []string{"data/other"}) || remove != nil {
		t.Fatalf("%v %v", send, remove)
	}
}

func TestNothingOutsideOfTheFolderIsTouched(t *testing.T) {
	from, to := made(t), made(t)
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "kept"), []byte("kept"), 0o600))
	must(t, os.Symlink(outside, filepath.Join(to.Data(), "out")))
	write(t, from, "out/kept", "changed")
	var stream bytes.Buffer
	for _, remove := range [][]string{nil, {"data/out/kept"}} {
		stream.Reset()
		must(t, Write(&stream, string(from), []string{"data/out/kept"}, remove))
		if err := Apply(&stream, string(to)); err == nil {
			t.Fatal("it followed a link out of its folder")
		}
	}
	if left, err := os.ReadDir(outside); err != nil || len(left) != 1 {
		t.Fatalf("%v, %v", left, err)
	}
	text, err := os.ReadFile(filepath.Join(outside, "kept"))
	must(t, err)
	if string(text) != "kept" {
		t.Fatalf("%q", text)
	}
}

func TestARestoredSnapshotHasTheBytesOfThen(t *testing.T) {
	folder, other := made(t), made(t)
	write(t, folder, "file", "then")
	archive, err := folder.Take("snapshot")
	must(t, err)
	if archive.Content != 4 || archive.Size == 0 {
		t.Fatalf("%+v", archive)
	}
	write(t, folder, "file", "now")
	write(t, other, "stale", "x")
	must(t, other.Restore(folder.Snapshot("snapshot"), archive.SHA256))
	text, err := os.ReadFile(filepath.Join(other.Data(), "file"))
	must(t, err)
	if _, err := os.Stat(filepath.Join(other.Data(), "stale")); string(text) != "then" || !os.IsNotExist(err) {
		t.Fatalf("%q, %v", text, err)
	}
	if _, err := folder.Take("later"); err != nil {
		t.Fatal(err)
	}
	if err := other.Restore(folder.Snapshot("later"), archive.SHA256); err == nil {
		t.Fatal("a changed archive was restored")
	}
	text, err = os.ReadFile(filepath.Join(other.Data(), "file"))
	if err != nil || string(text) != "then" {
		t.Fatal("the files were changed for an archive that is refused")
	}
}
