package server

import (
	"context"
	_ "embed"
	"os"
	"time"

	"homelab.invalid/lab/k3s/internal/api"
	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/process"
)

// The kinds of k3s's Helm controller. This stand-in for it knows one chart, Traefik's, and renders what its
// values come to without Helm.
//
//go:embed charts/kinds.yaml
var helmKinds []byte

const (
	helmEvery = 3 * time.Second
	helmPath  = "/apis/helm.cattle.io/v1/namespaces/kube-system/"
)

type helmObject struct {
	Spec struct {
		Values string `json:"valuesContent"`
	} `json:"spec"`
}

// Registers the kinds, then deploys the manifests' folder, in which k3s's own HelmCharts are.
func (p *Plan) deployCharts(group *process.Group, client *api.Client) {
	worker := deployer{plan: p, group: group}
	for worker.applyText("kinds.yaml", helmKinds) != nil {
		select {
		case <-group.Context().Done():
			return
		case <-time.After(helmEvery):
		}
	}
	go worker.followTraefik(client)
	p.deploy(group)
}

// Puts a text into a file of k3s's own and applies that.
func (d *deployer) applyText(name string, text []byte) error {
	folder := d.plan.Data.Server("helm")
	path := d.plan.Data.Server("helm", name)
	err := os.MkdirAll(folder, 0o700)
	if err == nil {
		err = os.WriteFile(path, text, 0o600)
	}
	if err == nil {
		err = d.kubectl("apply", "--server-side", "--force-conflicts", "--field-manager=helm", "-f", path)
	}
	if err != nil {
		journal.Errorf("Failed to apply %s: %v", path, err)
	}
	return err
}

// Makes Traefik what HelmChart and HelmChartConfig say, whenever one of them changes; takes it away when its
// HelmChart is gone.
func (d *deployer) followTraefik(client *api.Client) {
	ticker := time.NewTicker(helmEvery)
	defer ticker.Stop()
	applied, complaint := "", ""
	for {
		wanted, err := wantedTraefik(d.group.Context(), client)
		switch {
		case err != nil && err.Error() != complaint:
			complaint = err.Error()
			journal.Errorf("Failed to render chart kube-system/traefik: %v", err)
		case err != nil:
		case wanted == "" && exists(d.plan.Data.Server("helm", "traefik.yaml")):
			d.removeTraefik()
			applied = ""
		case wanted != applied && d.applyText("traefik.yaml", []byte(wanted)) == nil:
			applied, complaint = wanted, ""
			journal.Infof("Chart kube-system/traefik is as its values say")
		}
		select {
		case <-d.group.Context().Done():
			return
		case <-ticker.C:
		}
	}
}

func (d *deployer) removeTraefik() {
	path := d.plan.Data.Server("helm", "traefik.yaml")
	if err := d.kubectl("delete", "--ignore-not-found", "--wait=false", "-f", path); err != nil {
		journal.Errorf("Failed to uninstall chart kube-system/traefik: %v", err)
		return
	}
	if err := os.Remove(path); err != nil {
		journal.Errorf("Failed to remove %s: %v", path, err)
	}
}

// What is to be applied; nothing where there is no HelmChart.
func wantedTraefik(ctx context.Context, client *api.Client) (string, error) {
	var chart, config helmObject
	if err := client.Get(ctx, helmPath+"helmcharts/traefik", &chart); err != nil {
		if api.NotFound(err) {
			return "", nil
		}
		return "", err
	}
	if err := client.Get(ctx, helmPath+"helmchartconfigs/traefik", &config); err != nil && !api.NotFound(err) {
		return "", err
	}
	values, err := readTraefikValues(chart.Spec.Values, config.Spec.Values)
	if err != nil {
		return "", err
	}
	return values.manifest()
}
