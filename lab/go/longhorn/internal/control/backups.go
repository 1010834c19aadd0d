package control

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log"
	"strconv"
	"sync"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"homelab.invalid/lab/longhorn/internal/api"
	"homelab.invalid/lab/longhorn/internal/backup"
	"homelab.invalid/lab/longhorn/internal/node"
)

// polls remembers how the target was when it was last asked.
type polls struct {
	mutex sync.Mutex
	busy  bool
	asked string
	at    time.Time
}

// target makes the default target where it is not there, and asks it by its interval, at once when it
// was changed or somebody wants it, and soon again while it does not answer.
func (c *Controller) target(ctx context.Context, _ *world) error {
	target, err := api.Get[api.BackupTarget](ctx, c.client, api.BackupTargets, api.DefaultTarget)
	if err != nil {
		return err
	}
	if target == nil {
		return c.client.Create(ctx, api.BackupTargets, metav1.ObjectMeta{Name: api.DefaultTarget}, map[string]any{
			"spec": map[string]any{"backupTargetURL": "", "credentialSecret": "", "pollInterval": "5m0s"},
		})
	}
	interval, err := time.ParseDuration(target.Spec.PollInterval)
	if err != nil || interval == 0 {
		interval = 5 * time.Minute
	}
	if !target.Status.Available {
		interval = min(interval, 15*time.Second)
	}
	asked := fmt.Sprint(target.Spec)
	c.polls.mutex.Lock()
	defer c.polls.mutex.Unlock()
	if c.polls.busy || c.polls.asked == asked && time.Since(c.polls.at) < interval {
		return nil
	}
	c.polls.busy, c.polls.asked, c.polls.at = true, asked, time.Now()
	go func() {
		err := c.poll(ctx, target)
		if err != nil {
			log.Printf("backup target: %v", err)
		}
		c.polls.mutex.Lock()
		defer c.polls.mutex.Unlock()
		c.polls.busy = false
	}()
	return nil
}

func (c *Controller) poll(ctx context.Context, target *api.BackupTarget) error {
	err := c.ask(ctx, target)
	condition := api.Condition{Type: "Unavailable", Status: api.Truth(err != nil)}
	if err != nil {
		condition.Reason, condition.Message = "Unavailable", err.Error()
	}
	return c.client.PatchStatus(ctx, api.BackupTargets, target.Name, nil, map[string]any{
		"available": err == nil, "lastSyncedAt": api.Now(), "conditions": api.With(target.Status.Conditions, condition),
	})
}

func (c *Controller) ask(ctx context.Context, target *api.BackupTarget) error {
	if target.Spec.URL == "" {
		return fmt.Errorf("backup target URL is empty")
	}
	store, err := backup.Open(ctx, c.client, target.Spec.URL, target.Spec.CredentialSecret)
	if err != nil {
		return err
	}
	if err := store.Check(ctx); err != nil {
		return fmt.Errorf("failed to list system backups in %s: %w", target.Spec.URL, err)
	}
	return c.follow(ctx, store)
}

// follow makes objects of the backups that are in the target, and deletes those of backups that are not.
func (c *Controller) follow(ctx context.Context, store *backup.Store) error {
	// Objects first: a backup that is finished meanwhile is then in the target, too.
	have, err := api.List[api.Backup](ctx, c.client, api.Backups)
	if err != nil {
		return err
	}
	backups, volumes, err := store.List(ctx)
	if err != nil {
		return err
	}
	there := map[string]bool{}
	known := map[string]bool{}
	for _, one := range have {
		known[one.Name] = true
	}
	for volume, configs := range backups {
		if err := c.backupVolume(ctx, volumes[volume], volume, len(configs)); err != nil {
			return err
		}
		for _, config := range configs {
			there[config.Name] = true
			if known[config.Name] {
				continue
			}
			status := api.BackupStatus{State: "Completed", Progress: 100, URL: store.URL(volume, config.Name)}
			node.Describe(&status, config, volumes[volume])
			metadata := metav1.ObjectMeta{Name: config.Name, Labels: labels(volume), Finalizers: []string{api.Finalizer}}
			spec := map[string]any{"snapshotName": "", "labels": config.Labels}
			if err := c.client.Create(ctx, api.Backups, metadata, map[string]any{"spec": spec}); err != nil {
				return err
			}
			if err := c.client.PatchStatus(ctx, api.Backups, config.Name, nil, status); err != nil {
				return err
			}
		}
	}
	for _, one := range have {
		if one.Status.State == "Completed" && !there[one.Name] && one.DeletionTimestamp == nil {
			if err := c.client.Delete(ctx, api.Backups, one.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

func labels(volume string) map[string]string {
	return map[string]string{api.LabelBackupVolume: volume, api.LabelBackupTarget: api.DefaultTarget}
}

// backupVolume shows what the target holds of a volume.
func (c *Controller) backupVolume(ctx context.Context, config backup.VolumeConfig, volume string, _ int) error {
	sum := sha256.Sum256([]byte(volume + "-" + api.DefaultTarget))
	name := volume + "-" + hex.EncodeToString(sum[:])[:8]
	metadata := metav1.ObjectMeta{Name: name, Labels: labels(volume)}
	spec := map[string]any{"volumeName": volume, "backupTargetName": api.DefaultTarget}
	if err := c.client.Create(ctx, api.BackupVolumes, metadata, map[string]any{"spec": spec}); err != nil {
		return err
	}
	return c.client.PatchStatus(ctx, api.BackupVolumes, name, nil, map[string]any{
		"lastBackupName": config.LastBackupName, "lastBackupAt": config.LastBackupAt, "createdAt": config.CreatedTime,
		"size": strconv.FormatInt(config.Size, 10), "lastSyncedAt": api.Now(),
	})
}

// snapshots gives each new one to a node.
func (c *Controller) snapshots(ctx context.Context, seen *world) error {
	for _, snapshot := range seen.snapshots {
		if snapshot.DeletionTimestamp != nil || snapshot.Status.OwnerID != "" || snapshot.Status.Error != "" {
			continue
		}
		volume := seen.volume(snapshot.Spec.Volume)
		status := map[string]any{}
		if volume == nil {
			status["error"] = fmt.Sprintf("failed to get the volume %s", snapshot.Spec.Volume)
		} else if worker := seen.worker(*volume); worker != "" && !volume.Status.RestoreRequired {
			status["ownerID"] = worker
		} else {
			continue
		}
		if err := c.client.PatchStatus(ctx, api.Snapshots, snapshot.Name, snapshot, status); err != nil {
			return err
		}
	}
	return nil
}

// backups gives each new one to the node that holds its snapshot, and ends those that were deleted.
func (c *Controller) backups(ctx context.Context, seen *world) error {
	for _, one := range seen.backups {
		var err error
		switch {
		case one.DeletionTimestamp != nil:
			err = c.endBackup(ctx, one)
		case one.Status.State == "" || one.Status.State == "Pending":
			err = c.begin(ctx, seen, one)
		case one.Status.State == "InProgress":
			// A node that is gone will not finish it.
			if !seen.ready(one.Status.OwnerID) {
				err = c.client.PatchStatus(ctx, api.Backups, one.Name, one, map[string]any{
					"state": "Error", "error": fmt.Sprintf("node %s is not ready any more", one.Status.OwnerID),
				})
			}
		}
		if err != nil {
			log.Printf("backup %s: %v", one.Name, err)
		}
	}
	return nil
}

func (c *Controller) begin(ctx context.Context, seen *world, one api.Backup) error {
	fault := func(text string) error {
		return c.client.PatchStatus(ctx, api.Backups, one.Name, one, map[string]any{"state": "Error", "error": text})
	}
	if one.Spec.SnapshotName == "" {
		// Those that were found in the target get their state right after they are made.
		if time.Since(one.CreationTimestamp.Time) < time.Minute {
			return nil
		}
		return fault("cannot find the snapshot's name: spec.snapshotName is empty")
	}
	var snapshot *api.Snapshot
	for i := range seen.snapshots {
		if seen.snapshots[i].Name == one.Spec.SnapshotName {
			snapshot = &seen.snapshots[i]
		}
	}
	if snapshot == nil {
		return fault("failed to get the snapshot " + one.Spec.SnapshotName)
	}
	if snapshot.Status.Error != "" {
		return fault("the snapshot failed: " + snapshot.Status.Error)
	}
	volume := seen.volume(snapshot.Spec.Volume)
	if volume == nil {
		return fault("failed to get the volume " + snapshot.Spec.Volume)
	}
	change := map[string]any{"metadata": map[string]any{"labels": labels(volume.Name), "finalizers": []string{api.Finalizer}}}
	if err := c.client.Patch(ctx, api.Backups, one.Name, one, change); err != nil {
		return err
	}
	status := map[string]any{"state": "Pending", "snapshotName": snapshot.Name, "volumeName": volume.Name}
	if worker := seen.worker(*volume); snapshot.Status.ReadyToUse && worker != "" {
		status["state"], status["ownerID"] = "InProgress", worker
	}
	return c.client.PatchStatus(ctx, api.Backups, one.Name, one, status)
}

func (c *Controller) endBackup(ctx context.Context, one api.Backup) error {
	if one.Status.URL != "" {
		target, err := api.Get[api.BackupTarget](ctx, c.client, api.BackupTargets, api.DefaultTarget)
		if err != nil || target == nil {
			return err
		}
		store, err := backup.Open(ctx, c.client, target.Spec.URL, target.Spec.CredentialSecret)
		if err != nil {
			return err
		}
		// The target may point elsewhere by now: what lies there is not this one's.
		if store.URL(one.Status.VolumeName, one.Name) == one.Status.URL {
			if err := store.Delete(ctx, one.Status.VolumeName, one.Name); err != nil {
				return err
			}
		}
	}
	return c.client.Release(ctx, api.Backups, one.Name)
}
