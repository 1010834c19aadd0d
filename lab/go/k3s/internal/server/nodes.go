package server

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"homelab.invalid/lab/k3s/internal/api"
	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/nodepassword"
)

// Nodes watches the cluster's nodes: a deleted one's password is forgotten, CoreDNS learns each one's
// name, and this server's own node gets its roles.
type nodes struct {
	plan   *Plan
	client *api.Client
	hosts  map[string]string
}

func (p *Plan) watchNodes(ctx context.Context, client *api.Client) {
	watcher := nodes{plan: p, client: client, hosts: map[string]string{}}
	for ctx.Err() == nil {
		err := client.WatchNodes(ctx, func(all []api.Node) { watcher.listed(ctx, all) }, func(event api.Event) { watcher.changed(ctx, event) })
		if err != nil && ctx.Err() == nil {
			journal.Warnf("Watch of nodes ended: %v", err)
			select {
			case <-ctx.Done():
			case <-time.After(2 * time.Second):
			}
		}
	}
}

func (n *nodes) listed(ctx context.Context, all []api.Node) {
	present := map[string]bool{}
	for _, node := range all {
		present[node.Metadata.Name] = true
		n.seen(ctx, node)
	}
	for name := range n.hosts {
		if !present[name] {
			n.gone(ctx, name)
		}
	}
	n.publish(ctx)
}

func (n *nodes) changed(ctx context.Context, event api.Event) {
	switch event.Type {
	case "ADDED", "MODIFIED":
		if !n.seen(ctx, event.Object) {
			return
		}
	case "DELETED":
		n.gone(ctx, event.Object.Metadata.Name)
	default:
		return
	}
	n.publish(ctx)
}

// Tells whether anything that is published changed.
func (n *nodes) seen(ctx context.Context, node api.Node) bool {
	name := node.Metadata.Name
	if name == n.plan.Node {
		n.roles(ctx, node)
	}
	address := node.Address("InternalIP")
	before, known := n.hosts[name]
	n.hosts[name] = address
	return !known || before != address
}

func (n *nodes) gone(ctx context.Context, name string) {
	delete(n.hosts, name)
	if err := nodepassword.Forget(ctx, n.client, name); err != nil {
		journal.Errorf("Failed to remove node-password secret of %s: %v", name, err)
	}
}

func (n *nodes) roles(ctx context.Context, node api.Node) {
	wanted := map[string]any{"node-role.kubernetes.io/control-plane": "true"}
	if n.plan.Etcd {
		wanted["node-role.kubernetes.io/etcd"] = "true"
	}
	missing := map[string]any{}
	for key, value := range wanted {
		if node.Metadata.Labels[key] != value {
			missing[key] = value
		}
	}
	if len(missing) == 0 {
		return
	}
	err := n.client.Merge(ctx, "/api/v1/nodes/"+node.Metadata.Name, api.Object{"metadata": api.Object{"labels": missing}})
	if err != nil {
		journal.Errorf("Unable to set control-plane role label: %v", err)
		return
	}
	journal.Infof("Labels and annotations have been set successfully on node: %s", node.Metadata.Name)
}

func (n *nodes) publish(ctx context.Context) {
	if slices.Contains(n.plan.Settings.List("disable"), "coredns") {
		return
	}
	path := "/api/v1/namespaces/kube-system/configmaps/coredns"
	err := n.client.Merge(ctx, path, api.Object{"data": api.Object{"NodeHosts": hostsFile(n.hosts)}})
	// The map comes with the manifest; the next change, or the next list, finds it.
	if err != nil && !api.NotFound(err) {
		journal.Errorf("Failed to update CoreDNS NodeHosts: %v", err)
	}
}

func hostsFile(hosts map[string]string) string {
	var text strings.Builder
	for _, name := range slices.Sorted(maps.Keys(hosts)) {
		if hosts[name] != "" {
			fmt.Fprintf(&text, "%s %s\n", hosts[name], name)
		}
	}
	return text.String()
}
