package replica

import (
	"archive/tar"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

const (
	// The first entry of a stream: a list of what is to be deleted.
	deletions = ".longhorn-stand-in-deletions"
	// A file that is being written.
	temporary = ".longhorn-stand-in-"
)

// Write sends files of a folder, and before them the list of what is to be deleted, as a tar stream. A
// file that vanished meanwhile is left out; one that shrank is filled up with zeros: the next difference
// sends it anew.
func Write(to io.Writer, folder string, send, remove []string) error {
	stream := tar.NewWriter(to)
	list, err := json.Marshal(remove)
	if err != nil {
		return err
	}
	if err := stream.WriteHeader(&tar.Header{Name: deletions, Mode: 0o600, Size: int64(len(list))}); err != nil {
		return err
	}
	if _, err := stream.Write(list); err != nil {
		return err
	}
	for _, path := range send {
		if err := writeOne(stream, folder, path); err != nil {
			return fmt.Errorf("%s: %w", path, err)
		}
	}
	return stream.Close()
}

func writeOne(stream *tar.Writer, folder, path string) error {
	full := filepath.Join(folder, path)
	entry, kept, err := look(full)
	if os.IsNotExist(err) || err == nil && !kept {
		return nil
	}
	if err != nil {
		return err
	}
	header := &tar.Header{
		Name: path, Mode: int64(entry.Mode & 0o7777), Uid: int(entry.UID), Gid: int(entry.GID),
		ModTime: time.Unix(0, entry.Modified), Format: tar.FormatPAX,
	}
	switch entry.Mode & unix.S_IFMT {
	case unix.S_IFDIR:
		header.Typeflag, header.Name = tar.TypeDir, path+"/"
		return stream.WriteHeader(header)
	case unix.S_IFLNK:
		header.Typeflag, header.Linkname = tar.TypeSymlink, entry.Link
		return stream.WriteHeader(header)
	}
	file, err := os.OpenFile(full, os.O_RDONLY|unix.O_NOFOLLOW, 0)
	if os.IsNotExist(err) {
		return nil
	}
	if err != nil {
		return err
	}
	defer file.Close()
	header.Typeflag, header.Size = tar.TypeReg, entry.Size
	if err := stream.WriteHeader(header); err != nil {
		return err
	}
	copied, err := io.Copy(stream, io.LimitReader(file, entry.Size))
	if err != nil {
		return err
	}
	_, err = io.CopyN(stream, zeros{}, entry.Size-copied)
	return err
}

type zeros struct{}

func (zeros) Read(into []byte) (int, error) {
	clear(into)
	return len(into), nil
}

// Apply does what a stream says to a folder, and to nothing outside of it.
func Apply(from io.Reader, folder string) error {
	root, err := os.OpenRoot(folder)
	if err != nil {
		return err
	}
	defer root.Close()
	stream := tar.NewReader(from)
	for {
		header, err := stream.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if header.Name == deletions {
			err = removeAll(root, stream)
		} else {
			err = applyOne(root, header, stream)
		}
		if err != nil {
			return fmt.Errorf("%s: %w", header.Name, err)
		}
	}
}

func removeAll(root *os.Root, list io.Reader) error {
	var paths []string
	if err := json.NewDecoder(list).Decode(&paths); err != nil {
		return err
	}
	for _, path := range paths {
		if err := root.RemoveAll(path); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

func applyOne(root *os.Root, header *tar.Header, content io.Reader) error {
	name := strings.TrimSuffix(header.Name, "/")
	// Go's own bits: set-user-id and the like lie elsewhere than in the file's mode.
	mode := header.FileInfo().Mode()
	switch header.Typeflag {
	case tar.TypeDir:
		if err := root.Mkdir(name, 0o700); err != nil && !os.IsExist(err) {
			return err
		}
	case tar.TypeSymlink:
		if err := root.Remove(name); err != nil && !os.IsNotExist(err) {
			return err
		}
		if err := root.Symlink(header.Linkname, name); err != nil {
			return err
		}
		return root.Lchown(name, header.Uid, header.Gid)
	case tar.TypeReg:
		return applyFile(root, name, header, content)
	default:
		return fmt.Errorf("an entry of type %q is not expected", header.Typeflag)
	}
	if err := root.Lchown(name, header.Uid, header.Gid); err != nil {
		return err
	}
	return root.Chmod(name, mode&(os.ModePerm|os.ModeSetuid|os.ModeSetgid|os.ModeSticky))
}

func applyFile(root *os.Root, name string, header *tar.Header, content io.Reader) error {
	part := filepath.Join(filepath.Dir(name), temporary+filepath.Base(name))
	file, err := root.OpenFile(part, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	defer file.Close()
	if _, err := io.Copy(file, content); err != nil {
		return err
	}
	if err := file.Chown(header.Uid, header.Gid); err != nil {
		return err
	}
	mode := header.FileInfo().Mode()
	if err := file.Chmod(mode & (os.ModePerm | os.ModeSetuid | os.ModeSetgid | os.ModeSticky)); err != nil {
		return err
	}
	if err := file.Sync(); err != nil {
		return err
	}
	if err := root.Chtimes(part, header.ModTime, header.ModTime); err != nil {
		return err
	}
	return root.Rename(part, name)
}
