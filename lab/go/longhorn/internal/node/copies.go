package node

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"

	"homelab.invalid/lab/longhorn/internal/api"
	"homelab.invalid/lab/longhorn/internal/peer"
	"homelab.invalid/lab/longhorn/internal/replica"
)

// As long as Longhorn's engine waits for a copy.
const patience = 8 * time.Second

// copyAll carries what changed to the other copies of each volume that this node is the source of: the
// one that a pod of this node writes to, or, of a volume that nobody uses, the first good one.
func (m *Manager) copyAll(ctx context.Context, seen *view) {
	for _, volume := range seen.volumes {
		mine := m.mine(seen.replicas, volume.Name)
		if mine == nil || !m.hasDisk(seen, *mine) || volume.DeletionTimestamp != nil {
			continue
		}
		used := volume.Status.CurrentNodeID == m.node
		others := m.others(seen.replicas, volume.Name)
		if !used {
			if volume.Status.CurrentNodeID != "" || volume.Status.RestoreRequired || first(seen, volume.Name) != mine.Name {
				continue
			}
			others = slices.DeleteFunc(others, func(other api.Replica) bool { return other.Good() })
		}
		if len(others) == 0 {
			continue
		}
		pods, own, name := seen.pods, *mine, volume.Name
		m.once("copy "+name, func() { m.push(ctx, own, others, pods) })
	}
}

// others gives a volume's copies on other nodes.
func (m *Manager) others(replicas []api.Replica, volume string) []api.Replica {
	var others []api.Replica
	for _, other := range replicas {
		if other.Spec.VolumeName == volume && other.Spec.NodeID != m.node && other.DeletionTimestamp == nil {
			others = append(others, other)
		}
	}
	return others
}

// first gives the name of a volume's first good copy whose manager runs.
func first(seen *view, volume string) string {
	var names []string
	for _, one := range seen.replicas {
		if one.Spec.VolumeName == volume && one.Good() && one.DeletionTimestamp == nil && api.Runs(seen.pods[one.Spec.NodeID]) {
			names = append(names, one.Name)
		}
	}
	if len(names) == 0 {
		return ""
	}
	return slices.Min(names)
}

// push makes each of the others like this node's own copy, and notes in its object whether it is.
func (m *Manager) push(ctx context.Context, own api.Replica, others []api.Replica, pods map[string]corev1.Pod) {
	folder := replica.At(own.Spec.DiskPath, own.Spec.DataDirectory)
	slices.SortFunc(others, func(a, b api.Replica) int { return cmp.Compare(a.Name, b.Name) })
	for _, other := range others {
		sent, err := m.pushOne(ctx, folder, other, pods)
		if err == nil {
			if sent > 0 {
				log.Printf("%s: %d files carried to node %s", other.Spec.VolumeName, sent, other.Spec.NodeID)
			}
			m.note(other.Name)
			err = m.healthy(ctx, other)
		} else if m.since(other.Name) > patience {
			log.Printf("%s: node %s does not take its copy: %v", other.Spec.VolumeName, other.Spec.NodeID, err)
			err = m.failed(ctx, other)
		} else {
			err = nil
		}
		if err != nil {
			log.Printf("%s: %v", other.Name, err)
		}
	}
}

func (m *Manager) pushOne(ctx context.Context, folder replica.Folder, other api.Replica, pods map[string]corev1.Pod) (int, error) {
	pod := pods[other.Spec.NodeID]
	if pod.Status.PodIP == "" {
		return 0, errors.New("no manager runs there")
	}
	stream := m.stream(other.Name)
	stream.Lock()
	defer stream.Unlock()
	ctx, cancel := context.WithTimeout(ctx, 10*time.Minute)
	defer cancel()
	return peer.Push(ctx, pod.Status.PodIP, m.token, other.Spec.DataDirectory, folder)
}

func (m *Manager) note(name string) {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	m.pushed[name] = time.Now()
}

// since is how long a copy was not like its source; a manager that just began has seen nothing yet.
func (m *Manager) since(name string) time.Duration {
	m.mutex.Lock()
	defer m.mutex.Unlock()
	if _, known := m.pushed[name]; !known {
		m.pushed[name] = time.Now()
	}
	return time.Since(m.pushed[name])
}

func (m *Manager) healthy(ctx context.Context, one api.Replica) error {
	if one.Good() {
		return nil
	}
	now := api.Now()
	return m.client.Patch(ctx, api.Replicas, one.Name, one, map[string]any{
		"spec": map[string]any{"healthyAt": now, "lastHealthyAt": now, "failedAt": ""},
	})
}

func (m *Manager) failed(ctx context.Context, one api.Replica) error {
	if one.Spec.FailedAt != "" {
		return nil
	}
	now := api.Now()
	return m.client.Patch(ctx, api.Replicas, one.Name, one, map[string]any{
		"spec": map[string]any{"healthyAt": "", "failedAt": now, "lastFailedAt": now},
	})
}

// Flush carries the last bytes of a volume that no pod of this node writes to any more. A copy that does
// not take them counts as failed from then on.
func (m *Manager) Flush(ctx context.Context, volume string) error {
	replicas, err := api.List[api.Replica](ctx, m.client, api.Replicas)
	if err != nil {
		return err
	}
	mine := m.mine(replicas, volume)
	if mine == nil {
		return nil
	}
	found, err := api.Get[api.Volume](ctx, m.client, api.Volumes, volume)
	if err != nil {
		return err
	}
	// A node that comes back late has nothing to say: the others may be newer.
	if found == nil || !leads(*found, *mine) {
		return nil
	}
	pods, err := m.client.Managers(ctx)
	if err != nil {
		return err
	}
	folder := replica.At(mine.Spec.DiskPath, mine.Spec.DataDirectory)
	for _, other := range m.others(replicas, volume) {
		if _, err := m.pushOne(ctx, folder, other, pods); err != nil {
			log.Printf("%s: node %s does not take the last bytes: %v", volume, other.Spec.NodeID, err)
			if err := m.failed(ctx, other); err != nil {
				return err
			}
		}
	}
	return nil
}

// leads is whether a copy is the one that the others are to be like: that of the node that uses the
// volume, or, while nobody does, any whole one.
func leads(volume api.Volume, own api.Replica) bool {
	user := volume.Status.CurrentNodeID
	return user == own.Spec.NodeID || user == "" && own.Good()
}

// Source gives the folder that pods of this node may use of a volume.
func (m *Manager) Source(ctx context.Context, name string) (string, error) {
	volume, err := api.Get[api.Volume](ctx, m.client, api.Volumes, name)
	if err != nil {
		return "", err
	}
	if volume == nil {
		return "", fmt.Errorf("volume %s not found", name)
	}
	if volume.Status.CurrentNodeID != m.node {
		return "", fmt.Errorf("volume %s hasn't been attached yet", name)
	}
	seen, err := m.look(ctx)
	if err != nil {
		return "", err
	}
	mine := m.mine(seen.replicas, name)
	if mine == nil || !m.hasDisk(seen, *mine) {
		return "", fmt.Errorf("volume %s has no copy on node %s, or its disk is not ready", name, m.node)
	}
	folder := replica.At(mine.Spec.DiskPath, mine.Spec.DataDirectory)
	return folder.Data(), folder.Make()
}
