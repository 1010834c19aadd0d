// Package peers makes a proxy known to the tailnet's other devices. Usually a relay does: each finds the other's
// addresses through it. The lab's relay speaks plain HTTP, which its hosts don't, and a pod is behind its node's
// address: so the proxy has to call first.
package peers

import (
	"context"
	"encoding/json"
	"os/exec"
	"slices"
	"sync"
	"time"
)

const (
	// Shorter than a NAT forgets.
	every = 10 * time.Second
	// How long an answer may take.
	patience = "2s"
)

// Call calls every peer that is online, again and again, until the context ends. One that does not answer is called
// again later: nothing else would help.
func Call(ctx context.Context, socket string) {
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		text, err := exec.CommandContext(ctx, "tailscale", "--socket", socket, "status", "--json").Output()
		if err == nil {
			var all sync.WaitGroup
			for _, address := range online(text) {
				all.Go(func() {
					_ = exec.CommandContext(ctx, "tailscale", "--socket", socket, "ping", "-c", "1", "--timeout", patience, address).Run()
				})
			}
			all.Wait()
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// The first address of each peer that is online, out of `tailscale status --json`.
func online(status []byte) []string {
	var read struct {
		Peer map[string]struct {
			Online    bool
			Addresses []string `json:"TailscaleIPs"`
		}
	}
	if json.Unmarshal(status, &read) != nil {
		return nil
	}
	var found []string
	for _, peer := range read.Peer {
		if peer.Online && len(peer.Addresses) > 0 {
			found = append(found, peer.Addresses[0])
		}
	}
	slices.Sort(found)
	return found
}
