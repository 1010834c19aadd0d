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

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
