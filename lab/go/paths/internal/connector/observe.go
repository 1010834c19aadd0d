package connector

import (
	"encoding/json"
	"fmt"
	"net/http"
)

// Observe answers probes and Prometheus, by the real one's paths.
func (c *Connector) Observe() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /ready", func(writer http.ResponseWriter, _ *http.Request) {
		status := http.StatusOK
		if c.Ready() == 0 {
			status = http.StatusServiceUnavailable
		}
		text, _ := json.Marshal(map[string]any{"status": status, "readyConnections": c.Ready(), "connectorId": c.Name})
		writer.Header().Set("Content-Type", "application/json")
		writer.WriteHeader(status)
		fmt.Fprintf(writer, "%s\n", text)
	})
	mux.HandleFunc("GET /healthcheck", func(writer http.ResponseWriter, _ *http.Request) { fmt.Fprintln(writer, "OK") })
	mux.HandleFunc("GET /metrics", func(writer http.ResponseWriter, _ *http.Request) {
		writer.Header().Set("Content-Type", "text/plain; version=0.0.4")
		for _, one := range []struct {
			name, kind string
			value      int64
		}{
			{"cloudflared_tunnel_ha_connections", "gauge", int64(c.Ready())},
			{"cloudflared_tunnel_total_requests", "counter", c.proxy.requests.Load()},
			{"cloudflared_tunnel_request_errors", "counter", c.proxy.failures.Load()},
		} {
			fmt.Fprintf(writer, "# TYPE %s %s\n%s %d\n", one.name, one.kind, one.name, one.value)
		}
		fmt.Fprintf(writer, "# TYPE build_info gauge\nbuild_info{version=%q} 1\n", c.Version)
	})
	return mux
}
