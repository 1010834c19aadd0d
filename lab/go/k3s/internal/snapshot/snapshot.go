// Package snapshot takes, lists, deletes and prunes snapshots of etcd, here and in a bucket: on a schedule, and
// as `k3s etcd-snapshot`.
package snapshot

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"
	"time"

	"homelab.invalid/lab/k3s/internal/api"
	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/objectstore"
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
	// Nil where the API is not to be had: then nothing is written down there.
	client *api.Client
	// Nil where S3 is off.
	bucket *objectstore.Config
	// How many of a name are kept; 0 keeps all.
	keep int
}

// Run carries out one verb.
func Run(group *process.Group, read *settings.Settings, verb string) error {
	data := place.Data(read.Text("data-dir", place.DefaultData))
	node, err := os.Hostname()
	if err != nil {
		return err
	}
	here := store{data: data, node: read.Text("node-name", node)}
	here.directory = read.Text("etcd-snapshot-dir", read.Text("dir", data.Server("db", "snapshots")))
	if here.client, err = server.Client(data); err != nil {
		journal.Warnf("The API is not to be had: %v", err)
	}
	keep, err := strconv.Atoi(read.Text("snapshot-retention", read.Text("etcd-snapshot-retention", defaultRetention)))
	if err != nil || keep < 0 {
		return errors.New("snapshot-retention must be a number")
	}
	if here.bucket, err = objectstore.Read(read, keep); err != nil {
		return err
	}
	if here.bucket != nil {
		here.bucket.NodeName = here.node
	}
	ctx := group.Context()
	switch verb {
	case "save":
		// What a person asks for is kept until a person takes it away.
		if here.bucket != nil {
			here.bucket.Retention = 0
		}
		created, err := here.take(group, read.Text("name", defaultName))
		for _, name := range created {
			journal.Infof("Snapshot %s saved.", name)
		}
		return err
	case "ls", "list", "l":
		return here.list(ctx)
	case "delete":
		return here.remove(ctx, read.Rest)
	case "prune":
		return here.prune(ctx, read.Text("name", defaultName), keep)
	}
	return fmt.Errorf("No help topic for '%s'", verb)
}

// Saves one, uploads it, and prunes both places; a failed upload is written down and is no error, as in k3s.
func (s store) take(group *process.Group, name string) ([]string, error) {
	if _, err := os.Stat(s.data.Server("db", "etcd")); err != nil {
		return nil, errors.New("etcd datastore disabled")
	}
	if err := os.MkdirAll(s.directory, 0o700); err != nil {
		return nil, err
	}
	ctx, now := group.Context(), time.Now().Round(time.Second)
	file := fmt.Sprintf("%s-%s-%d", name, s.node, now.Unix())
	path := filepath.Join(s.directory, file)
	journal.Infof("Saving etcd snapshot to %s", path)
	plan := server.Plan{Data: s.data}
	_, err := group.Run(ctx, []string{"ETCDCTL_API=3"}, "etcdctl", plan.Etcdctl(server.EtcdURL, "snapshot", "save", path)...)
	if err != nil {
		journal.Errorf("Failed to take etcd snapshot: %v", err)
		s.note(ctx, record{name: file, node: s.node, created: now, failure: err.Error()})
		return nil, err
	}
	if err := os.Chmod(path, 0o600); err != nil {
		return nil, err
	}
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	created := []string{file}
	s.note(ctx, s.local(file, info.Size()))
	deleted, err := s.pruneHere(name, s.keep)
	if err != nil {
		journal.Warnf("Failed to apply local snapshot retention policy: %v", err)
	}
	if s.bucket != nil {
		uploaded, pruned := s.upload(ctx, name, path, now)
		if uploaded {
			created = append(created, file)
		}
		deleted = append(deleted, pruned...)
	}
	s.reconcile(ctx, deleted)
	return created, nil
}

func (s store) upload(ctx context.Context, name, path string, now time.Time) (bool, []string) {
	file := filepath.Base(path)
	client, err := objectstore.Open(ctx, *s.bucket)
	if err != nil {
		journal.Warnf("Unable to initialize S3 client: %v", err)
		s.note(ctx, record{name: file, node: "s3", s3: s.bucket, created: now, failure: fmt.Sprintf("failed to initialize S3 client: %v", err)})
		return false, nil
	}
	journal.Infof("Saving etcd snapshot %s to S3", file)
	noted := record{name: file, location: client.Location(file), node: s.node, s3: s.bucket, created: now}
	size, err := client.Upload(ctx, path)
	if err != nil {
		journal.Errorf("Error received during snapshot upload to S3: %s", err)
		noted.failure = err.Error()
	} else {
		journal.Infof("S3 upload complete for %s", file)
		noted.size = size
	}
	// Even where the upload failed: the bucket may be full.
	deleted, failed := client.Prune(ctx, name)
	if failed != nil {
		journal.Warnf("Failed to apply s3 snapshot retention policy: %v", failed)
	}
	s.note(ctx, noted)
	return err == nil, deleted
}

func (s store) note(ctx context.Context, r record) {
	if s.client == nil {
		return
	}
	if err := write(ctx, s.client, r); err != nil {
		journal.Warnf("Failed to sync ETCDSnapshotFile: %v", err)
	}
}

func (s store) local(name string, size int64) record {
	created := time.Now()
	if seconds, err := strconv.ParseInt(name[strings.LastIndexByte(name, '-')+1:], 10, 64); err == nil {
		created = time.Unix(seconds, 0)
	}
	return record{name: name, location: "file://" + filepath.Join(s.directory, name), node: s.node, size: size, created: created}
}

func (s store) listBucket(ctx context.Context) ([]record, error) {
	client, err := objectstore.Open(ctx, *s.bucket)
	if err != nil {
		return nil, fmt.Errorf("failed to initialize S3 client: %w", err)
	}
	objects, err := client.List(ctx, "")
	if err != nil {
		return nil, err
	}
	var found []record
	for _, object := range objects {
		found = append(found, record{
			name: object.Name, location: fmt.Sprintf("s3://%s/%s", s.bucket.Bucket, object.Key),
			node: object.Node, s3: s.bucket, size: object.Size, created: object.Created,
		})
	}
	return found, nil
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

func (s store) list(ctx context.Context) error {
	files, err := s.files()
	if err != nil {
		return err
	}
	var all []record
	for _, file := range files {
		found := s.local(file.Name(), file.Size())
		found.created = file.ModTime()
		all = append(all, found)
	}
	if s.bucket != nil {
		remote, err := s.listBucket(ctx)
		if err != nil {
			return err
		}
		all = append(all, remote...)
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 1, ' ', 0)
	fmt.Fprintln(table, "Name\tLocation\tSize\tCreated")
	for _, found := range all {
		fmt.Fprintf(table, "%s\t%s\t%d\t%s\n", found.name, found.location, found.size, found.created.UTC().Format(time.RFC3339))
	}
	return table.Flush()
}

func (s store) remove(ctx context.Context, names []string) error {
	if len(names) == 0 {
		return errors.New("no snapshots given for removal")
	}
	var client *objectstore.Client
	if s.bucket != nil {
		var err error
		if client, err = objectstore.Open(ctx, *s.bucket); err != nil {
			return fmt.Errorf("failed to initialize S3 client: %w", err)
		}
	}
	var deleted []string
	for _, name := range names {
		if filepath.Base(name) != name {
			return fmt.Errorf("%q is no snapshot's name", name)
		}
		switch err := os.Remove(filepath.Join(s.directory, name)); {
		case err == nil:
			deleted = append(deleted, name)
		case !errors.Is(err, os.ErrNotExist) || client == nil:
			return err
		}
		if client == nil {
			continue
		}
		switch err := client.Delete(ctx, name); {
		case err == nil:
			deleted = append(deleted, name)
		case objectstore.NotFound(err):
			journal.Infof("Snapshot %s not found in S3", name)
		default:
			journal.Errorf("Failed to delete S3 snapshot %s: %v", name, err)
		}
	}
	for _, name := range deleted {
		journal.Infof("Snapshot %s deleted.", name)
	}
	s.reconcile(ctx, deleted)
	return nil
}

func (s store) prune(ctx context.Context, name string, keep int) error {
	deleted, err := s.pruneHere(name, keep)
	if err != nil {
		return err
	}
	if s.bucket != nil {
		client, err := objectstore.Open(ctx, *s.bucket)
		if err != nil {
			return fmt.Errorf("failed to initialize S3 client: %w", err)
		}
		pruned, err := client.Prune(ctx, name)
		if err != nil {
			return err
		}
		deleted = append(deleted, pruned...)
	}
	for _, name := range deleted {
		journal.Infof("Snapshot %s deleted.", name)
	}
	s.reconcile(ctx, deleted)
	return nil
}

// Deletes all but the newest of this node's of a name.
func (s store) pruneHere(name string, keep int) ([]string, error) {
	files, err := s.files()
	if err != nil || keep < 1 {
		return nil, err
	}
	files = slices.DeleteFunc(files, func(file os.FileInfo) bool {
		return !strings.HasPrefix(file.Name(), name+"-"+s.node+"-")
	})
	if len(files) <= keep {
		return nil, nil
	}
	var deleted []string
	for _, file := range files[:len(files)-keep] {
		journal.Infof("Removing local snapshot %s", filepath.Join(s.directory, file.Name()))
		if err := os.Remove(filepath.Join(s.directory, file.Name())); err != nil {
			return deleted, err
		}
		deleted = append(deleted, file.Name())
	}
	return deleted, nil
}
