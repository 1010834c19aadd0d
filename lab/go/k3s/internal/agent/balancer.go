package agent

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"slices"
	"sync"
	"time"

	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/place"
)

// BalancerAddress is where an agent's own parts find a server, whichever is up.
const BalancerAddress = "127.0.0.1:6444"

const dialPatience = 5 * time.Second

// Balancer hands connections to the first server that takes them. Its list outlives a restart.
type balancer struct {
	file string
	lock sync.Mutex
	list balancerFile
}

type balancerFile struct {
	ServerURL       string   `json:"ServerURL"`
	ServerAddresses []string `json:"ServerAddresses"`
}

func newBalancer(data place.Data, server string) (*balancer, error) {
	target, err := url.Parse(server)
	if err != nil || target.Host == "" {
		return nil, fmt.Errorf("server %q is no URL", server)
	}
	if target.Scheme != "https" {
		return nil, errors.New("only https:// URLs are supported, invalid scheme: " + server)
	}
	host := target.Host
	if target.Port() == "" {
		host = net.JoinHostPort(target.Hostname(), "443")
	}
	made := &balancer{file: data.Agent("etc", "k3s-agent-load-balancer.json")}
	if text, err := os.ReadFile(made.file); err == nil {
		// A damaged list is no reason not to start: the given server stands first anyway.
		_ = json.Unmarshal(text, &made.list)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	if made.list.ServerURL != server {
		made.list = balancerFile{ServerURL: server}
	}
	if !slices.Contains(made.list.ServerAddresses, host) {
		made.list.ServerAddresses = append([]string{host}, made.list.ServerAddresses...)
	}
	return made, made.save()
}

// Learn takes the addresses that the cluster names; the given server stays as the last resort.
func (b *balancer) learn(addresses []string) error {
	if len(addresses) == 0 {
		return nil
	}
	b.lock.Lock()
	defer b.lock.Unlock()
	if target, err := url.Parse(b.list.ServerURL); err == nil && !slices.Contains(addresses, target.Host) {
		addresses = append(addresses, target.Host)
	}
	if slices.Equal(addresses, b.list.ServerAddresses) {
		return nil
	}
	journal.Infof("Updated load balancer k3s-agent-load-balancer server addresses -> %v", addresses)
	b.list.ServerAddresses = addresses
	return b.save()
}

func (b *balancer) save() error {
	text, err := json.MarshalIndent(b.list, "", "  ")
	if err != nil {
		return err
	}
	return writeFile(b.file, text, 0o600)
}

func (b *balancer) serve(ctx context.Context, address string) error {
	var config net.ListenConfig
	listener, err := config.Listen(ctx, "tcp", address)
	if err != nil {
		return err
	}
	journal.Infof("Running load balancer k3s-agent-load-balancer %s -> %v", listener.Addr(), b.list.ServerAddresses)
	go func() {
		<-ctx.Done()
		_ = listener.Close()
	}()
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			go b.forward(ctx, connection)
		}
	}()
	return nil
}

func (b *balancer) forward(ctx context.Context, client net.Conn) {
	defer client.Close()
	b.lock.Lock()
	servers := slices.Clone(b.list.ServerAddresses)
	b.lock.Unlock()
	dialer := net.Dialer{Timeout: dialPatience, KeepAlive: 15 * time.Second}
	for _, address := range servers {
		server, err := dialer.DialContext(ctx, "tcp", address)
		if err != nil {
			continue
		}
		pipe(client, server)
		return
	}
}

// Either side's end ends both: half a connection is of no use to TLS.
func pipe(client, server net.Conn) {
	done := make(chan struct{}, 2)
	move := func(to, from net.Conn) {
		_, _ = io.Copy(to, from)
		done <- struct{}{}
	}
	go move(server, client)
	go move(client, server)
	<-done
	_ = server.Close()
	_ = client.Close()
	<-done
}
