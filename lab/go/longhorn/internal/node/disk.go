package node

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strconv"

	"golang.org/x/sys/unix"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/uuid"

	"homelab.invalid/lab/longhorn/internal/api"
	"homelab.invalid/lab/longhorn/internal/placement"
)

const (
	diskLabel = "node.longhorn.io/create-default-disk"
	// By this file a disk is known again.
	diskFile = "longhorn-disk.cfg"
)

// register makes the node's object where it is not there, and tells of its disks.
func (m *Manager) register(ctx context.Context, settings api.SettingValues, seen *view) error {
	if seen.node == nil {
		return m.client.Create(ctx, api.Nodes, metav1.ObjectMeta{Name: m.node}, map[string]any{
			"spec": api.NodeSpec{Name: m.node, AllowScheduling: true, Disks: map[string]api.Disk{}},
		})
	}
	if len(seen.node.Spec.Disks) == 0 {
		return m.addDefaultDisk(ctx, settings, seen.node)
	}
	disks := map[string]any{}
	for name := range seen.node.Status.Disks {
		// A merge patch deletes by null.
		disks[name] = nil
	}
	limits := Limits(settings)
	for name, disk := range seen.node.Spec.Disks {
		status := m.status(name, disk, seen.node.Status.Disks[name], seen.replicas, limits)
		disks[name] = status
		if seen.node.Status.Disks == nil {
			seen.node.Status.Disks = map[string]api.DiskStatus{}
		}
	}
	err := m.client.PatchStatus(ctx, api.Nodes, m.node, seen.node, map[string]any{"diskStatus": disks})
	for name, status := range disks {
		if status, is := status.(api.DiskStatus); is {
			seen.node.Status.Disks[name] = status
		}
	}
	return err
}

// Limits are the settings that placing obeys.
func Limits(settings api.SettingValues) placement.Limits {
	return placement.Limits{
		OverProvisioning: settings.Number("storage-over-provisioning-percentage", 100),
		MinimalAvailable: settings.Number("storage-minimal-available-percentage", 25),
	}
}

func (m *Manager) addDefaultDisk(ctx context.Context, settings api.SettingValues, node *api.Node) error {
	if settings.On("create-default-disk-labeled-nodes") {
		found, err := m.client.Kube.CoreV1().Nodes().Get(ctx, m.node, metav1.GetOptions{})
		if err != nil || found.Labels[diskLabel] != "true" {
			return err
		}
	}
	path := settings["default-data-path"]
	if err := os.MkdirAll(path, 0o755); err != nil {
		return err
	}
	var system unix.Statfs_t
	if err := unix.Statfs(path, &system); err != nil {
		return err
	}
	name := fmt.Sprintf("default-disk-%x%08x", uint32(system.Fsid.Val[0]), uint32(system.Fsid.Val[1]))
	size := int64(system.Blocks) * system.Bsize
	disk := api.Disk{
		Path: path, Type: "filesystem", AllowScheduling: true,
		StorageReserved: size * settings.Number("storage-reserved-percentage-for-default-disk", 30) / 100,
	}
	return m.client.Patch(ctx, api.Nodes, m.node, node, map[string]any{
		"spec": map[string]any{"disks": map[string]any{name: disk}},
	})
}

func (m *Manager) status(name string, disk api.Disk, before api.DiskStatus, replicas []api.Replica, limits placement.Limits) api.DiskStatus {
	status := api.DiskStatus{
		Conditions: before.Conditions, Name: name, Path: disk.Path, Type: disk.Type, UUID: before.UUID,
		ScheduledReplica: map[string]int64{},
	}
	reason, message := "", fmt.Sprintf("Disk %v(%v) on node %v is ready", name, disk.Path, m.node)
	var system unix.Statfs_t
	if err := unix.Statfs(disk.Path, &system); err != nil {
		reason, message = "NoDiskInfo", fmt.Sprintf("Disk %v(%v) on node %v is not ready: %v", name, disk.Path, m.node, err)
	} else {
		status.Maximum = int64(system.Blocks) * system.Bsize
		status.Available = int64(system.Bavail) * system.Bsize
		status.FileSystem = fileSystem(system.Type)
		if status.UUID, err = identity(disk.Path, before.UUID); err != nil {
			reason = "DiskFilesystemChanged"
			message = fmt.Sprintf("Disk %v(%v) on node %v is not ready: %v", name, disk.Path, m.node, err)
		}
	}
	for _, copied := range replicas {
		if copied.Spec.DiskID == status.UUID && status.UUID != "" && copied.Spec.NodeID == m.node {
			size, _ := strconv.ParseInt(copied.Spec.VolumeSize, 10, 64)
			status.ScheduledReplica[copied.Name] = size
			status.Scheduled += size
		}
	}
	status.Conditions = api.With(status.Conditions, api.Condition{
		Type: "Ready", Status: api.Truth(reason == ""), Reason: reason, Message: message,
	})
	if reason != "" {
		reason, message = "DiskNotReady", fmt.Sprintf("Disk %v (%v) on the node %v is not ready", name, disk.Path, m.node)
	} else if fits, why := placement.Fits(0, disk, status, limits); !fits {
		reason = "DiskPressure"
		message = fmt.Sprintf("Disk %v (%v) on the node %v is not schedulable for more replica; %s", name, disk.Path, m.node, why)
	} else {
		message = fmt.Sprintf("Disk %v(%v) on node %v is schedulable", name, disk.Path, m.node)
	}
	status.Conditions = api.With(status.Conditions, api.Condition{
		Type: "Schedulable", Status: api.Truth(reason == ""), Reason: reason, Message: message,
	})
	return status
}

// identity gives what a disk is known by. One that was known before is never given a new name: another
// disk, or none, lies where it was.
func identity(path, known string) (string, error) {
	file := filepath.Join(path, diskFile)
	var written struct {
		UUID string `json:"diskUUID"`
	}
	text, err := os.ReadFile(file)
	switch {
	case os.IsNotExist(err) && known != "":
		return known, fmt.Errorf("cannot find disk config file, maybe due to a mount error")
	case os.IsNotExist(err):
		written.UUID = string(uuid.NewUUID())
		text, _ := json.Marshal(written)
		return written.UUID, os.WriteFile(file, text, 0o600)
	case err != nil:
		return known, err
	}
	if err := json.Unmarshal(text, &written); err != nil || written.UUID == "" {
		return known, fmt.Errorf("%s cannot be read", file)
	}
	if known != "" && written.UUID != known {
		return known, fmt.Errorf("record diskUUID doesn't match the one on the disk")
	}
	return written.UUID, nil
}

func fileSystem(magic int64) string {
	switch magic {
	case unix.XFS_SUPER_MAGIC:
		return "xfs"
	case unix.EXT4_SUPER_MAGIC:
		return "ext4"
	}
	return fmt.Sprintf("0x%x", magic)
}
