// Package control is what one manager does for all: it makes volumes of claims, places their copies,
// attaches them, and runs jobs by the clock.
package control

import (
	"context"
	"fmt"
	"log"
	"slices"
	"time"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes/scheme"
	typed "k8s.io/client-go/kubernetes/typed/core/v1"
	"k8s.io/client-go/tools/record"

	"homelab.invalid/lab/longhorn/internal/api"
)

const interval = 2 * time.Second

// Controller is the leader's.
type Controller struct {
	client *api.Client
	events record.EventRecorder
	polls  polls
}

// New makes a controller.
func New(client *api.Client) *Controller {
	broadcaster := record.NewBroadcaster()
	broadcaster.StartRecordingToSink(&typed.EventSinkImpl{Interface: client.Kube.CoreV1().Events("")})
	source := corev1.EventSource{Component: api.Driver}
	return &Controller{client: client, events: broadcaster.NewRecorder(scheme.Scheme, source)}
}

// world is all that a pass works on.
type world struct {
	settings  api.SettingValues
	nodes     []api.Node
	volumes   []api.Volume
	replicas  []api.Replica
	engines   []api.Engine
	snapshots []api.Snapshot
	backups   []api.Backup
	claims    []corev1.PersistentVolumeClaim
	// By the volume's name.
	bound map[string]corev1.PersistentVolume
	// By the volume's name, the oldest first.
	attachments map[string][]storagev1.VolumeAttachment
	pods        []corev1.Pod
	managers    map[string]corev1.Pod
	kubeNodes   map[string]corev1.Node
}

// Run passes again and again until the context ends.
func (c *Controller) Run(ctx context.Context) {
	ticker := time.NewTicker(interval)
	defer ticker.Stop()
	for {
		if err := c.pass(ctx); err != nil && ctx.Err() == nil {
			log.Printf("leader: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

func (c *Controller) pass(ctx context.Context) error {
	if err := c.settings(ctx); err != nil {
		return fmt.Errorf("settings: %w", err)
	}
	seen, err := c.look(ctx)
	if err != nil {
		return err
	}
	steps := []struct {
		name string
		do   func(context.Context, *world) error
	}{
		{"nodes", c.nodes}, {"backup target", c.target}, {"claims", c.claims}, {"volumes", c.volumes},
		{"snapshots", c.snapshots}, {"backups", c.backups}, {"jobs", c.jobs},
	}
	for _, step := range steps {
		// One that fails holds up none of the others.
		if err := step.do(ctx, seen); err != nil && ctx.Err() == nil {
			log.Printf("leader: %s: %v", step.name, err)
		}
	}
	return nil
}

func (c *Controller) look(ctx context.Context) (*world, error) {
	seen := &world{
		bound: map[string]corev1.PersistentVolume{}, attachments: map[string][]storagev1.VolumeAttachment{},
		kubeNodes: map[string]corev1.Node{},
	}
	var err error
	if seen.settings, err = api.ReadSettings(ctx, c.client); err != nil {
		return nil, err
	}
	if seen.nodes, err = api.List[api.Node](ctx, c.client, api.Nodes); err != nil {
		return nil, err
	}
	if seen.volumes, err = api.List[api.Volume](ctx, c.client, api.Volumes); err != nil {
		return nil, err
	}
	if seen.replicas, err = api.List[api.Replica](ctx, c.client, api.Replicas); err != nil {
		return nil, err
	}
	if seen.engines, err = api.List[api.Engine](ctx, c.client, api.Engines); err != nil {
		return nil, err
	}
	if seen.snapshots, err = api.List[api.Snapshot](ctx, c.client, api.Snapshots); err != nil {
		return nil, err
	}
	if seen.backups, err = api.List[api.Backup](ctx, c.client, api.Backups); err != nil {
		return nil, err
	}
	if seen.managers, err = c.client.Managers(ctx); err != nil {
		return nil, err
	}
	return seen, c.lookAtKubernetes(ctx, seen)
}

func (c *Controller) lookAtKubernetes(ctx context.Context, seen *world) error {
	core, all := c.client.Kube.CoreV1(), metav1.ListOptions{}
	claims, err := core.PersistentVolumeClaims("").List(ctx, all)
	if err != nil {
		return err
	}
	seen.claims = claims.Items
	volumes, err := core.PersistentVolumes().List(ctx, all)
	if err != nil {
		return err
	}
	handles := map[string]string{}
	for _, volume := range volumes.Items {
		if volume.Spec.CSI != nil && volume.Spec.CSI.Driver == api.Driver {
			seen.bound[volume.Spec.CSI.VolumeHandle] = volume
			handles[volume.Name] = volume.Spec.CSI.VolumeHandle
		}
	}
	attachments, err := c.client.Kube.StorageV1().VolumeAttachments().List(ctx, all)
	if err != nil {
		return err
	}
	for _, one := range attachments.Items {
		if one.Spec.Attacher == api.Driver && one.Spec.Source.PersistentVolumeName != nil && one.DeletionTimestamp == nil {
			handle := handles[*one.Spec.Source.PersistentVolumeName]
			seen.attachments[handle] = append(seen.attachments[handle], one)
		}
	}
	for _, list := range seen.attachments {
		slices.SortFunc(list, func(a, b storagev1.VolumeAttachment) int {
			return a.CreationTimestamp.Compare(b.CreationTimestamp.Time)
		})
	}
	pods, err := core.Pods("").List(ctx, all)
	if err != nil {
		return err
	}
	seen.pods = pods.Items
	nodes, err := core.Nodes().List(ctx, all)
	if err != nil {
		return err
	}
	for _, node := range nodes.Items {
		seen.kubeNodes[node.Name] = node
	}
	return nil
}

// ready is whether Longhorn's node is.
func (w *world) ready(name string) bool {
	for _, node := range w.nodes {
		if node.Name == name {
			return api.Holds(node.Status.Conditions, "Ready")
		}
	}
	return false
}

// copies gives a volume's copies that are not being deleted, by name.
func (w *world) copies(volume string) []api.Replica {
	var copies []api.Replica
	for _, one := range w.replicas {
		if one.Spec.VolumeName == volume && one.DeletionTimestamp == nil {
			copies = append(copies, one)
		}
	}
	slices.SortFunc(copies, func(a, b api.Replica) int {
		if a.Name < b.Name {
			return -1
		}
		return 1
	})
	return copies
}

// fresh is whether no copy was ever used: all of them are empty, and so alike.
func fresh(copies []api.Replica) bool {
	return !slices.ContainsFunc(copies, func(one api.Replica) bool {
		return one.Spec.HealthyAt != "" || one.Spec.FailedAt != ""
	})
}

// worker gives the node that takes a volume's snapshots and backups: the one that uses it, or that of the
// first good copy.
func (w *world) worker(volume api.Volume) string {
	if node := volume.Status.CurrentNodeID; node != "" {
		if w.ready(node) {
			return node
		}
		return ""
	}
	copies := w.copies(volume.Name)
	for _, one := range copies {
		if (one.Good() || fresh(copies)) && w.ready(one.Spec.NodeID) {
			return one.Spec.NodeID
		}
	}
	return ""
}

func (w *world) volume(name string) *api.Volume {
	for i := range w.volumes {
		if w.volumes[i].Name == name {
			return &w.volumes[i]
		}
	}
	return nil
}
