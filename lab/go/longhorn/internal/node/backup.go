package node

import (
	"context"
	"fmt"
	"log"
	"os"
	"strconv"

	"homelab.invalid/lab/longhorn/internal/api"
	"homelab.invalid/lab/longhorn/internal/backup"
	"homelab.invalid/lab/longhorn/internal/replica"
)

// snapshotAll takes the snapshots that the leader gave to this node.
func (m *Manager) snapshotAll(ctx context.Context, seen *view) {
	for _, snapshot := range seen.snapshots {
		if snapshot.Status.OwnerID != m.node || snapshot.Status.ReadyToUse || snapshot.Status.Error != "" || snapshot.DeletionTimestamp != nil {
			continue
		}
		mine := m.mine(seen.replicas, snapshot.Spec.Volume)
		if mine == nil || !m.hasDisk(seen, *mine) {
			continue
		}
		folder := replica.At(mine.Spec.DiskPath, mine.Spec.DataDirectory)
		m.once("snapshot "+snapshot.Name, func() {
			if err := m.snapshot(ctx, snapshot, folder); err != nil {
				log.Printf("snapshot %s: %v", snapshot.Name, err)
			}
		})
	}
}

func (m *Manager) snapshot(ctx context.Context, snapshot api.Snapshot, folder replica.Folder) error {
	status := api.SnapshotStatus{
		OwnerID: m.node, CreationTime: api.Now(), Labels: snapshot.Spec.Labels,
		UserCreated: snapshot.Spec.Labels[api.LabelJob] == "",
	}
	archive, err := folder.Take(snapshot.Name)
	if err == nil {
		// The other copies hold it before anybody relies on it.
		err = m.Flush(ctx, snapshot.Spec.Volume)
	}
	if err != nil {
		status.Error = err.Error()
	} else {
		status.ReadyToUse, status.Checksum = true, archive.SHA256
		status.Size, status.RestoreSize = archive.Size, archive.Content
	}
	return m.client.PatchStatus(ctx, api.Snapshots, snapshot.Name, nil, status)
}

// backUpAll makes the backups that the leader gave to this node.
func (m *Manager) backUpAll(ctx context.Context, seen *view) {
	for _, one := range seen.backups {
		if one.Status.OwnerID != m.node || one.Status.State != "InProgress" || one.DeletionTimestamp != nil {
			continue
		}
		m.once("backup "+one.Name, func() {
			status, err := m.backUp(ctx, seen, one)
			if err != nil {
				status.State, status.Error = "Error", err.Error()
			}
			if err := m.client.PatchStatus(ctx, api.Backups, one.Name, nil, status); err != nil {
				log.Printf("backup %s: %v", one.Name, err)
			}
			log.Printf("backup %s of %s: %s %s", one.Name, status.VolumeName, status.State, status.Error)
		})
	}
}

func (m *Manager) backUp(ctx context.Context, seen *view, one api.Backup) (api.BackupStatus, error) {
	status := one.Status
	snapshot, err := api.Get[api.Snapshot](ctx, m.client, api.Snapshots, one.Spec.SnapshotName)
	if err != nil || snapshot == nil {
		return status, fmt.Errorf("failed to get the snapshot %s: %w", one.Spec.SnapshotName, err)
	}
	volume, found := seen.volumes[snapshot.Spec.Volume]
	mine := m.mine(seen.replicas, snapshot.Spec.Volume)
	if !found || mine == nil {
		return status, fmt.Errorf("volume %s has no copy on node %s", snapshot.Spec.Volume, m.node)
	}
	store, err := m.open(ctx)
	if err != nil {
		return status, err
	}
	path := replica.At(mine.Spec.DiskPath, mine.Spec.DataDirectory).Snapshot(snapshot.Name)
	if _, err := os.Stat(path); err != nil {
		return status, err
	}
	now := api.Now()
	size, _ := strconv.ParseInt(volume.Spec.Size, 10, 64)
	created := volume.CreationTimestamp.UTC().Format("2006-01-02T15:04:05Z")
	config := backup.Config{
		Name: one.Name, VolumeName: volume.Name, SnapshotName: snapshot.Name,
		SnapshotCreatedAt: snapshot.Status.CreationTime, CreatedTime: now, Size: snapshot.Status.RestoreSize,
		Labels: one.Spec.Labels, Parameters: map[string]string{backup.Sha256: snapshot.Status.Checksum},
		CompressionMethod: "gzip", NewlyUploadedDataSize: snapshot.Status.Size,
	}
	description := backup.VolumeConfig{
		Name: volume.Name, Size: size, CreatedTime: created, LastBackupName: one.Name, LastBackupAt: now,
		CompressionMethod: "gzip", DataEngine: "v1",
	}
	if err := store.Put(ctx, path, config, description); err != nil {
		return status, err
	}
	status.State, status.Progress, status.Error = "Completed", 100, ""
	status.URL = store.URL(volume.Name, one.Name)
	Describe(&status, config, description)
	return status, nil
}

// Describe fills in what a backup's own files say of it.
func Describe(status *api.BackupStatus, config backup.Config, volume backup.VolumeConfig) {
	status.Size = strconv.FormatInt(config.Size, 10)
	status.NewlyUploaded = strconv.FormatInt(config.NewlyUploadedDataSize, 10)
	status.SnapshotName, status.SnapshotCreatedAt = config.SnapshotName, config.SnapshotCreatedAt
	status.BackupCreatedAt, status.Labels = config.CreatedTime, config.Labels
	status.BackupTargetName, status.CompressionMethod = api.DefaultTarget, config.CompressionMethod
	status.VolumeName, status.VolumeSize = config.VolumeName, strconv.FormatInt(volume.Size, 10)
	status.VolumeCreated, status.LastSyncedAt = volume.CreatedTime, api.Now()
}

func (m *Manager) open(ctx context.Context) (*backup.Store, error) {
	target, err := api.Get[api.BackupTarget](ctx, m.client, api.BackupTargets, api.DefaultTarget)
	if err != nil {
		return nil, err
	}
	if target == nil || target.Spec.URL == "" {
		return nil, fmt.Errorf("backup target URL is empty")
	}
	return backup.Open(ctx, m.client, target.Spec.URL, target.Spec.CredentialSecret)
}

// restoreAll fills new volumes from their backups. The first copy is filled, and carried to the others.
func (m *Manager) restoreAll(ctx context.Context, seen *view) {
	for _, volume := range seen.volumes {
		mine := m.mine(seen.replicas, volume.Name)
		if !volume.Status.RestoreRequired || mine == nil || volume.DeletionTimestamp != nil || !m.hasDisk(seen, *mine) {
			continue
		}
		if firstOf(seen.replicas, volume.Name) != mine.Name {
			continue
		}
		own := *mine
		m.once("restore "+volume.Name, func() {
			condition := api.Condition{Type: "Restore", Status: "False"}
			status := map[string]any{"restoreRequired": false}
			if err := m.restore(ctx, volume, own); err != nil {
				log.Printf("restore of %s: %v", volume.Name, err)
				condition.Reason, condition.Message = "RestoreFailure", err.Error()
				delete(status, "restoreRequired")
			} else if err := m.healthy(ctx, own); err != nil {
				log.Printf("restore of %s: %v", volume.Name, err)
				return
			}
			status["conditions"] = api.With(volume.Status.Conditions, condition)
			if err := m.client.PatchStatus(ctx, api.Volumes, volume.Name, nil, status); err != nil {
				log.Printf("restore of %s: %v", volume.Name, err)
			}
		})
	}
}

func (m *Manager) restore(ctx context.Context, volume api.Volume, own api.Replica) error {
	target, name, from, err := backup.ParseURL(volume.Spec.FromBackup)
	if err != nil {
		return err
	}
	store, err := m.open(ctx)
	if err != nil {
		return err
	}
	store.Target = target
	folder := replica.At(own.Spec.DiskPath, own.Spec.DataDirectory)
	file, err := folder.Temporary()
	if err != nil {
		return err
	}
	defer os.Remove(file.Name())
	defer file.Close()
	config, err := store.Fetch(ctx, name, from, file)
	if err != nil {
		return err
	}
	return folder.Restore(file.Name(), config.Parameters[backup.Sha256])
}

// firstOf gives the name of a volume's first copy.
func firstOf(replicas []api.Replica, volume string) string {
	first := ""
	for _, one := range replicas {
		if one.Spec.VolumeName == volume && one.DeletionTimestamp == nil && (first == "" || one.Name < first) {
			first = one.Name
		}
	}
	return first
}
