// Package replica keeps copies of volumes: folders below a disk's `replicas`, each with the volume's files
// in `data` and its snapshots, as archives, in `snapshots`.
package replica

import (
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// Entry is what is compared of a file: its content by size and time.
type Entry struct {
	Mode uint32 `json:"mode"`
	UID  uint32 `json:"uid"`
	GID  uint32 `json:"gid"`
	Size int64  `json:"size,omitempty"`
	// Nanoseconds since 1970; 0 of folders and links, whose time nobody keeps.
	Modified int64  `json:"modified,omitempty"`
	Link     string `json:"link,omitempty"`
}

// Manifest is a copy's content: entries by their paths below its folder.
type Manifest map[string]Entry

// Read looks at every file of a copy. Sockets, pipes and devices are not part of it.
func Read(folder string) (Manifest, error) {
	manifest := Manifest{}
	err := filepath.WalkDir(folder, func(path string, found fs.DirEntry, err error) error {
		if err != nil {
			// What a pod deletes while it is looked at is gone.
			if os.IsNotExist(err) && path != folder {
				return nil
			}
			return err
		}
		relative, err := filepath.Rel(folder, path)
		if err != nil || relative == "." || strings.HasPrefix(filepath.Base(path), temporary) {
			return err
		}
		entry, kept, err := look(path)
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && kept {
			manifest[relative] = entry
		}
		return err
	})
	return manifest, err
}

func look(path string) (Entry, bool, error) {
	var status unix.Stat_t
	if err := unix.Lstat(path, &status); err != nil {
		return Entry{}, false, err
	}
	entry := Entry{Mode: status.Mode, UID: status.Uid, GID: status.Gid}
	switch status.Mode & unix.S_IFMT {
	case unix.S_IFREG:
		entry.Size, entry.Modified = status.Size, status.Mtim.Nano()
	case unix.S_IFLNK:
		link, err := os.Readlink(path)
		if err != nil {
			return entry, false, err
		}
		entry.Link = link
	case unix.S_IFDIR:
	default:
		return entry, false, nil
	}
	return entry, true, nil
}

// Difference gives what must be sent and what must be deleted so that `there` becomes `here`: folders
// before what is in them, and of what is deleted the deepest first.
func Difference(here, there Manifest) (send, remove []string) {
	for path, entry := range here {
		other, found := there[path]
		if found && other == entry {
			continue
		}
		send = append(send, path)
		// A file cannot take a folder's place while that is there.
		if found && other.Mode&unix.S_IFMT != entry.Mode&unix.S_IFMT {
			remove = append(remove, path)
		}
	}
	for path := range there {
		if _, found := here[path]; !found {
			remove = append(remove, path)
		}
	}
	slices.Sort(send)
	slices.Sort(remove)
	slices.Reverse(remove)
	return send, remove
}
