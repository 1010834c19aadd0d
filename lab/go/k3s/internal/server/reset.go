package server

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/process"
)

// Reset makes this server the only member of its etcd, from its own data or from a snapshot, and ends.
func (p *Plan) Reset(group *process.Group) error {
	p.Etcd, p.Join = true, ""
	if _, err := p.Prepare(group.Context()); err != nil {
		return err
	}
	if snapshot := p.Settings.Text("cluster-reset-restore-path", ""); snapshot != "" {
		if err := p.restore(group, snapshot); err != nil {
			return err
		}
	}
	if !exists(p.database() + "/member") {
		return errors.New("cluster-reset was passed but no etcd data was found")
	}
	if err := p.startEtcd(group, true); err != nil {
		return err
	}
	// The configuration says to force a new cluster: the next start must write its own.
	if err := os.Remove(p.database() + "/config"); err != nil {
		return err
	}
	journal.Infof("Managed etcd cluster membership has been reset, restart without --cluster-reset flag now. " +
		"Backup and delete ${datadir}/server/db on each peer etcd server and rejoin the nodes")
	group.Stop(10 * time.Second)
	os.Exit(0)
	return nil
}

// The data that was there stays beside the restored data, under a name that says when.
func (p *Plan) restore(group *process.Group, snapshot string) error {
	if !filepath.IsAbs(snapshot) {
		snapshot = p.Data.Server("db", "snapshots", snapshot)
	}
	if !exists(snapshot) {
		return fmt.Errorf("etcd: snapshot path does not exist: %s", snapshot)
	}
	name, err := p.etcdName()
	if err != nil {
		return err
	}
	if exists(p.database()) {
		aside := fmt.Sprintf("%s-old-%d", p.database(), time.Now().Unix())
		if err := os.Rename(p.database(), aside); err != nil {
			return err
		}
	}
	restored := p.database()
	_, err = group.Run(group.Context(), []string{"ETCDCTL_API=3"}, "etcdctl", "snapshot", "restore", snapshot,
		"--name="+name, "--data-dir="+restored,
		"--initial-cluster="+name+"="+p.peerURL(), "--initial-advertise-peer-urls="+p.peerURL())
	if err != nil {
		return err
	}
	return os.WriteFile(restored+"/name", []byte(name), 0o600)
}
