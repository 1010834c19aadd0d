package snapshot

import (
	"fmt"
	"math/rand"
	"strconv"
	"time"

	"github.com/robfig/cron/v3"

	"homelab.invalid/lab/k3s/internal/api"
	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/objectstore"
	"homelab.invalid/lab/k3s/internal/place"
	"homelab.invalid/lab/k3s/internal/process"
	"homelab.invalid/lab/k3s/internal/settings"
)

const (
	defaultSchedule  = "0 */12 * * *"
	scheduledName    = "etcd-snapshot"
	defaultRetention = "5"
	// Servers do not all begin in the same instant.
	jitter = 5 * time.Second
)

// Schedule takes snapshots by the clock for as long as the group lives, in the node's own time, as k3s does.
func Schedule(group *process.Group, read *settings.Settings, data place.Data, node string, client *api.Client) error {
	retention, err := strconv.Atoi(read.Text("etcd-snapshot-retention", defaultRetention))
	if err != nil {
		return fmt.Errorf("invalid value for flag -etcd-snapshot-retention: %w", err)
	}
	here := store{data: data, node: node, client: client, keep: retention}
	here.directory = read.Text("etcd-snapshot-dir", data.Server("db", "snapshots"))
	if here.bucket, err = objectstore.Read(read, retention); err != nil {
		return err
	}
	if here.bucket != nil {
		here.bucket.NodeName = node
	}
	if err := define(group.Context(), client); err != nil {
		return fmt.Errorf("failed to create CRD etcdsnapshotfiles.k3s.cattle.io: %w", err)
	}
	if read.On("etcd-disable-snapshots") {
		return nil
	}
	name := read.Text("etcd-snapshot-name", scheduledName)
	clock := cron.New()
	job := cron.NewChain(cron.SkipIfStillRunning(cron.DiscardLogger)).Then(cron.FuncJob(func() {
		time.Sleep(time.Duration(rand.Float64() * float64(jitter)))
		if _, err := here.take(group, name); err != nil {
			journal.Errorf("Failed to take scheduled snapshot: %v", err)
		}
	}))
	if _, err := clock.AddJob(read.Text("etcd-snapshot-schedule-cron", defaultSchedule), job); err != nil {
		return fmt.Errorf("invalid value for flag -etcd-snapshot-schedule-cron: %w", err)
	}
	clock.Start()
	go func() {
		<-group.Context().Done()
		clock.Stop()
	}()
	go func() {
		served(group.Context(), client)
		here.reconcile(group.Context(), nil)
	}()
	return nil
}
