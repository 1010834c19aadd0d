package control

import (
	"context"
	"fmt"
	"log"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/rand"

	"homelab.invalid/lab/longhorn/internal/api"
	"homelab.invalid/lab/longhorn/internal/recurring"
)

// jobs runs those that are due, makes backups of the snapshots that are wanted for one, and deletes what
// is older than what a job keeps.
func (c *Controller) jobs(ctx context.Context, seen *world) error {
	jobs, err := api.List[api.RecurringJob](ctx, c.client, api.RecurringJobs)
	if err != nil {
		return err
	}
	for _, job := range jobs {
		if err := c.job(ctx, seen, job); err != nil {
			log.Printf("recurring job %s: %v", job.Name, err)
		}
	}
	return c.thenBackup(ctx, seen)
}

func (c *Controller) job(ctx context.Context, seen *world, job api.RecurringJob) error {
	mark := func(count int) error {
		err := c.client.Patch(ctx, api.RecurringJobs, job.Name, nil, map[string]any{
			"metadata": map[string]any{"annotations": map[string]string{api.AnnotationLastRun: api.Now()}},
		})
		if err != nil {
			return err
		}
		return c.client.PatchStatus(ctx, api.RecurringJobs, job.Name, job, map[string]any{"executionCount": count})
	}
	last, err := time.Parse(time.RFC3339, job.Annotations[api.AnnotationLastRun])
	if err != nil {
		return mark(job.Status.ExecutionCount)
	}
	due, err := recurring.Due(job.Spec.Cron, last, time.Now())
	if err != nil {
		return err
	}
	if !due {
		return c.retain(ctx, seen, job)
	}
	// Noted before it runs: a turn that fails half-way is not run twice.
	if err := mark(job.Status.ExecutionCount + 1); err != nil {
		return err
	}
	log.Printf("recurring job %s: its turn", job.Name)
	return c.run(ctx, seen, job)
}

func (c *Controller) run(ctx context.Context, seen *world, job api.RecurringJob) error {
	switch job.Spec.Task {
	case "snapshot", "snapshot-force-create":
		return c.snapshotEach(ctx, seen, job, nil)
	case "backup", "backup-force-create":
		return c.snapshotEach(ctx, seen, job, map[string]string{api.AnnotationThenBackup: job.Name})
	case "snapshot-delete":
		for _, volume := range c.covered(seen, job) {
			for _, name := range recurring.Expired(snapshotsOf(seen, volume.Name, ""), job.Spec.Retain) {
				if err := c.client.Delete(ctx, api.Snapshots, name); err != nil {
					return err
				}
			}
		}
		return nil
	case "system-backup":
		name := recurring.Name(job.Name, rand.String(8))
		metadata := metav1.ObjectMeta{Name: name, Labels: map[string]string{"recurring-job.longhorn.io/system-backup": job.Name}}
		if err := c.client.Create(ctx, api.SystemBackups, metadata, map[string]any{"spec": map[string]any{"volumeBackupPolicy": "disabled"}}); err != nil {
			return err
		}
		return c.client.PatchStatus(ctx, api.SystemBackups, name, nil, map[string]any{
			"state": "Ready", "version": api.Version, "createdAt": api.Now(), "lastSyncedAt": api.Now(),
		})
	}
	// filesystem-trim and snapshot-cleanup: folders have nothing to trim, and no snapshot is the system's.
	return nil
}

// covered gives the volumes that a job works on now.
func (c *Controller) covered(seen *world, job api.RecurringJob) []api.Volume {
	var volumes []api.Volume
	for _, volume := range seen.volumes {
		usable := volume.Status.State == "attached" || seen.settings.On("allow-recurring-job-while-volume-detached")
		if usable && !volume.Status.RestoreRequired && volume.DeletionTimestamp == nil &&
			recurring.Covers(volume.Labels, job.Name, job.Spec.Groups) {
			volumes = append(volumes, volume)
		}
	}
	return volumes
}

func (c *Controller) snapshotEach(ctx context.Context, seen *world, job api.RecurringJob, annotations map[string]string) error {
	for _, volume := range c.covered(seen, job) {
		labels := map[string]string{api.LabelJob: job.Name}
		for key, value := range job.Spec.Labels {
			labels[key] = value
		}
		metadata := metav1.ObjectMeta{
			Name: recurring.Name(job.Name, rand.String(8)), Annotations: annotations,
			Labels: map[string]string{api.LabelVolume: volume.Name},
		}
		spec := map[string]any{"volume": volume.Name, "createSnapshot": true, "labels": labels}
		if err := c.client.Create(ctx, api.Snapshots, metadata, map[string]any{"spec": spec}); err != nil {
			return err
		}
	}
	return nil
}

func (c *Controller) thenBackup(ctx context.Context, seen *world) error {
	for _, snapshot := range seen.snapshots {
		job := snapshot.Annotations[api.AnnotationThenBackup]
		if job == "" || !snapshot.Status.ReadyToUse || snapshot.DeletionTimestamp != nil {
			continue
		}
		// The mark goes after: a second backup of the same name is none.
		metadata := metav1.ObjectMeta{
			Name: "backup-" + string(snapshot.UID)[:8] + string(snapshot.UID)[9:13], Labels: labels(snapshot.Spec.Volume),
			Finalizers: []string{api.Finalizer},
		}
		spec := map[string]any{"snapshotName": snapshot.Name, "labels": snapshot.Spec.Labels}
		if err := c.client.Create(ctx, api.Backups, metadata, map[string]any{"spec": spec}); err != nil {
			return err
		}
		err := c.client.Patch(ctx, api.Snapshots, snapshot.Name, nil, map[string]any{
			"metadata": map[string]any{"annotations": map[string]any{api.AnnotationThenBackup: nil}},
		})
		if err != nil {
			return fmt.Errorf("snapshot %s: %w", snapshot.Name, err)
		}
	}
	return nil
}

// snapshotsOf gives a volume's finished snapshots, all or those of a job.
func snapshotsOf(seen *world, volume, job string) []recurring.Item {
	var items []recurring.Item
	for _, snapshot := range seen.snapshots {
		if snapshot.Spec.Volume == volume && snapshot.Status.ReadyToUse && snapshot.DeletionTimestamp == nil &&
			(job == "" || snapshot.Spec.Labels[api.LabelJob] == job) && snapshot.Annotations[api.AnnotationThenBackup] == "" {
			items = append(items, recurring.Item{Name: snapshot.Name, At: snapshot.Status.CreationTime})
		}
	}
	return items
}

// retain deletes what a job made and does not keep any more.
func (c *Controller) retain(ctx context.Context, seen *world, job api.RecurringJob) error {
	isBackup := job.Spec.Task == "backup" || job.Spec.Task == "backup-force-create"
	if !isBackup && job.Spec.Task != "snapshot" && job.Spec.Task != "snapshot-force-create" {
		return nil
	}
	for _, volume := range seen.volumes {
		kept := job.Spec.Retain
		unfinished := false
		if isBackup {
			var items []recurring.Item
			for _, one := range seen.backups {
				if one.Status.VolumeName != volume.Name || one.Spec.Labels[api.LabelJob] != job.Name || one.DeletionTimestamp != nil {
					continue
				}
				if one.Status.State != "Completed" {
					unfinished = unfinished || one.Status.State != "Error"
					continue
				}
				items = append(items, recurring.Item{Name: one.Name, At: one.Status.SnapshotCreatedAt})
			}
			for _, name := range recurring.Expired(items, kept) {
				log.Printf("recurring job %s: backup %s is older than what it keeps", job.Name, name)
				if err := c.client.Delete(ctx, api.Backups, name); err != nil {
					return err
				}
			}
			// Of the snapshots that were made for backups the last one stays.
			kept = 1
		}
		if unfinished {
			continue
		}
		for _, name := range recurring.Expired(snapshotsOf(seen, volume.Name, job.Name), kept) {
			if err := c.client.Delete(ctx, api.Snapshots, name); err != nil {
				return err
			}
		}
	}
	return nil
}
