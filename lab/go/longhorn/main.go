// The lab's stand-in for Longhorn: volumes that are folders on two nodes, shown in Longhorn's own objects.
// It is not Longhorn; README.md of the folder above says where it differs.
package main

import (
	"context"
	"errors"
	"fmt"
	"log"
	"os"
	"os/signal"
	"syscall"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/tools/leaderelection"
	"k8s.io/client-go/tools/leaderelection/resourcelock"

	"homelab.invalid/lab/longhorn/internal/api"
	"homelab.invalid/lab/longhorn/internal/control"
	"homelab.invalid/lab/longhorn/internal/csi"
	"homelab.invalid/lab/longhorn/internal/hooks"
	"homelab.invalid/lab/longhorn/internal/node"
	"homelab.invalid/lab/longhorn/internal/peer"
	"homelab.invalid/lab/longhorn/internal/ui"
)

func main() {
	log.SetFlags(log.LUTC | log.Ldate | log.Ltime)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	if err := run(ctx, os.Args[1:]); err != nil && !(errors.Is(err, context.Canceled) && ctx.Err() != nil) {
		log.Fatal(err)
	}
}

func run(ctx context.Context, arguments []string) error {
	roles := map[string]func(context.Context, *api.Client) error{
		"manager":     manage,
		"ui":          func(ctx context.Context, client *api.Client) error { return ui.Serve(ctx, client, ":8000") },
		"uninstall":   hooks.Uninstall,
		"pre-upgrade": hooks.Upgradable,
	}
	if len(arguments) != 1 || roles[arguments[0]] == nil {
		return errors.New("a stand-in for Longhorn: one of manager, ui, uninstall, pre-upgrade is wanted")
	}
	client, err := api.InCluster()
	if err != nil {
		return err
	}
	return roles[arguments[0]](ctx, client)
}

// manage is a node's manager, and every node's leader while it holds the lease.
func manage(ctx context.Context, client *api.Client) error {
	name, kubelet := os.Getenv("NODE_NAME"), os.Getenv("KUBELET_ROOT_DIR")
	if name == "" || kubelet == "" {
		return errors.New("NODE_NAME and KUBELET_ROOT_DIR must be set: the chart sets them")
	}
	token, err := peer.Token(ctx, client)
	if err != nil {
		return fmt.Errorf("the managers' token: %w", err)
	}
	log.Printf("a stand-in for Longhorn %s, on node %s", api.Version, name)
	// Any part that ends ends the process: kubelet starts it anew.
	ctx, cancel := context.WithCancelCause(ctx)
	manager := node.New(client, name, token)
	go func() { cancel(fmt.Errorf("answering the other managers: %w", peer.Serve(ctx, token, manager))) }()
	go func() { cancel(fmt.Errorf("answering kubelet: %w", csi.Serve(ctx, kubelet, name, manager))) }()
	go func() { cancel(lead(ctx, client, name)) }()
	manager.Run(ctx)
	return context.Cause(ctx)
}

func lead(ctx context.Context, client *api.Client, name string) error {
	lock := &resourcelock.LeaseLock{
		LeaseMeta:  metav1.ObjectMeta{Namespace: api.Namespace, Name: "longhorn-manager-stand-in"},
		Client:     client.Kube.CoordinationV1(),
		LockConfig: resourcelock.ResourceLockConfig{Identity: name},
	}
	leaderelection.RunOrDie(ctx, leaderelection.LeaderElectionConfig{
		Lock: lock, LeaseDuration: 15 * time.Second, RenewDeadline: 10 * time.Second, RetryPeriod: 2 * time.Second,
		ReleaseOnCancel: true,
		Callbacks: leaderelection.LeaderCallbacks{
			OnStartedLeading: func(ctx context.Context) {
				log.Printf("node %s leads", name)
				control.New(client).Run(ctx)
			},
			OnStoppedLeading: func() { log.Printf("node %s does not lead", name) },
		},
	})
	return errors.New("the lease was lost")
}
