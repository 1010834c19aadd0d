// Package routes is what the edge knows of Cloudflare's configuration: which public names lead into which
// tunnel, and what each tunnel was told.
package routes

import (
	"context"
	"strings"
	"time"

	"homelab.invalid/lab/paths/internal/ingress"
)

// Suffix is what a tunnel's id is followed by in the CNAME record that leads into it.
const Suffix = ".cfargotunnel.com"

// Snapshot is all of it at one moment.
type Snapshot struct {
	// Zones are the domains that the edge answers for.
	Zones []string `json:"zones"`
	// Names are public names and the tunnels they lead into, by proxied CNAME records.
	Names map[string]string `json:"names"`
	// Tunnels by their id.
	Tunnels map[string]Tunnel `json:"tunnels"`
}

// Tunnel is one tunnel that was not deleted.
type Tunnel struct {
	Account       string                `json:"account"`
	Secret        []byte                `json:"secret"`
	Version       int                   `json:"version"`
	Configuration ingress.Configuration `json:"config"`
}

// Connection is one open connection, by the names that Cloudflare's API has for it.
type Connection struct {
	ID            string    `json:"id"`
	UUID          string    `json:"uuid"`
	ClientID      string    `json:"client_id"`
	ClientVersion string    `json:"client_version"`
	Colo          string    `json:"colo_name"`
	Opened        time.Time `json:"opened_at"`
	OriginIP      string    `json:"origin_ip"`
	Pending       bool      `json:"is_pending_reconnect"`
	ConfigVersion int       `json:"config_version"`
}

// Source is where the configuration is kept.
type Source interface {
	Read(context.Context) (Snapshot, error)
	// Report says which connections a tunnel has: Cloudflare's API shows them.
	Report(ctx context.Context, tunnel string, connections []Connection) error
}

// Serves tells whether a name is in a zone of the edge's.
func (s Snapshot) Serves(name string) bool {
	for _, zone := range s.Zones {
		if name == zone || strings.HasSuffix(name, "."+zone) {
			return true
		}
	}
	return false
}

// Tunnel that a name leads into: its own record's, else that of the nearest wildcard's.
func (s Snapshot) Tunnel(name string) (string, bool) {
	if tunnel, found := s.Names[name]; found {
		return tunnel, true
	}
	for rest := name; ; {
		_, after, found := strings.Cut(rest, ".")
		if !found {
			return "", false
		}
		if tunnel, found := s.Names["*."+after]; found {
			return tunnel, true
		}
		rest = after
	}
}
