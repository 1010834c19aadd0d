// Package hooks is what Helm runs before it upgrades or deletes the release.
package hooks

import (
	"context"
	"fmt"
	"log"
	"strconv"
	"strings"
	"time"

	"homelab.invalid/lab/longhorn/internal/api"
)

// Uninstall deletes every object, and with the volumes their bytes, if who is sure has said so.
func Uninstall(ctx context.Context, client *api.Client) error {
	settings, err := api.ReadSettings(ctx, client)
	if err != nil {
		return err
	}
	if !settings.On("deleting-confirmation-flag") {
		return fmt.Errorf("cannot uninstall Longhorn because deleting-confirmation-flag is set to `false`. " +
			"Please set it to `true` using Longhorn UI or " +
			"kubectl -n longhorn-system edit settings.longhorn.io deleting-confirmation-flag ")
	}
	for {
		left := 0
		volumes, err := api.List[api.Volume](ctx, client, api.Volumes)
		if err != nil {
			return err
		}
		for _, volume := range volumes {
			left++
			if err := client.Delete(ctx, api.Volumes, volume.Name); err != nil {
				return err
			}
		}
		if left == 0 {
			break
		}
		log.Printf("%d volumes are being deleted", left)
		select {
		case <-ctx.Done():
			return ctx.Err()
		case <-time.After(time.Second):
		}
	}
	// What lies in the backup target stays there.
	for _, kind := range []api.Kind{
		api.RecurringJobs, api.Snapshots, api.Backups, api.BackupVolumes, api.BackupTargets, api.SystemBackups,
		api.Engines, api.VolumeAttachments, api.Nodes,
	} {
		objects, err := api.List[struct{ api.Meta }](ctx, client, kind)
		if err != nil {
			return err
		}
		for _, object := range objects {
			if err := client.Release(ctx, kind, object.Name); err != nil {
				return err
			}
			if err := client.Delete(ctx, kind, object.Name); err != nil {
				return err
			}
		}
	}
	return nil
}

// Upgradable sees whether the version that runs may become this one.
func Upgradable(ctx context.Context, client *api.Client) error {
	settings, err := api.ReadSettings(ctx, client)
	if err != nil {
		return err
	}
	return CheckUpgrade(settings["current-longhorn-version"], api.Version)
}

// CheckUpgrade refuses to go back, and to leave out a minor version.
func CheckUpgrade(from, to string) error {
	if from == "" {
		return nil
	}
	before, after, err := numbers(from, to)
	if err != nil {
		return err
	}
	switch {
	case before[0] != after[0]:
		return fmt.Errorf("failed to upgrade since upgrading from %v to %v for major version is not supported", from, to)
	case after[1] < before[1], after[1] == before[1] && after[2] < before[2]:
		return fmt.Errorf("failed to upgrade since downgrading from %v to %v is not supported", from, to)
	case after[1]-before[1] > 1:
		return fmt.Errorf("failed to upgrade since upgrading from %v to %v for minor version is not supported", from, to)
	}
	return nil
}

func numbers(texts ...string) (before, after [3]int, err error) {
	var read [2][3]int
	for i, text := range texts {
		parts := strings.SplitN(strings.TrimPrefix(text, "v"), ".", 3)
		if len(parts) != 3 {
			return before, after, fmt.Errorf("%q is no version", text)
		}
		for j, part := range parts {
			part, _, _ = strings.Cut(part, "-")
			if read[i][j], err = strconv.Atoi(part); err != nil {
				return before, after, fmt.Errorf("%q is no version", text)
			}
		}
	}
	return read[0], read[1], nil
}
