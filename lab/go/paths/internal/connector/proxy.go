package connector

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/http/httputil"
	"sync"
	"sync/atomic"

	"homelab.invalid/lab/paths/internal/ingress"
	"homelab.invalid/lab/paths/internal/tunnel"
)

// What the edge said about how a request came, and the origin is to hear: a reverse proxy would drop it.
var forwarded = []string{"Forwarded", "X-Forwarded-For", "X-Forwarded-Host", "X-Forwarded-Proto"}

// Answers the edge: by the rules that it pushed, or with what it pushes.
type proxy struct {
	log      *slog.Logger
	reverse  *httputil.ReverseProxy
	table    atomic.Pointer[ingress.Table]
	lock     sync.Mutex
	version  int
	requests atomic.Int64
	failures atomic.Int64
}

func (p *proxy) prepare(log *slog.Logger) {
	p.log, p.version = log, -1
	p.table.Store(ingress.Nothing())
	p.reverse = &httputil.ReverseProxy{Rewrite: rewrite, ErrorHandler: p.fail, ErrorLog: slog.NewLogLogger(log.Handler(), slog.LevelWarn)}
}

type targetKey struct{}

func (p *proxy) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	if request.Header.Get(tunnel.Upgrade) == tunnel.UpdateConfiguration {
		p.update(writer, request)
		return
	}
	p.requests.Add(1)
	target := p.table.Load().Find(hostname(request.Host), request.URL.Path)
	if target.Status != 0 {
		writer.Header().Set(tunnel.ResponseMeta, `{"src":"cloudflared"}`)
		writer.WriteHeader(target.Status)
		return
	}
	p.reverse.ServeHTTP(writer, request.WithContext(withTarget(request.Context(), target)))
}

// A name without its port.
func hostname(host string) string {
	if name, _, err := net.SplitHostPort(host); err == nil {
		return name
	}
	return host
}

func rewrite(request *httputil.ProxyRequest) {
	target := targetOf(request.In.Context())
	request.SetURL(target.URL)
	request.Out.Host = request.In.Host
	if target.HostHeader != "" {
		request.Out.Host = target.HostHeader
	}
	for _, name := range forwarded {
		if values := request.In.Header.Values(name); len(values) > 0 {
			request.Out.Header[name] = values
		}
	}
}

func (p *proxy) fail(writer http.ResponseWriter, request *http.Request, err error) {
	p.failures.Add(1)
	p.log.Error("Unable to reach the origin service. The service may be down or it may not be responding to traffic from cloudflared",
		"host", request.Host, "error", err.Error())
	writer.Header().Set(tunnel.ResponseMeta, `{"src":"cloudflared"}`)
	writer.WriteHeader(http.StatusBadGateway)
}

// All four connections get each configuration; the first one that has it counts.
func (p *proxy) update(writer http.ResponseWriter, request *http.Request) {
	var given tunnel.Update
	answer := tunnel.Updated{}
	err := json.NewDecoder(http.MaxBytesReader(writer, request.Body, 1<<20)).Decode(&given)
	p.lock.Lock()
	defer p.lock.Unlock()
	if err == nil && given.Version > p.version {
		var table *ingress.Table
		if table, err = ingress.Parse(given.Configuration); err == nil {
			p.table.Store(table)
			p.version = given.Version
			p.log.Info("Updated to new configuration", "version", given.Version, "rules", len(given.Configuration.Ingress))
		}
	}
	if err != nil {
		answer.Error = err.Error()
		p.log.Error("a pushed configuration was not taken", "version", given.Version, "error", answer.Error)
	}
	answer.LastApplied = p.version
	writer.Header().Set("Content-Type", "application/json")
	if err := json.NewEncoder(writer).Encode(answer); err != nil {
		p.log.Warn("the edge went away", "error", fmt.Sprint(err))
	}
}
