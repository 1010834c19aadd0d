// Package node is what a manager does for its own node: it tells of the node's disks, keeps the copies
// that are placed there, carries what changes to the others, and takes snapshots and backups.
package node

import (
	"context"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	corev1 "k8s.io/api/core/v1"

	"homelab.invalid/lab/longhorn/internal/api"
	"homelab.invalid/lab/longhorn/internal/replica"
)

// Interval is the time between two passes, and so how far a second copy may be behind.
const Interval = 2 * time.Second

// Manager is one node's.
type Manager struct {
	client *api.Client
	node   string
	token  string

	mutex sync.Mutex
	// By data directory: the copies of this node that may be written from elsewhere.
	targets map[string]replica.Folder
	// By what is under way: a volume's copying, a backup, a restore.
	busy map[string]bool
	// By copy: when it was last like its source.
	pushed map[string]time.Time
	// By copy: two streams into one would write over each other.
	streams map[string]*sync.Mutex
}

// New makes the manager of a node.
func New(client *api.Client, node, token string) *Manager {
	return &Manager{
		client: client, node: node, token: token,
		targets: map[string]replica.Folder{}, busy: map[string]bool{}, pushed: map[string]time.Time{},
		streams: map[string]*sync.Mutex{},
	}
}

// view is what a pass works on.
type view struct {
	node      *api.Node
	volumes   map[string]api.Volume
	replicas  []api.Replica
	snapshots []api.Snapshot
	backups   []api.Backup
	pods      map[string]corev1.Pod
}

// Run passes again and again until the context ends.
func (m *Manager) Run(ctx context.Context) {
	ticker := time.NewTicker(Interval)
	defer ticker.Stop()
	for {
		if err := m.pass(ctx); err != nil && ctx.Err() == nil {
			log.Printf("node %s: %v", m.node, err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (m *Manager) pass(ctx context.Context) error {
	settings, err := api.ReadSettings(ctx, m.client)
	if err != nil {
		return err
	}
	// The leader writes them; where a disk goes stands in them.
	if len(settings) == 0 {
		return nil
	}
	seen, err := m.look(ctx)
	if err != nil {
		return err
	}
	if err := m.register(ctx, settings, seen); err != nil {
		return fmt.Errorf("disks: %w", err)
	}
	if err := m.keep(ctx, seen); err != nil {
		return fmt.Errorf("copies: %w", err)
	}
	m.copyAll(ctx, seen)
	m.snapshotAll(ctx, seen)
	m.backUpAll(ctx, seen)
	m.restoreAll(ctx, seen)
	return nil
}

func (m *Manager) look(ctx context.Context) (*view, error) {
	seen := &view{volumes: map[string]api.Volume{}}
	var err error
	if seen.node, err = api.Get[api.Node](ctx, m.client, api.Nodes, m.node); err != nil {
		return nil, err
	}
	volumes, err := api.List[api.Volume](ctx, m.client, api.Volumes)
	if err != nil {
		return nil, err
	}
	for _, volume := range volumes {
		seen.volumes[volume.Name] = volume
	}
	if seen.replicas, err = api.List[api.Replica](ctx, m.client, api.Replicas); err != nil {
		return nil, err
	}
	if seen.snapshots, err = api.List[api.Snapshot](ctx, m.client, api.Snapshots); err != nil {
		return nil, err
	}
	if seen.backups, err = api.List[api.Backup](ctx, m.client, api.Backups); err != nil {
		return nil, err
	}
	seen.pods, err = m.client.Managers(ctx)
	return seen, err
}

// keep makes the folders of this node's copies, and deletes those of copies that were deleted.
func (m *Manager) keep(ctx context.Context, seen *view) error {
	known := map[string]bool{}
	for _, snapshot := range seen.snapshots {
		known[snapshot.Name] = true
	}
	targets := map[string]replica.Folder{}
	for _, copied := range seen.replicas {
		if copied.Spec.NodeID != m.node || !m.hasDisk(seen, copied) {
			continue
		}
		folder := replica.At(copied.Spec.DiskPath, copied.Spec.DataDirectory)
		if copied.DeletionTimestamp != nil {
			if err := os.RemoveAll(string(folder)); err != nil {
				return err
			}
			if err := m.client.Release(ctx, api.Replicas, copied.Name); err != nil {
				return err
			}
			continue
		}
		if err := folder.Make(); err != nil {
			return err
		}
		if err := forget(folder, known); err != nil {
			return err
		}
		if seen.volumes[copied.Spec.VolumeName].Status.CurrentNodeID != m.node {
			targets[copied.Spec.DataDirectory] = folder
		}
	}
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.targets = targets
	return nil
}

// hasDisk is whether the disk that a copy was placed on is there, and not another one in its place.
func (m *Manager) hasDisk(seen *view, copied api.Replica) bool {
	if seen.node == nil {
		return false
	}
	for _, disk := range seen.node.Status.Disks {
		if disk.UUID == copied.Spec.DiskID && api.Holds(disk.Conditions, "Ready") {
			return true
		}
	}
	return false
}

// forget deletes the archives of snapshots that are no more. A young one's object may not have been seen.
func forget(folder replica.Folder, known map[string]bool) error {
	archives, err := filepath.Glob(folder.Snapshot("*"))
	if err != nil {
		return err
	}
	for _, archive := range archives {
		name := strings.TrimSuffix(filepath.Base(archive), ".tar.gz")
		status, err := os.Stat(archive)
		if err != nil || known[name] || time.Since(status.ModTime()) < time.Minute {
			continue
		}
		if err := os.Remove(archive); err != nil && !os.IsNotExist(err) {
			return err
		}
	}
	return nil
}

// Target is for other managers: see peer.Holder.
func (m *Manager) Target(name string) (replica.Folder, error) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	folder, found := m.targets[name]
	if !found {
		return "", fmt.Errorf("node %s keeps no copy %s that may be written", m.node, name)
	}
	return folder, nil
}

// mine gives this node's copy of a volume.
func (m *Manager) mine(replicas []api.Replica, volume string) *api.Replica {
	for i := range replicas {
		found := &replicas[i]
		if found.Spec.VolumeName == volume && found.Spec.NodeID == m.node && found.DeletionTimestamp == nil {
			return found
		}
	}
	return nil
}

// stream gives what is held while a copy is written to.
func (m *Manager) stream(name string) *sync.Mutex {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.streams[name] == nil {
		m.streams[name] = &sync.Mutex{}
	}
	return m.streams[name]
}

// once does something unless it is under way already, beside the passes.
func (m *Manager) once(what string, do func()) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if m.busy[what] {
		return
	}
	m.busy[what] = true
	go func() {
		defer func() {
			m.mutex.Lock()
			defer m.mutex.Unlock()
			delete(m.busy, what)
		}()
		do()
	}()
}
