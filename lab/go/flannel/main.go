// Command flannel is Flannel's library as k3s drives it: the subnet comes from the Node object, the
// backend is VXLAN or host-gw, and the CNI configuration is written once the lease is known.
//
// Flannel's own main links a cloud vendor's library and knows nothing of CNI configuration.
package main

import (
	"context"
	"flag"
	"fmt"
	"os/signal"
	"sync"
	"syscall"

	"github.com/flannel-io/flannel/pkg/backend"
	_ "github.com/flannel-io/flannel/pkg/backend/hostgw"
	_ "github.com/flannel-io/flannel/pkg/backend/vxlan"
	"github.com/flannel-io/flannel/pkg/ipmatch"
	"github.com/flannel-io/flannel/pkg/subnet/kube"
	"github.com/flannel-io/flannel/pkg/trafficmngr/iptables"
	"k8s.io/klog/v2"
)

const (
	annotationPrefix = "flannel.alpha.coreos.com"
	// Seconds between two looks at whether somebody removed our firewall rules.
	resync = 5
)

type options struct {
	iface, address, kubeconfig, network, subnetFile, cniFile string
}

func main() {
	var given options
	klog.InitFlags(nil)
	flag.StringVar(&given.iface, "iface", "", "interface for traffic between nodes; the default route's when empty")
	flag.StringVar(&given.address, "public-ip", "", "address that other nodes reach this one by")
	flag.StringVar(&given.kubeconfig, "kubeconfig", "", "kubeconfig that may list nodes and patch their status")
	flag.StringVar(&given.network, "network", "", "Flannel's net-conf.json")
	flag.StringVar(&given.subnetFile, "subnet-file", "/run/flannel/subnet.env", "where the lease is written to")
	flag.StringVar(&given.cniFile, "cni-file", "", "where the CNI configuration is written to")
	flag.Parse()
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer cancel()
	if err := run(ctx, given); err != nil {
		klog.Exit(err)
	}
}

// The order of calls is Flannel's own.
func run(ctx context.Context, given options) error {
	var running sync.WaitGroup
	manager, err := kube.NewSubnetManager(ctx, "", given.kubeconfig, annotationPrefix, given.network, true)
	if err != nil {
		return fmt.Errorf("subnet manager: %w", err)
	}
	network, err := manager.GetNetworkConfig(ctx)
	if err != nil {
		return fmt.Errorf("%s: %w", given.network, err)
	}
	family, err := ipmatch.GetIPFamily(network.EnableIPv4, network.EnableIPv6)
	if err != nil {
		return err
	}
	external, err := ipmatch.LookupExtIface(given.iface, "", "", family, ipmatch.PublicIPOpts{PublicIP: given.address})
	if err != nil {
		return fmt.Errorf("interface %q: %w", given.iface, err)
	}
	chosen, err := backend.NewManager(ctx, manager, external).GetBackend(network.BackendType)
	if err != nil {
		return fmt.Errorf("backend %s: %w", network.BackendType, err)
	}
	overlay, err := chosen.RegisterNetwork(ctx, &running, network)
	if err != nil {
		return fmt.Errorf("register network: %w", err)
	}
	lease := overlay.Lease()
	firewall := &iptables.IPTablesManager{}
	if err := firewall.Init(ctx); err != nil {
		return fmt.Errorf("iptables: %w", err)
	}
	if err := firewall.SetupAndEnsureMasqRules(ctx, network.Network, lease.Subnet, network.Network,
		network.IPv6Network, lease.IPv6Subnet, network.IPv6Network, lease, resync, false); err != nil {
		return fmt.Errorf("masquerading: %w", err)
	}
	firewall.SetupAndEnsureForwardRules(ctx, network.Network, network.IPv6Network, resync)
	if err := manager.HandleSubnetFile(given.subnetFile, network, true, lease.Subnet, lease.IPv6Subnet, overlay.MTU()); err != nil {
		return fmt.Errorf("%s: %w", given.subnetFile, err)
	}
	if given.cniFile != "" {
		if err := writeCNI(given.cniFile, lease.Subnet.String(), network.Network.String(), overlay.MTU()); err != nil {
			return err
		}
	}
	klog.Infof("flannel is up: subnet %s, mtu %d, interface %s", lease.Subnet, overlay.MTU(), external.Iface.Name)
	running.Go(func() { overlay.Run(ctx) })
	if err := manager.CompleteLease(ctx, lease, &running); err != nil {
		return fmt.Errorf("complete the lease: %w", err)
	}
	running.Wait()
	return nil
}
