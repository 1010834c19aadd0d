// Package snapshot is `k3s etcd-snapshot`: saves, lists, deletes and prunes local snapshots.
package snapshot

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/place"
	"homelab.invalid/lab/k3s/internal/process"
	"homelab.invalid/lab/k3s/internal/server"
	"homelab.invalid/lab/k3s/internal/settings"
)

const defaultName = "on-demand"

type store struct {
	data      place.Data
	directory string
	node      string
}

// Run carries out one verb.
func Run(group *process.Group, read *settings.Settings, verb string) error {
	data := place.Data(read.Text("data-dir", place.DefaultData))
	node, err := os.Hostname()
	if err != nil {
		return err
	}
	here := store{data: data, node: node}
	here.directory = read.Text("etcd-snapshot-dir", read.Text("dir", data.Server("db", "snapshots")))
	switch verb {
	case "save":
		return here.save(group, read.Text("name", defaultName))
	case "ls", "list", "l":
		return here.list()
	case "delete":
		return here.remove(read.Rest)
	case "prune":
		keep, err := strconv.Atoi(read.Text("snapshot-retention", read.Text("etcd-snapshot-retention", "5")))
		if err != nil || keep < 0 {
			return errors.New("snapshot-retention must be a number")
		}
		return here.prune(read.Text("name", defaultName), keep)
	}
	return fmt.Errorf("No help topic for '%s'", verb)
}

func (s store) save(group *process.Group, name string) error {
	if _, err := os.Stat(s.data.Server("db", "etcd")); err != nil {
		return errors.New("etcd datastore disabled")
	}
	if err := os.MkdirAll(s.directory, 0o700); err != nil {
		return err
	}
	file := fmt.Sprintf("%s-%s-%d", name, s.node, time.Now().Unix())
	path := filepath.Join(s.directory, file)
	plan := server.Plan{Data: s.data}
	_, err := group.Run(group.Context(), []string{"ETCDCTL_API=3"}, "etcdctl", plan.Etcdctl(server.EtcdURL, "snapshot", "save", path)...)
	if err != nil {
		return err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return err
	}
	journal.Infof("Snapshot %s saved.", file)
	return nil
}

func (s store) files() ([]os.FileInfo, error) {
	entries, err := os.ReadDir(s.directory)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var files []os.FileInfo
	for _, entry := range entries {
		found, err := entry.Info()
		if err != nil {
			return nil, err
		}
		if found.Mode().IsRegular() && !strings.HasSuffix(found.Name(), ".part") {
			files = append(files, found)
		}
	}
	// The newest last; names carry the second, times may agree.
	slices.SortFunc(files, func(a, b os.FileInfo) int {
		if order := a.ModTime().Compare(b.ModTime()); order != 0 {
			return order
		}
		return strings.Compare(a.Name(), b.Name())
	})
	return files, nil
}

func (s store) list() error {
	files, err := s.files()
	if err != nil {
		return err
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "Name\tLocation\tSize\tCreated")
	for _, file := range files {
		location := "file://" + filepath.Join(s.directory, file.Name())
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", file.Name(), location, file.Size(), file.ModTime().UTC().Format(time.RFC3339))
	}
	return table.Flush()
}

func (s store) remove(names []string) error {
	if len(names) == 0 {
		return errors.New("no snapshots given for removal")
	}
	for _, name := range names {
		if filepath.Base(name) != name {
			return fmt.Errorf("%q is no snapshot's name", name)
		}
		if err := os.Remove(filepath.Join(s.directory, name)); err != nil {
			return err
		}
		journal.Infof("Snapshot %s deleted.", name)
	}
	return nil
}

func (s store) prune(name string, keep int) error {
	files, err := s.files()
	if err != nil {
		return err
	}
	files = slices.DeleteFunc(files, func(file os.FileInfo) bool {
		return !strings.HasPrefix(file.Name(), name+"-"+s.node+"-")
	})
	if len(files) <= keep {
		return nil
	}
	for _, file := range files[:len(files)-keep] {
		if err := s.remove([]string{file.Name()}); err != nil {
			return err
		}
	}
	return nil
}
