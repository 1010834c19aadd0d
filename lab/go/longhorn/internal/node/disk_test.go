package node

import (
	"os"
	"path/filepath"
	"testing"
)

func TestADiskKeepsItsNameAndAnotherInItsPlaceGetsNone(t *testing.T) {
	disk := t.TempDir()
	first, err := identity(disk, "")
	if err != nil || first == "" {
		t.Fatalf("%q, %v", first, err)
	}
	if again, err := identity(disk, first); err != nil || again != first {
		t.Fatalf("%q, %v", again, err)
	}
	if again, err := identity(disk, ""); err != nil || again != first {
		t.Fatalf("a disk that comes back: %q, %v", again, err)
	}
	if _, err := identity(disk, "another"); err == nil {
		t.Fatal("another disk was taken for the one that was known")
	}
	if _, err := identity(t.TempDir(), first); err == nil {
		t.Fatal("an empty folder was taken for a disk that was known")
	}
	if err := os.WriteFile(filepath.Join(disk, diskFile), []byte("torn"), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := identity(disk, first); err == nil {
		t.Fatal("a torn file was read")
	}
}
