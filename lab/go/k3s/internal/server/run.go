package server

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"homelab.invalid/lab/k3s/internal/api"
	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/process"
	"homelab.invalid/lab/k3s/internal/supervisor"
)

// Prepare makes everything that has to be in files before the first part is started.
func (p *Plan) Prepare(ctx context.Context) (authorities, error) {
	if p.Join != "" && !exists(p.Data.TLS("server-ca.crt")) {
		if err := p.fetchBootstrap(ctx); err != nil {
			return authorities{}, err
		}
	}
	made, err := p.authorities()
	if err != nil {
		return made, err
	}
	if err := p.certificates(made); err != nil {
		return made, err
	}
	if err := p.tokens(made.server); err != nil {
		return made, err
	}
	return made, p.kubeconfigs()
}

// Start brings the control plane up and comes back when the API answers. Readers of port 6443 get the CA
// and a "not ready" long before that, as from k3s.
func (p *Plan) Start(group *process.Group) (*api.Client, error) {
	made, err := p.Prepare(group.Context())
	if err != nil {
		return nil, fmt.Errorf("starting kubernetes: preparing server: %w", err)
	}
	encryption, err := p.encryption()
	if err != nil {
		return nil, err
	}
	var client atomic.Pointer[api.Client]
	if err := p.listen(group, made, &client); err != nil {
		return nil, err
	}
	if err := p.startEtcd(group, false); err != nil {
		return nil, fmt.Errorf("starting kubernetes: preparing server: start managed database: %w", err)
	}
	ready, err := p.startAPIServer(group, encryption)
	if err != nil {
		return nil, err
	}
	client.Store(ready)
	if err := p.startControllers(group, ready); err != nil {
		return nil, err
	}
	if err := p.writeManifests(); err != nil {
		return nil, err
	}
	go p.deployCharts(group, ready)
	go p.watchNodes(group.Context(), ready)
	return ready, nil
}

func (p *Plan) listen(group *process.Group, made authorities, client *atomic.Pointer[api.Client]) error {
	serving, err := tls.LoadX509KeyPair(p.Data.TLS("serving-kube-apiserver.crt"), p.Data.TLS("serving-kube-apiserver.key"))
	if err != nil {
		return err
	}
	proxy, err := tls.LoadX509KeyPair(p.Data.TLS("client-auth-proxy.crt"), p.Data.TLS("client-auth-proxy.key"))
	if err != nil {
		return err
	}
	roots, clients := x509.NewCertPool(), x509.NewCertPool()
	roots.AppendCertsFromPEM(made.server.PEM)
	clients.AppendCertsFromPEM(made.client.PEM)
	handler := &supervisor.Handler{
		Data: p.Data, Cluster: p.Cluster, Passwords: p.Passwords,
		ServerCA: made.server, ClientCA: made.client,
		Client:     client.Load,
		Rest:       supervisor.Forward(supervisor.Identity{Certificate: proxy, Roots: roots}, net.JoinHostPort(supervisor.Upstream, "6443")),
		APIServers: func(ctx context.Context) ([]string, error) { return apiServers(ctx, client.Load()) },
		Bootstrap: func(ctx context.Context, bearer string) bool {
			return isBootstrapToken(ctx, client.Load(), bearer)
		},
	}
	listener, err := supervisor.Listen(group.Context(), p.Settings.Text("bind-address", ""))
	if err != nil {
		return fmt.Errorf("listen on port 6443: %w", err)
	}
	go func() {
		err := supervisor.Serve(group.Context(), listener, handler, serving, clients)
		group.Fail(fmt.Errorf("port 6443: %w", err))
	}()
	return nil
}

// The addresses of the Service `kubernetes`: every API server keeps its own in there.
func apiServers(ctx context.Context, client *api.Client) ([]string, error) {
	if client == nil {
		return nil, fmt.Errorf("runtime core not ready")
	}
	var list struct {
		Items []struct {
			Endpoints []struct {
				Addresses []string `json:"addresses"`
			} `json:"endpoints"`
		} `json:"items"`
	}
	path := "/apis/discovery.k8s.io/v1/namespaces/default/endpointslices?labelSelector=kubernetes.io%2Fservice-name%3Dkubernetes"
	if err := client.Get(ctx, path, &list); err != nil {
		return nil, err
	}
	found := []string{}
	for _, slice := range list.Items {
		for _, endpoint := range slice.Endpoints {
			for _, address := range endpoint.Addresses {
				found = append(found, net.JoinHostPort(address, "6443"))
			}
		}
	}
	return found, nil
}

// A bootstrap token is a Secret of a certain name and type; its own clock says when it ends.
func isBootstrapToken(ctx context.Context, client *api.Client, bearer string) bool {
	id, secret, found := strings.Cut(bearer, ".")
	if !found || client == nil || len(id) != 6 {
		return false
	}
	var stored struct {
		Type string            `json:"type"`
		Data map[string][]byte `json:"data"`
	}
	if err := client.Get(ctx, "/api/v1/namespaces/kube-system/secrets/bootstrap-token-"+id, &stored); err != nil {
		return false
	}
	if stored.Type != "bootstrap.kubernetes.io/token" || string(stored.Data["usage-bootstrap-authentication"]) != "true" {
		return false
	}
	if until := string(stored.Data["expiration"]); until != "" {
		end, err := time.Parse(time.RFC3339, until)
		if err != nil || time.Now().After(end) {
			return false
		}
	}
	return secret != "" && string(stored.Data["token-secret"]) == secret
}

func (p *Plan) fetchBootstrap(ctx context.Context) error {
	access, err := supervisor.Dial(ctx, p.Join, p.JoinToken)
	if err != nil {
		return err
	}
	text, err := access.Get(ctx, "/v1-k3s/server-bootstrap")
	if err != nil {
		return fmt.Errorf("failed to validate token: failed to get bootstrap data: %w", err)
	}
	var files map[string][]byte
	if err := json.Unmarshal(text, &files); err != nil {
		return err
	}
	journal.Infof("Reconciling bootstrap data between datastore and disk")
	return supervisor.WriteBootstrap(p.Data, files)
}
