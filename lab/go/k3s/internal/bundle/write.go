package bundle

import (
	"archive/tar"
	"crypto/sha256"
	"encoding/binary"
	"io"
	"os"

	"github.com/klauspost/compress/zstd"
)

// Entry is a file or a link of the archive.
type Entry struct {
	// Name is the path below the directory that the archive is unpacked to.
	Name string
	// Source is the file to read; empty for a link.
	Source string
	// Target is the file in the same directory that a link points at.
	Target string
}

// Write puts the launcher and the entries into one executable.
func Write(output, launcher string, entries []Entry) error {
	file, err := os.OpenFile(output, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o755)
	if err != nil {
		return err
	}
	defer file.Close()
	if err := copyFile(file, launcher); err != nil {
		return err
	}
	hash := sha256.New()
	counted := &counter{to: io.MultiWriter(file, hash)}
	if err := writeArchive(counted, entries); err != nil {
		return err
	}
	trailer := binary.LittleEndian.AppendUint64(nil, counted.written)
	trailer = hash.Sum(trailer)
	trailer = append(trailer, magic...)
	if _, err := file.Write(trailer); err != nil {
		return err
	}
	return file.Close()
}

func writeArchive(to io.Writer, entries []Entry) error {
	encoder, err := zstd.NewWriter(to)
	if err != nil {
		return err
	}
	archive := tar.NewWriter(encoder)
	for _, entry := range entries {
		if err := writeEntry(archive, entry); err != nil {
			return err
		}
	}
	if err := archive.Close(); err != nil {
		return err
	}
	return encoder.Close()
}

// No times and no owners: the same parts give the same archive, and so the same directory.
func writeEntry(archive *tar.Writer, entry Entry) error {
	if entry.Target != "" {
		return archive.WriteHeader(&tar.Header{Typeflag: tar.TypeSymlink, Name: entry.Name, Linkname: entry.Target, Mode: 0o777})
	}
	found, err := os.Stat(entry.Source)
	if err != nil {
		return err
	}
	header := &tar.Header{Typeflag: tar.TypeReg, Name: entry.Name, Size: found.Size(), Mode: 0o755}
	if err := archive.WriteHeader(header); err != nil {
		return err
	}
	return copyFile(archive, entry.Source)
}

func copyFile(to io.Writer, path string) error {
	file, err := os.Open(path)
	if err != nil {
		return err
	}
	defer file.Close()
	_, err = io.Copy(to, file)
	return err
}

type counter struct {
	to      io.Writer
	written uint64
}

func (c *counter) Write(bytes []byte) (int, error) {
	written, err := c.to.Write(bytes)
	c.written += uint64(written)
	return written, err
}
