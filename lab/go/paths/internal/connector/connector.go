// Package connector keeps a tunnel open: four connections to the edge, each an HTTP/2 server whose client the
// edge is.
package connector

import (
	"context"
	"crypto/tls"
	"log/slog"
	"net"
	"net/http"
	"sync"
	"sync/atomic"
	"time"

	"golang.org/x/net/http2"

	"homelab.invalid/lab/paths/internal/tunnel"
)

const (
	// Connections is how many the real one keeps, too.
	Connections = 4
	dialFor     = 10 * time.Second
	firstPause  = time.Second
	longPause   = 16 * time.Second
	aliveEvery  = 15 * time.Second
)

// Connector is one cloudflared.
type Connector struct {
	Token tunnel.Token
	// Name tells this process from other connectors of the same tunnel: a UUID.
	Name    string
	Version string
	// Edges are tried in turn: the real one has two regions.
	Edges []string
	Log   *slog.Logger

	proxy proxy
	ready atomic.Int32
}

// Ready is the number of connections that the edge has accepted.
func (c *Connector) Ready() int { return int(c.ready.Load()) }

// Run keeps the connections until the context ends; then requests under way have the grace period to end.
func (c *Connector) Run(ctx context.Context, grace time.Duration) {
	c.proxy.prepare(c.Log)
	base := &http.Server{Handler: &c.proxy}
	server := &http2.Server{ReadIdleTimeout: aliveEvery, PingTimeout: dialFor}
	// With this, ending the one ends the connections of the other in good order.
	if err := http2.ConfigureServer(base, server); err != nil {
		panic(err) // no settings of ours can be wrong
	}
	serving, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var all sync.WaitGroup
	for index := range Connections {
		all.Go(func() { c.keep(ctx, serving, index, base, server) })
	}
	<-ctx.Done()
	c.Log.Info("Initiating graceful shutdown", "grace", grace.String())
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), grace)
	defer cancel()
	_ = base.Shutdown(ending)
	ended := make(chan struct{})
	go func() { all.Wait(); close(ended) }()
	select {
	case <-ended:
	case <-ending.Done():
	}
}

// Opens one connection again whenever it ends.
func (c *Connector) keep(ctx, serving context.Context, index int, base *http.Server, server *http2.Server) {
	pause := firstPause
	for try := index; ctx.Err() == nil; try++ {
		edge := c.Edges[try%len(c.Edges)]
		connection, err := c.open(ctx, index, edge)
		if err != nil {
			c.Log.Error("Unable to establish connection with the edge", "connIndex", index, "edge", edge, "error", err.Error())
			select {
			case <-ctx.Done():
			case <-time.After(pause):
			}
			pause = min(2*pause, longPause)
			continue
		}
		pause = firstPause
		c.ready.Add(1)
		stop := context.AfterFunc(serving, func() { connection.Close() })
		server.ServeConn(connection, &http2.ServeConnOpts{Context: serving, BaseConfig: base})
		stop()
		c.ready.Add(-1)
		c.Log.Info("Lost connection with the edge", "connIndex", index)
	}
}

func (c *Connector) open(ctx context.Context, index int, edge string) (*tls.Conn, error) {
	ctx, cancel := context.WithTimeout(ctx, dialFor)
	defer cancel()
	plain, err := new(net.Dialer).DialContext(ctx, "tcp", edge)
	if err != nil {
		return nil, err
	}
	// The authority is one of this lab alone, which the image can't know: the greeting proves both sides.
	secured := tls.Client(plain, &tls.Config{ServerName: tunnel.ServerName, InsecureSkipVerify: true, MinVersion: tls.VersionTLS13})
	hello := tunnel.Hello{Tunnel: c.Token.Tunnel, Connector: c.Name, Index: index, Version: c.Version}
	welcome, err := tunnel.Greet(ctx, secured, c.Token.Secret, hello)
	if err != nil {
		plain.Close()
		return nil, err
	}
	c.Log.Info("Registered tunnel connection", "connIndex", index, "connection", c.Name, "ip", plain.RemoteAddr().String(),
		"location", welcome.Location, "protocol", "http2")
	return secured, nil
}
