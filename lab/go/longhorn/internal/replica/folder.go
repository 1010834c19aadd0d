package replica

import (
	"compress/gzip"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
)

// Folder is a copy of a volume on this node.
type Folder string

// At gives a copy's folder on a disk.
func At(disk, name string) Folder { return Folder(filepath.Join(disk, "replicas", name)) }

// Data is where the volume's own files are: what pods see.
func (f Folder) Data() string { return filepath.Join(string(f), "data") }

// Snapshot is a snapshot's archive.
func (f Folder) Snapshot(name string) string {
	return filepath.Join(string(f), "snapshots", name+".tar.gz")
}

// Make makes the folder where it is not there yet.
func (f Folder) Make() error {
	for folder, mode := range map[string]os.FileMode{f.Data(): 0o755, filepath.Join(string(f), "snapshots"): 0o700} {
		if err := os.MkdirAll(folder, mode); err != nil {
			return err
		}
	}
	return os.Chmod(string(f), 0o700)
}

// Archive is what is known of a snapshot's archive.
type Archive struct {
	SHA256 string
	// Bytes of the archive, and of the files in it.
	Size, Content int64
}

// Take makes a snapshot: an archive of the volume's files.
func (f Folder) Take(name string) (Archive, error) {
	content, err := Read(f.Data())
	if err != nil {
		return Archive{}, err
	}
	path := f.Snapshot(name)
	part := filepath.Join(filepath.Dir(path), temporary+filepath.Base(path))
	file, err := os.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return Archive{}, err
	}
	defer os.Remove(part)
	defer file.Close()
	all := make([]string, 0, len(content))
	var archive Archive
	for name, entry := range content {
		all = append(all, name)
		archive.Content += entry.Size
	}
	slices.Sort(all)
	hash := sha256.New()
	packed := gzip.NewWriter(io.MultiWriter(file, hash))
	if err := Write(packed, f.Data(), all, nil); err != nil {
		return Archive{}, err
	}
	if err := packed.Close(); err != nil {
		return Archive{}, err
	}
	if err := file.Sync(); err != nil {
		return Archive{}, err
	}
	if archive.Size, err = file.Seek(0, io.SeekCurrent); err != nil {
		return Archive{}, err
	}
	archive.SHA256 = hex.EncodeToString(hash.Sum(nil))
	return archive, os.Rename(part, path)
}

// Restore makes the volume's files those of an archive, whose SHA-256 is checked before anything changes.
func (f Folder) Restore(archive, want string) error {
	file, err := os.Open(archive)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	if _, err := io.Copy(hash, file); err != nil {
		return err
	}
	if got := hex.EncodeToString(hash.Sum(nil)); got != want {
		return fmt.Errorf("the archive has sha256 %s, its backup says %s: it was changed", got, want)
	}
	if _, err := file.Seek(0, io.SeekStart); err != nil {
		return err
	}
	unpacked, err := gzip.NewReader(file)
	if err != nil {
		return err
	}
	entries, err := os.ReadDir(f.Data())
	if err != nil {
		return err
	}
	for _, entry := range entries {
		if err := os.RemoveAll(filepath.Join(f.Data(), entry.Name())); err != nil {
			return err
		}
	}
	return Apply(unpacked, f.Data())
}

// Temporary makes an empty file in the folder that no copy of it gets.
func (f Folder) Temporary() (*os.File, error) {
	return os.CreateTemp(string(f), temporary)
}
