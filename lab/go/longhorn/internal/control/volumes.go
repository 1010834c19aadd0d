package control

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/rand"

	"homelab.invalid/lab/longhorn/internal/api"
	"homelab.invalid/lab/longhorn/internal/node"
	"homelab.invalid/lab/longhorn/internal/placement"
)

func (c *Controller) volumes(ctx context.Context, seen *world) error {
	var all error
	for i := range seen.volumes {
		if err := c.volume(ctx, seen, &seen.volumes[i]); err != nil {
			all = errors.Join(all, fmt.Errorf("%s: %w", seen.volumes[i].Name, err))
		}
	}
	return all
}

func (c *Controller) volume(ctx context.Context, seen *world, volume *api.Volume) error {
	if volume.DeletionTimestamp != nil {
		return c.end(ctx, seen, volume)
	}
	engine, err := c.complete(ctx, seen, volume)
	if err != nil {
		return err
	}
	placed, why, err := c.place(ctx, seen, volume)
	if err != nil {
		return err
	}
	if placed {
		// What was made just now is seen in the next pass.
		return nil
	}
	copies := seen.copies(volume.Name)
	user, err := c.attach(ctx, seen, volume, engine, copies)
	if err != nil {
		return err
	}
	status := c.status(seen, volume, copies, user)
	scheduled := api.Condition{Type: "Scheduled", Status: api.Truth(why == "")}
	if why != "" {
		scheduled.Reason, scheduled.Message = "ReplicaSchedulingFailure", why
	}
	conditions := api.With(volume.Status.Conditions, scheduled)
	if volume.Status.RestoreRequired && !slices.ContainsFunc(conditions, func(one api.Condition) bool {
		return one.Type == "Restore" && one.Reason == "RestoreFailure"
	}) {
		conditions = api.With(conditions, api.Condition{Type: "Restore", Status: "True", Reason: "RestoreInProgress"})
	}
	status["conditions"] = conditions
	if err := c.client.PatchStatus(ctx, api.Volumes, volume.Name, *volume, status); err != nil {
		return err
	}
	if err := c.engine(ctx, engine, user, copies); err != nil {
		return err
	}
	for _, one := range copies {
		state := map[string]any{"currentState": stateOf(one, user, seen.ready(one.Spec.NodeID)), "ownerID": one.Spec.NodeID}
		if err := c.client.PatchStatus(ctx, api.Replicas, one.Name, one, state); err != nil {
			return err
		}
	}
	return nil
}

// end deletes what belongs to a volume, and lets it go once nothing is left.
func (c *Controller) end(ctx context.Context, seen *world, volume *api.Volume) error {
	left := 0
	for _, one := range seen.replicas {
		if one.Spec.VolumeName != volume.Name {
			continue
		}
		left++
		if err := c.client.Delete(ctx, api.Replicas, one.Name); err != nil {
			return err
		}
		// Where nobody is left to delete the bytes, they stay: Longhorn calls them orphans.
		if !seen.ready(one.Spec.NodeID) {
			if err := c.client.Release(ctx, api.Replicas, one.Name); err != nil {
				return err
			}
		}
	}
	if left > 0 {
		return nil
	}
	for _, snapshot := range seen.snapshots {
		if snapshot.Spec.Volume == volume.Name {
			if err := c.client.Delete(ctx, api.Snapshots, snapshot.Name); err != nil {
				return err
			}
		}
	}
	for kind, name := range map[*api.Kind]string{&api.Engines: volume.Name + "-e-0", &api.VolumeAttachments: volume.Name} {
		if err := c.client.Delete(ctx, *kind, name); err != nil {
			return err
		}
	}
	log.Printf("volume %s is deleted", volume.Name)
	return c.client.Release(ctx, api.Volumes, volume.Name)
}

// complete fills in what who made the volume left open, and makes what goes with it.
func (c *Controller) complete(ctx context.Context, seen *world, volume *api.Volume) (*api.Engine, error) {
	labels := map[string]string{api.LabelVolume: volume.Name}
	if !slices.ContainsFunc(keys(volume.Labels), func(label string) bool {
		return strings.HasPrefix(label, api.PrefixJob) || strings.HasPrefix(label, api.PrefixGroup)
	}) {
		labels[api.PrefixGroup+"default"] = api.Enabled
	}
	change := map[string]any{"metadata": map[string]any{"labels": labels, "finalizers": []string{api.Finalizer}}}
	if volume.Spec.NumberOfReplicas == 0 {
		volume.Spec.NumberOfReplicas = usual(seen.settings["default-replica-count"])
		change["spec"] = map[string]any{"numberOfReplicas": volume.Spec.NumberOfReplicas}
	}
	if err := c.client.Patch(ctx, api.Volumes, volume.Name, *volume, change); err != nil {
		return nil, err
	}
	if volume.Spec.FromBackup != "" && !volume.Status.RestoreInitiated {
		status := map[string]any{"restoreInitiated": true, "restoreRequired": true}
		if err := c.client.PatchStatus(ctx, api.Volumes, volume.Name, *volume, status); err != nil {
			return nil, err
		}
		volume.Status.RestoreInitiated, volume.Status.RestoreRequired = true, true
	}
	name := volume.Name + "-e-0"
	for i := range seen.engines {
		if seen.engines[i].Name == name {
			return &seen.engines[i], nil
		}
	}
	metadata := metav1.ObjectMeta{Name: name, Labels: map[string]string{api.LabelVolume: volume.Name}}
	err := c.client.Create(ctx, api.Engines, metadata, map[string]any{"spec": map[string]any{
		"volumeName": volume.Name, "volumeSize": volume.Spec.Size, "active": true, "frontend": "blockdev",
		"dataEngine": "v1", "image": api.Image, "desireState": "stopped", "nodeID": "",
	}})
	if err != nil {
		return nil, err
	}
	metadata = metav1.ObjectMeta{Name: volume.Name, Labels: metadata.Labels}
	err = c.client.Create(ctx, api.VolumeAttachments, metadata, map[string]any{
		"spec": map[string]any{"volume": volume.Name, "attachmentTickets": map[string]any{}},
	})
	engine := &api.Engine{}
	engine.Name = name
	return engine, err
}

// usual reads the setting: a number, or one for each data engine.
func usual(setting string) int {
	var engines map[string]string
	if json.Unmarshal([]byte(setting), &engines) == nil {
		setting = engines["v1"]
	}
	if number, err := strconv.Atoi(setting); err == nil {
		return number
	}
	return 3
}

func keys(labels map[string]string) []string {
	var names []string
	for name := range labels {
		names = append(names, name)
	}
	return names
}

// place makes copies where there are too few, and deletes failed ones once there are enough. It says
// whether it made any, and why it could not make all.
func (c *Controller) place(ctx context.Context, seen *world, volume *api.Volume) (bool, string, error) {
	copies := seen.copies(volume.Name)
	wait := time.Duration(seen.settings.Number("replica-replenishment-wait-interval", 600)) * time.Second
	var kept, stale []api.Replica
	good := 0
	for _, one := range copies {
		failed, err := time.Parse(time.RFC3339, one.Spec.FailedAt)
		switch {
		case one.Spec.FailedAt == "":
			good++
			kept = append(kept, one)
		// It may come back with its bytes.
		case err == nil && time.Since(failed) < wait:
			kept = append(kept, one)
		default:
			stale = append(stale, one)
		}
	}
	if good >= volume.Spec.NumberOfReplicas {
		for _, one := range copies {
			if one.Spec.FailedAt != "" {
				if err := c.client.Delete(ctx, api.Replicas, one.Name); err != nil {
					return false, "", err
				}
			}
		}
	}
	lacking := volume.Spec.NumberOfReplicas - len(kept)
	if lacking <= 0 {
		return false, "", nil
	}
	var taken []string
	for _, one := range kept {
		taken = append(taken, one.Spec.NodeID)
	}
	size, _ := strconv.ParseInt(volume.Spec.Size, 10, 64)
	places, why := placement.Choose(seen.nodes, taken, lacking, size, node.Limits(seen.settings))
	degraded := seen.settings.On("allow-volume-creation-with-degraded-availability")
	if why != "" && len(copies) == 0 && !degraded {
		places = nil
	}
	for _, place := range places {
		if err := c.addCopy(ctx, volume, place); err != nil {
			return true, "", err
		}
	}
	// While none takes their place, those that failed long ago are all that there is.
	return len(places) > 0, cmp.Or(why, ""), nil
}

func (c *Controller) addCopy(ctx context.Context, volume *api.Volume, place placement.Place) error {
	name := volume.Name + "-r-" + rand.String(8)
	log.Printf("volume %s: a copy on node %s", volume.Name, place.Node)
	return c.client.Create(ctx, api.Replicas,
		metav1.ObjectMeta{
			Name: name, Finalizers: []string{api.Finalizer},
			Labels: map[string]string{api.LabelVolume: volume.Name, "longhornnode": place.Node, "longhorndiskuuid": place.UUID},
		},
		map[string]any{"spec": map[string]any{
			"volumeName": volume.Name, "volumeSize": volume.Spec.Size, "nodeID": place.Node, "diskID": place.UUID,
			"diskPath": place.Path, "dataDirectoryName": volume.Name + "-" + rand.String(8),
			"engineName": volume.Name + "-e-0", "active": true, "dataEngine": "v1", "image": api.Image,
			"healthyAt": "", "failedAt": "", "desireState": "stopped",
		}})
}

// attach lets a node use the volume if one asks for it, and gives its name.
func (c *Controller) attach(ctx context.Context, seen *world, volume *api.Volume, engine *api.Engine, copies []api.Replica) (string, error) {
	asking := seen.attachments[volume.Name]
	current := volume.Status.CurrentNodeID
	var chosen *storagev1.VolumeAttachment
	for i := range asking {
		if asking[i].Spec.NodeName == current {
			chosen = &asking[i]
		}
	}
	// Another node waits until the first one has let go.
	if chosen == nil && len(asking) > 0 {
		chosen = &asking[0]
	}
	user := ""
	if chosen != nil {
		user = chosen.Spec.NodeName
		if why := unfit(volume, copies, user); why != "" {
			return "", c.refuse(ctx, chosen, fmt.Sprintf("volume %s is not ready for workloads: %s", volume.Name, why))
		}
		if fresh(copies) {
			for i := range copies {
				now := api.Now()
				copies[i].Spec.HealthyAt = now
				change := map[string]any{"spec": map[string]any{"healthyAt": now, "lastHealthyAt": now}}
				if err := c.client.Patch(ctx, api.Replicas, copies[i].Name, nil, change); err != nil {
					return "", err
				}
			}
		}
	}
	if user != volume.Spec.NodeID {
		if err := c.client.Patch(ctx, api.Volumes, volume.Name, *volume, map[string]any{"spec": map[string]any{"nodeID": user}}); err != nil {
			return "", err
		}
	}
	if user != engine.Spec.NodeID {
		desire := "stopped"
		if user != "" {
			desire = "running"
		}
		change := map[string]any{"spec": map[string]any{"nodeID": user, "desireState": desire}}
		if err := c.client.Patch(ctx, api.Engines, engine.Name, nil, change); err != nil {
			return "", err
		}
	}
	if chosen != nil && !chosen.Status.Attached {
		// The node is told first: it may mount as soon as Kubernetes sees the attachment.
		status := map[string]any{"currentNodeID": user, "state": "attached"}
		if err := c.client.PatchStatus(ctx, api.Volumes, volume.Name, *volume, status); err != nil {
			return "", err
		}
		if err := c.ticket(ctx, volume.Name, chosen); err != nil {
			return "", err
		}
		log.Printf("volume %s is attached to node %s", volume.Name, user)
		return user, c.patchAttachment(ctx, chosen.Name, map[string]any{"attached": true, "attachError": nil})
	}
	if chosen == nil && current != "" {
		log.Printf("volume %s is detached from node %s", volume.Name, current)
		return "", c.ticket(ctx, volume.Name, nil)
	}
	return user, nil
}

// unfit says why a node cannot use a volume; nothing when it can.
func unfit(volume *api.Volume, copies []api.Replica, node string) string {
	if volume.Status.RestoreRequired {
		return "it is being restored"
	}
	for _, one := range copies {
		if one.Spec.NodeID != node {
			continue
		}
		// Whoever used it last holds every byte, whatever became of the others.
		if one.Good() || fresh(copies) || volume.Status.CurrentNodeID == node {
			return ""
		}
		return "its copy on node " + node + " is not healthy"
	}
	return "node " + node + " holds no copy of it"
}

func (c *Controller) refuse(ctx context.Context, attachment *storagev1.VolumeAttachment, why string) error {
	if attachment.Status.AttachError != nil && attachment.Status.AttachError.Message == why {
		return nil
	}
	return c.patchAttachment(ctx, attachment.Name, map[string]any{
		"attachError": map[string]any{"message": why, "time": api.Now()},
	})
}

func (c *Controller) patchAttachment(ctx context.Context, name string, status map[string]any) error {
	text, err := json.Marshal(map[string]any{"status": status})
	if err != nil {
		return err
	}
	_, err = c.client.Kube.StorageV1().VolumeAttachments().Patch(ctx, name, types.MergePatchType, text, metav1.PatchOptions{}, "status")
	return err
}

// ticket shows who holds the volume, in Longhorn's own attachment.
func (c *Controller) ticket(ctx context.Context, volume string, holder *storagev1.VolumeAttachment) error {
	tickets, statuses := map[string]any{}, map[string]any{}
	if holder != nil {
		tickets[holder.Name] = map[string]any{
			"id": holder.Name, "nodeID": holder.Spec.NodeName, "type": "csi-attacher", "generation": 0,
			"parameters": map[string]any{"disableFrontend": "false"},
		}
		statuses[holder.Name] = map[string]any{
			"id": holder.Name, "satisfied": true, "generation": 0,
			"conditions": []api.Condition{{Type: "Satisfied", Status: "True", LastTransitionTime: api.Now()}},
		}
	}
	found, err := api.Get[struct {
		api.Meta `json:",inline"`
		Spec     struct {
			Tickets map[string]any `json:"attachmentTickets"`
		} `json:"spec"`
	}](ctx, c.client, api.VolumeAttachments, volume)
	if err != nil || found == nil {
		return err
	}
	for name := range found.Spec.Tickets {
		if _, kept := tickets[name]; !kept {
			tickets[name], statuses[name] = nil, nil
		}
	}
	if err := c.client.Patch(ctx, api.VolumeAttachments, volume, nil, map[string]any{"spec": map[string]any{"attachmentTickets": tickets}}); err != nil {
		return err
	}
	return c.client.PatchStatus(ctx, api.VolumeAttachments, volume, nil, map[string]any{"attachmentTicketStatuses": statuses})
}

func (c *Controller) engine(ctx context.Context, engine *api.Engine, user string, copies []api.Replica) error {
	modes := map[string]any{}
	for name := range engine.Status.Modes {
		modes[name] = nil
	}
	state := "stopped"
	if user != "" {
		state = "running"
		for _, one := range copies {
			switch {
			case one.Good():
				modes[one.Name] = "RW"
			case one.Spec.FailedAt == "":
				modes[one.Name] = "WO"
			default:
				modes[one.Name] = "ERR"
			}
		}
	}
	status := map[string]any{"currentState": state, "replicaModeMap": modes, "ownerID": user}
	return c.client.PatchStatus(ctx, api.Engines, engine.Name, nil, status)
}

func stateOf(one api.Replica, user string, ready bool) string {
	switch {
	case !ready:
		return "unknown"
	case one.Spec.FailedAt != "":
		return "error"
	case user != "":
		return "running"
	}
	return "stopped"
}

// status is what a volume shows of itself.
func (c *Controller) status(seen *world, volume *api.Volume, copies []api.Replica, user string) map[string]any {
	state := "detached"
	if user != "" {
		state = "attached"
	}
	robust := Robustness(copies, volume.Spec.NumberOfReplicas, user, user == "" || seen.ready(user))
	status := map[string]any{
		"state": state, "currentNodeID": user, "robustness": robust, "ownerID": user, "currentImage": api.Image,
		"kubernetesStatus": kubernetes(seen, volume),
	}
	if robust == "degraded" && volume.Status.Robustness != "degraded" {
		status["lastDegradedAt"] = api.Now()
		log.Printf("volume %s became degraded", volume.Name)
	}
	if robust == "healthy" && volume.Status.Robustness != "healthy" {
		log.Printf("volume %s became healthy", volume.Name)
	}
	for _, backup := range seen.backups {
		if backup.Status.VolumeName == volume.Name && backup.Status.State == "Completed" && backup.Status.BackupCreatedAt >= volume.Status.LastBackupAt {
			volume.Status.LastBackupAt = backup.Status.BackupCreatedAt
			status["lastBackup"], status["lastBackupAt"] = backup.Name, backup.Status.BackupCreatedAt
		}
	}
	return status
}

// Robustness is Longhorn's word for how safe a volume's data is.
func Robustness(copies []api.Replica, wanted int, user string, ready bool) string {
	good, failed := 0, 0
	for _, one := range copies {
		if one.Good() {
			good++
		} else if one.Spec.FailedAt != "" {
			failed++
		}
	}
	switch {
	case len(copies) > 0 && failed == len(copies):
		return "faulted"
	case user == "" || !ready:
		return "unknown"
	case good >= wanted:
		return "healthy"
	case good > 0:
		return "degraded"
	}
	return "unknown"
}

// kubernetes says which claim and pods use a volume.
func kubernetes(seen *world, volume *api.Volume) api.KubernetesStatus {
	status := volume.Status.Kubernetes
	bound, found := seen.bound[volume.Name]
	if !found {
		return api.KubernetesStatus{LastPVCRefAt: status.LastPVCRefAt, LastPodRefAt: status.LastPodRefAt}
	}
	status.PVName, status.PVStatus, status.Workloads = bound.Name, string(bound.Status.Phase), nil
	if claim := bound.Spec.ClaimRef; claim != nil {
		status.Namespace, status.PVCName = claim.Namespace, claim.Name
	}
	if bound.Status.Phase == corev1.VolumeReleased {
		status.LastPVCRefAt = cmp.Or(status.LastPVCRefAt, api.Now())
	}
	for _, pod := range seen.pods {
		if pod.Namespace != status.Namespace || !uses(pod, status.PVCName) {
			continue
		}
		workload := api.Workload{PodName: pod.Name, PodStatus: string(pod.Status.Phase)}
		if owner := metav1.GetControllerOf(&pod); owner != nil {
			workload.WorkloadName, workload.WorkloadType = owner.Name, owner.Kind
		}
		status.Workloads = append(status.Workloads, workload)
	}
	return status
}

func uses(pod corev1.Pod, claim string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(volume corev1.Volume) bool {
		return volume.PersistentVolumeClaim != nil && volume.PersistentVolumeClaim.ClaimName == claim
	})
}
