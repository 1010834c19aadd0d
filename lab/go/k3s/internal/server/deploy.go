package server

import (
	"context"
	"crypto/sha256"
	"embed"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/process"
	"homelab.invalid/lab/k3s/internal/version"
)

//go:embed manifests/*.yaml
var packaged embed.FS

// How often the folder is looked at.
const deployEvery = 15 * time.Second

// Components that a real k3s brings and this one leaves out: naming them in `disable` is right.
var absent = []string{"servicelb", "local-storage", "metrics-server"}

// The packaged manifests go into the folder where people put their own.
func (p *Plan) writeManifests() error {
	directory := p.Data.Server("manifests")
	if err := os.MkdirAll(directory, 0o700); err != nil {
		return err
	}
	disabled := p.Settings.List("disable")
	for _, name := range absent {
		if !slices.Contains(disabled, name) {
			journal.Infof("The stand-in has no %s", name)
		}
	}
	entries, err := packaged.ReadDir("manifests")
	if err != nil {
		return err
	}
	for _, entry := range entries {
		path := filepath.Join(directory, entry.Name())
		if slices.Contains(disabled, strings.TrimSuffix(entry.Name(), ".yaml")) {
			continue
		}
		text, err := packaged.ReadFile("manifests/" + entry.Name())
		if err != nil {
			return err
		}
		filled := strings.NewReplacer(
			"%{CLUSTER_DOMAIN}%", p.Cluster.ClusterDomain,
			"%{CLUSTER_DNS}%", p.Cluster.ClusterDNS,
			"%{COREDNS_IMAGE}%", "lab.local/coredns:"+version.CoreDNS,
		).Replace(string(text))
		journal.Infof("Writing manifest: %s", path)
		if err := os.WriteFile(path, []byte(filled), 0o600); err != nil {
			return err
		}
	}
	return nil
}

// Deployer applies the folder's files: each when it is new or changed, again when it failed.
type deployer struct {
	plan    *Plan
	group   *process.Group
	applied map[string][sha256.Size]byte
}

func (p *Plan) deploy(group *process.Group) {
	worker := deployer{plan: p, group: group, applied: map[string][sha256.Size]byte{}}
	worker.removeDisabled()
	ticker := time.NewTicker(deployEvery)
	defer ticker.Stop()
	for {
		worker.round()
		select {
		case <-group.Context().Done():
			return
		case <-ticker.C:
		}
	}
}

func (d *deployer) round() {
	root := d.plan.Data.Server("manifests")
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() || !manifest(path) {
			return err
		}
		if _, err := os.Stat(path + ".skip"); err == nil {
			return nil
		}
		text, err := os.ReadFile(path)
		if errors.Is(err, os.ErrNotExist) {
			return nil
		}
		if err != nil {
			return err
		}
		sum := sha256.Sum256(text)
		if d.applied[path] == sum {
			return nil
		}
		if err := d.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=deploy@"+d.plan.Node, "-f", path); err != nil {
			journal.Errorf("Failed to process config: failed to process %s: %v", path, err)
			return nil
		}
		d.applied[path] = sum
		return nil
	})
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		journal.Errorf("Failed to process config: %v", err)
	}
}

// A component that was deployed earlier and is disabled now goes, with its file.
func (d *deployer) removeDisabled() {
	for _, name := range d.plan.Settings.List("disable") {
		path := d.plan.Data.Server("manifests", filepath.Base(name)+".yaml")
		if _, err := os.Stat(path); err != nil {
			continue
		}
		if err := d.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", path); err != nil {
			journal.Errorf("Failed to remove disabled component %s: %v", name, err)
			continue
		}
		if err := os.Remove(path); err != nil {
			journal.Errorf("Failed to remove %s: %v", path, err)
		}
	}
}

func (d *deployer) kubectl(arguments ...string) error {
	ctx, cancel := context.WithTimeout(d.group.Context(), time.Minute)
	defer cancel()
	kubeconfig := "--kubeconfig=" + d.plan.Data.Server("cred", "supervisor.kubeconfig")
	_, err := d.group.Run(ctx, nil, "kubectl", append([]string{kubeconfig}, arguments...)...)
	return err
}

func manifest(path string) bool {
	ending := strings.ToLower(filepath.Ext(path))
	return ending == ".yaml" || ending == ".yml" || ending == ".json"
}
