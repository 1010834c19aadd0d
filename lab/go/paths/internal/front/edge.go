// Package front is the lab's edge: what Cloudflare's does as far as a visitor, a connector and the API see it.
package front

import (
	"bytes"
	"context"
	"encoding/json"
	"log/slog"
	"sync"
	"sync/atomic"
	"time"

	"homelab.invalid/lab/paths/internal/authority"
	"homelab.invalid/lab/paths/internal/routes"
)

// Location is the name of the edge's only place.
const Location = "LAB"

// How often the configuration is read.
const pollEvery = time.Second

// Edge is the whole of it.
type Edge struct {
	Source    routes.Source
	Authority *authority.Authority
	Log       *slog.Logger

	known    atomic.Pointer[routes.Snapshot]
	lock     sync.Mutex
	open     []*connection
	reported map[string][]byte
}

func (e *Edge) snapshot() routes.Snapshot {
	if known := e.known.Load(); known != nil {
		return *known
	}
	return routes.Snapshot{}
}

// Follow reads the configuration again and again, and hands on what changed. What can't be read stays as it
// was: Cloudflare's edge does not depend on its API either.
func (e *Edge) Follow(ctx context.Context) {
	ticker := time.NewTicker(pollEvery)
	defer ticker.Stop()
	var complaint string
	for {
		switch read, err := e.Source.Read(ctx); {
		case err == nil:
			e.known.Store(&read)
			complaint = ""
		case err.Error() != complaint:
			complaint = err.Error()
			e.Log.Warn("the configuration can't be read; it stays as it was", "error", complaint)
		}
		e.apply(ctx)
		e.report(ctx)
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Tells connectors what is new, and closes those of a tunnel that is gone or has another secret.
func (e *Edge) apply(ctx context.Context) {
	known := e.snapshot()
	for _, one := range e.all() {
		told, there := known.Tunnels[one.tunnel]
		if !there || !bytes.Equal(told.Secret, one.secret) {
			one.gone.Close()
			continue
		}
		if err := e.tell(ctx, one); err != nil {
			e.Log.Warn("a connector did not take its configuration", "tunnel", one.tunnel, "error", err.Error())
		}
	}
}

// Says which connections each tunnel has, where that changed.
func (e *Edge) report(ctx context.Context) {
	now := map[string][]routes.Connection{}
	for name := range e.snapshot().Tunnels {
		now[name] = []routes.Connection{}
	}
	for _, one := range e.all() {
		if _, there := now[one.tunnel]; there {
			about := one.about
			about.ConfigVersion = max(one.version, 0)
			now[one.tunnel] = append(now[one.tunnel], about)
		}
	}
	if e.reported == nil {
		e.reported = map[string][]byte{}
	}
	for name, connections := range now {
		text, err := json.Marshal(connections)
		if err != nil {
			panic(err) // plain strings and times
		}
		if before, told := e.reported[name]; told && bytes.Equal(before, text) {
			continue
		}
		if err := e.Source.Report(ctx, name, connections); err != nil {
			e.Log.Warn("connections were not reported", "tunnel", name, "error", err.Error())
			continue
		}
		e.reported[name] = text
	}
}

func once(do func()) func() {
	var first sync.Once
	return func() { first.Do(do) }
}
