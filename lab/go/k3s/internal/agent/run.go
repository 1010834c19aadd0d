package agent

import (
	"context"
	"crypto/sha256"
	"encoding/base32"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"time"

	"homelab.invalid/lab/k3s/internal/api"
	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/process"
	"homelab.invalid/lab/k3s/internal/supervisor"
)

// Start joins the cluster and starts the node's parts; it comes back when they run.
func (p *Plan) Start(group *process.Group) error {
	if iface := p.Settings.Text("flannel-iface", ""); iface != "" {
		if _, err := addressOf(iface); err != nil {
			return err
		}
	}
	var servers *balancer
	if !p.OnServer {
		var err error
		if servers, err = p.startBalancer(group.Context()); err != nil {
			return err
		}
	}
	cluster, err := p.fetch(group.Context())
	if err != nil {
		return err
	}
	if servers != nil {
		go p.follow(group.Context(), servers)
	}
	if err := p.kubeconfigs(); err != nil {
		return err
	}
	if err := allowForwarding(); err != nil {
		return err
	}
	if err := p.startContainerd(group); err != nil {
		return err
	}
	if err := p.loadImages(group); err != nil {
		return err
	}
	if err := p.startKubelet(group, cluster); err != nil {
		return err
	}
	go p.annotate(group.Context())
	if !cluster.NoKubeProxy {
		if err := p.startProxy(group, cluster); err != nil {
			return err
		}
	}
	return p.startFlannel(group, cluster)
}

// A router between pods and the world: kube-proxy and Flannel take it for granted.
func allowForwarding() error {
	path := "/proc/sys/net/ipv4/ip_forward"
	if text, err := os.ReadFile(path); err == nil && strings.TrimSpace(string(text)) == "1" {
		return nil
	}
	return os.WriteFile(path, []byte("1"), 0o644)
}

// From here on every word to a server goes through the balancer, the first one too: the server that the
// agent was told may be the one that is down.
func (p *Plan) startBalancer(ctx context.Context) (*balancer, error) {
	made, err := newBalancer(p.Data, p.Server)
	if err != nil {
		return nil, err
	}
	if err := made.serve(ctx, BalancerAddress); err != nil {
		return nil, err
	}
	p.Server = "https://" + BalancerAddress
	return made, nil
}

// Servers come and go: the list is asked for again now and then.
func (p *Plan) follow(ctx context.Context, servers *balancer) {
	for {
		access, err := supervisor.Dial(ctx, p.Server, p.Token)
		if err == nil {
			var text []byte
			if text, err = access.Get(ctx, "/v1-k3s/apiservers"); err == nil {
				var addresses []string
				if err = json.Unmarshal(text, &addresses); err == nil {
					err = servers.learn(addresses)
				}
			}
		}
		if err != nil && ctx.Err() == nil {
			journal.Infof("Failed to retrieve list of apiservers from server: %v", err)
		}
		select {
		case <-ctx.Done():
			return
		case <-time.After(30 * time.Second):
		}
	}
}

// What k3s notes on its node: where it is, and what it was started with, secrets masked.
func (p *Plan) annotate(ctx context.Context) {
	client, err := api.New(p.apiURL(), p.Data.Agent("server-ca.crt"), p.Data.Agent("client-kubelet.crt"), p.Data.Agent("client-kubelet.key"))
	if err != nil {
		journal.Errorf("Failed to annotate node: %v", err)
		return
	}
	arguments, hash := p.nodeArguments()
	patch := api.Object{"metadata": api.Object{"annotations": api.Object{
		"k3s.io/hostname":         p.Node,
		"k3s.io/internal-ip":      p.NodeIP,
		"k3s.io/node-args":        arguments,
		"k3s.io/node-config-hash": hash,
		"k3s.io/node-env":         "{}",
	}}}
	for ctx.Err() == nil {
		err := client.Merge(ctx, "/api/v1/nodes/"+p.Node, patch)
		if err == nil {
			journal.Infof("Annotations and labels have been set successfully on node: %s", p.Node)
			return
		}
		time.Sleep(time.Second)
	}
}

var secretFlags = []string{"token", "agent-token", "etcd-s3-access-key", "etcd-s3-secret-key", "t", "vpn-auth"}

func (p *Plan) nodeArguments() (arguments, hash string) {
	command := "agent"
	if p.OnServer {
		command = "server"
	}
	shown := []string{command}
	masked := false
	for _, argument := range p.Settings.Given {
		if masked {
			shown, masked = append(shown, "********"), false
			continue
		}
		name, value, given := strings.Cut(argument, "=")
		shown = append(shown, name)
		secret := slices.Contains(secretFlags, strings.TrimLeft(name, "-"))
		switch {
		case given && secret:
			shown = append(shown, "********")
		case given:
			shown = append(shown, value)
		default:
			masked = secret
		}
	}
	text, err := json.Marshal(shown)
	if err != nil {
		return "[]", ""
	}
	sum := sha256.Sum256(text)
	return string(text), base32.StdEncoding.EncodeToString(sum[:])
}
