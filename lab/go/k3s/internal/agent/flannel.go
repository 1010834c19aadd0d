package agent

import (
	"context"
	"encoding/json"
	"os"
	"time"

	"homelab.invalid/lab/k3s/internal/api"
	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/process"
	"homelab.invalid/lab/k3s/internal/supervisor"
)

// Flannel takes the node's subnet from its Node object, which the controller manager gives it.
func (p *Plan) startFlannel(group *process.Group, cluster supervisor.Cluster) error {
	if cluster.FlannelBackend == "none" {
		return nil
	}
	type object = map[string]any
	network, err := json.Marshal(object{
		"Network": cluster.ClusterCIDR, "EnableIPv4": true, "EnableIPv6": false,
		"Backend": object{"Type": cluster.FlannelBackend},
	})
	if err != nil {
		return err
	}
	path := p.Data.Agent("etc", "flannel", "net-conf.json")
	if err := writeFile(path, network, 0o644); err != nil {
		return err
	}
	if err := p.waitForSubnet(group.Context()); err != nil {
		return err
	}
	iface, err := p.flannelInterface()
	if err != nil {
		return err
	}
	journal.Infof("Starting flannel with backend %s", cluster.FlannelBackend)
	_, err = group.Start(os.Stderr, []string{"NODE_NAME=" + p.Node}, "flannel",
		"-iface="+iface,
		"-kubeconfig="+p.Data.Agent("k3scontroller.kubeconfig"),
		"-network="+path,
		"-cni-file="+p.cniDirectory()+"/10-flannel.conflist",
	)
	return err
}

// The interface that was named, else the one that has the node's address.
func (p *Plan) flannelInterface() (string, error) {
	if named := p.Settings.Text("flannel-iface", ""); named != "" {
		_, err := addressOf(named)
		return named, err
	}
	return p.NodeIP, nil
}

func (p *Plan) controllerClient() (*api.Client, error) {
	return api.New(p.apiURL(), p.Data.Agent("server-ca.crt"),
		p.Data.Agent("client-k3s-controller.crt"), p.Data.Agent("client-k3s-controller.key"))
}

func (p *Plan) waitForSubnet(ctx context.Context) error {
	client, err := p.controllerClient()
	if err != nil {
		return err
	}
	for round := 0; ; round++ {
		var node api.Node
		err := client.Get(ctx, "/api/v1/nodes/"+p.Node, &node)
		if err == nil && node.Spec.PodCIDR != "" {
			journal.Infof("Flannel found PodCIDR assigned for node %s", p.Node)
			return nil
		}
		if ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if round%20 == 19 {
			journal.Infof("Waiting for node %s to get a PodCIDR: %v", p.Node, err)
		}
		time.Sleep(500 * time.Millisecond)
	}
}
