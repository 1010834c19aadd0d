// Package bundle reads and writes the archive behind the launcher: the parts that k3s carries.
//
// The file is the launcher, then a compressed tar, then a trailer of fixed size that tells where the tar
// begins and what its hash is. A program with bytes behind it is still a program.
package bundle

import (
	"archive/tar"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"

	"github.com/klauspost/compress/zstd"
	"golang.org/x/sys/unix"
)

const (
	magic       = "HLK3SV01"
	trailerSize = 8 + sha256.Size + len(magic)
)

// ErrBare means that the program was built and not yet packed.
var ErrBare = errors.New("this k3s carries no parts: it was not packed")

// Bundle is the archive of an executable.
type Bundle struct {
	file   string
	offset int64
	length int64
	hash   [sha256.Size]byte
}

// Open finds the archive behind an executable.
func Open(file string) (*Bundle, error) {
	opened, err := os.Open(file)
	if err != nil {
		return nil, err
	}
	defer opened.Close()
	size, err := opened.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, err
	}
	if size < int64(trailerSize) {
		return nil, ErrBare
	}
	trailer := make([]byte, trailerSize)
	if _, err := opened.ReadAt(trailer, size-int64(trailerSize)); err != nil {
		return nil, err
	}
	if !bytes.HasSuffix(trailer, []byte(magic)) {
		return nil, ErrBare
	}
	found := &Bundle{file: file, length: int64(binary.LittleEndian.Uint64(trailer))}
	copy(found.hash[:], trailer[8:])
	found.offset = size - int64(trailerSize) - found.length
	if found.offset <= 0 {
		return nil, fmt.Errorf("%s: the archive is longer than the file", file)
	}
	return found, nil
}

// Name is the archive's hash, which names the directory that it is unpacked to.
func (b *Bundle) Name() string { return hex.EncodeToString(b.hash[:]) }

// Extract unpacks below root unless that was done before, and gives the directory. Two processes that
// start at once wait for each other; a half-unpacked directory is never seen under its final name.
func (b *Bundle) Extract(root string) (string, error) {
	target := filepath.Join(root, b.Name())
	if present(target) {
		return target, nil
	}
	if err := os.MkdirAll(root, 0o755); err != nil {
		return "", err
	}
	lock, err := os.OpenFile(filepath.Join(root, ".lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return "", err
	}
	defer lock.Close()
	if err := unix.Flock(int(lock.Fd()), unix.LOCK_EX); err != nil {
		return "", fmt.Errorf("lock %s: %w", root, err)
	}
	if present(target) {
		return target, nil
	}
	partial := target + ".part"
	if err := os.RemoveAll(partial); err != nil {
		return "", err
	}
	if err := b.unpack(partial); err != nil {
		return "", fmt.Errorf("unpack %s: %w", b.file, err)
	}
	if err := os.Rename(partial, target); err != nil {
		return "", err
	}
	return target, point(root, b.Name())
}

func present(directory string) bool {
	found, err := os.Stat(directory)
	return err == nil && found.IsDir()
}

// The link named current is what scripts go by.
func point(root, name string) error {
	link := filepath.Join(root, "current")
	partial := link + ".part"
	_ = os.Remove(partial)
	if err := os.Symlink(name, partial); err != nil {
		return err
	}
	return os.Rename(partial, link)
}

func (b *Bundle) unpack(directory string) error {
	file, err := os.Open(b.file)
	if err != nil {
		return err
	}
	defer file.Close()
	hash := sha256.New()
	compressed := io.TeeReader(io.NewSectionReader(file, b.offset, b.length), hash)
	decoder, err := zstd.NewReader(compressed)
	if err != nil {
		return err
	}
	defer decoder.Close()
	if err := unpackTar(decoder, directory); err != nil {
		return err
	}
	if _, err := io.Copy(io.Discard, compressed); err != nil {
		return err
	}
	if found := hash.Sum(nil); !bytes.Equal(found, b.hash[:]) {
		return fmt.Errorf("the archive's hash is %x, its trailer says %x", found, b.hash)
	}
	return nil
}

func unpackTar(source io.Reader, directory string) error {
	archive := tar.NewReader(source)
	for {
		header, err := archive.Next()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if !filepath.IsLocal(header.Name) || strings.Contains(header.Linkname, "/") {
			return fmt.Errorf("%s -> %q does not stay below its directory", header.Name, header.Linkname)
		}
		path := filepath.Join(directory, header.Name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if header.Typeflag == tar.TypeSymlink {
			if err := os.Symlink(header.Linkname, path); err != nil {
				return err
			}
			continue
		}
		if err := unpackFile(archive, path, os.FileMode(header.Mode)); err != nil {
			return err
		}
	}
}

func unpackFile(source io.Reader, path string, mode os.FileMode) error {
	file, err := os.OpenFile(path, os.O_CREATE|os.O_EXCL|os.O_WRONLY, mode)
	if err != nil {
		return err
	}
	if _, err := io.Copy(file, source); err != nil {
		file.Close()
		return err
	}
	return file.Close()
}
