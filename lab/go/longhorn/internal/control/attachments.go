package control

import (
	"context"
	"encoding/json"
	"fmt"
	"log"

	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"

	"homelab.invalid/lab/longhorn/internal/api"
)

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
