// Package supervisor is k3s's own part of port 6443: what nodes ask for before they are nodes. The rest of
// the port is the Kubernetes API, handed on.
package supervisor

import (
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"

	"homelab.invalid/lab/k3s/internal/api"
	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/nodepassword"
	"homelab.invalid/lab/k3s/internal/pki"
	"homelab.invalid/lab/k3s/internal/place"
)

// Cluster is what nodes are told about the whole; the names are those of k3s's answer.
type Cluster struct {
	ClusterCIDR    string `json:"ClusterIPRange"`
	ServiceCIDR    string `json:"ServiceIPRange"`
	ClusterDNS     string `json:"ClusterDNS"`
	ClusterDomain  string `json:"ClusterDomain"`
	FlannelBackend string `json:"FlannelBackend"`
	NoKubeProxy    bool   `json:"DisableKubeProxy"`
}

// Handler answers on port 6443.
type Handler struct {
	Data      place.Data
	Cluster   Cluster
	Passwords Passwords
	ServerCA  *pki.Authority
	ClientCA  *pki.Authority
	// Client is the API server's administrator once it is up, nil before.
	Client func() *api.Client
	// Bootstrap checks kubeadm-style tokens; nil refuses them.
	Bootstrap BootstrapCheck
	// APIServers lists host:port of each API server.
	APIServers func(context.Context) ([]string, error)
	// Rest takes what is not k3s's own.
	Rest http.Handler
}

func (h *Handler) ServeHTTP(response http.ResponseWriter, request *http.Request) {
	switch request.URL.Path {
	case "/cacerts":
		plain(response, h.ServerCA.PEM)
		return
	case "/ping":
		plain(response, []byte("pong"))
		return
	}
	name, own := strings.CutPrefix(request.URL.Path, "/v1-k3s/")
	if !own {
		h.Rest.ServeHTTP(response, request)
		return
	}
	who := h.caller(request)
	wanted := agentRole
	if name == "server-bootstrap" {
		wanted = serverRole
	}
	if who.role == nobody {
		refuse(response, http.StatusUnauthorized, "not authorized")
		return
	}
	if who.role < wanted {
		refuse(response, http.StatusForbidden, "forbidden")
		return
	}
	h.serve(response, request, name, who)
}

func (h *Handler) serve(response http.ResponseWriter, request *http.Request, name string, who caller) {
	switch name {
	case "config":
		answer(response, h.Cluster)
	case "client-ca.crt":
		plain(response, h.ClientCA.PEM)
	case "server-ca.crt":
		plain(response, h.ServerCA.PEM)
	case "readyz":
		if h.Client() == nil {
			refuse(response, http.StatusServiceUnavailable, "runtime core not ready")
			return
		}
		plain(response, []byte("ok"))
	case "apiservers":
		servers, err := h.APIServers(request.Context())
		if err != nil {
			refuse(response, http.StatusServiceUnavailable, err.Error())
			return
		}
		answer(response, servers)
	case "serving-kubelet.crt":
		h.servingKubelet(response, request, who)
	case "client-kubelet.crt":
		if node, allowed := h.node(response, request, who); allowed {
			subject := pki.Subject{Name: nodePrefix + node, Organization: []string{"system:nodes"}, Client: true}
			h.sign(response, request, h.ClientCA, subject, "client-kubelet.key")
		}
	case "client-kube-proxy.crt":
		h.sign(response, request, h.ClientCA, pki.Subject{Name: "system:kube-proxy", Client: true}, "client-kube-proxy.key")
	case "client-k3s-controller.crt":
		h.sign(response, request, h.ClientCA, pki.Subject{Name: "system:k3s-controller", Client: true}, "client-k3s-controller.key")
	case "server-bootstrap":
		files, err := readBootstrap(h.Data)
		if err != nil {
			refuse(response, http.StatusInternalServerError, err.Error())
			return
		}
		answer(response, files)
	default:
		refuse(response, http.StatusNotFound, "not found")
	}
}

func (h *Handler) servingKubelet(response http.ResponseWriter, request *http.Request, who caller) {
	node, allowed := h.node(response, request, who)
	if !allowed {
		return
	}
	addresses := []net.IP{net.IPv4(127, 0, 0, 1)}
	if given := request.Header.Get("k3s-Node-IP"); given != "" {
		for text := range strings.SplitSeq(given, ",") {
			address := net.ParseIP(text)
			if address == nil {
				refuse(response, http.StatusInternalServerError, fmt.Sprintf("invalid node IP address %s", text))
				return
			}
			addresses = append(addresses, address)
		}
	}
	subject := pki.Subject{Name: node, DNS: []string{node, "localhost"}, Addresses: addresses, Server: true}
	h.sign(response, request, h.ServerCA, subject, "serving-kubelet.key")
}

// The node that the request speaks for, proved by the node's password. A node's certificate alone proves
// nothing once its Node is deleted: that is 401, and the node comes back with its token.
func (h *Handler) node(response http.ResponseWriter, request *http.Request, who caller) (string, bool) {
	client := h.Client()
	if client == nil {
		refuse(response, http.StatusServiceUnavailable, "runtime core not ready")
		return "", false
	}
	name, password := request.Header.Get("k3s-Node-Name"), request.Header.Get("k3s-Node-Password")
	if name == "" || password == "" {
		refuse(response, http.StatusBadRequest, "node name or password not set")
		return "", false
	}
	if who.node != "" {
		if who.node != name {
			refuse(response, http.StatusBadRequest, "header node name does not match auth node name")
			return "", false
		}
		err := client.Get(request.Context(), "/api/v1/nodes/"+name, &api.Meta{})
		if api.NotFound(err) {
			refuse(response, http.StatusUnauthorized, "node not found")
			return "", false
		}
		if err != nil {
			refuse(response, http.StatusInternalServerError, err.Error())
			return "", false
		}
	}
	err := nodepassword.Ensure(request.Context(), client, name, password)
	switch {
	case errors.Is(err, nodepassword.ErrMismatch):
		journal.Errorf("Sending HTTP 403 response to %s: unable to verify password for node %s: %v", request.RemoteAddr, name, err)
		refuse(response, http.StatusForbidden, err.Error())
		return "", false
	case err != nil:
		journal.Errorf("Sending HTTP 503 response to %s: %v", request.RemoteAddr, err)
		refuse(response, http.StatusServiceUnavailable, err.Error())
		return "", false
	}
	return name, true
}

// A POST carries a signing request and gets a certificate for its key; a GET gets the shared key, too.
func (h *Handler) sign(response http.ResponseWriter, request *http.Request, authority *pki.Authority, subject pki.Subject, shared string) {
	text, err := h.signed(request, authority, subject, shared)
	if err != nil {
		refuse(response, http.StatusInternalServerError, err.Error())
		return
	}
	plain(response, text)
}

func (h *Handler) signed(request *http.Request, authority *pki.Authority, subject pki.Subject, shared string) ([]byte, error) {
	if request.Method == http.MethodPost {
		body, err := io.ReadAll(io.LimitReader(request.Body, 1<<16))
		if err != nil {
			return nil, err
		}
		signing, err := x509.ParseCertificateRequest(body)
		if err != nil {
			return nil, err
		}
		if err := signing.CheckSignature(); err != nil {
			return nil, err
		}
		return authority.Sign(subject, signing.PublicKey)
	}
	key, err := pki.EnsureKey(h.Data.TLS(shared))
	if err != nil {
		return nil, err
	}
	text, err := authority.Sign(subject, key.Public())
	if err != nil {
		return nil, err
	}
	private, err := os.ReadFile(h.Data.TLS(shared))
	if err != nil {
		return nil, err
	}
	if block, _ := pem.Decode(private); block == nil {
		return nil, fmt.Errorf("%s holds no key", shared)
	}
	return append(text, private...), nil
}

func plain(response http.ResponseWriter, text []byte) {
	response.Header().Set("Content-Type", "text/plain")
	_, _ = response.Write(text)
}

func answer(response http.ResponseWriter, value any) {
	response.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(response).Encode(value)
}

// As the API server words its own refusals.
func refuse(response http.ResponseWriter, code int, message string) {
	response.Header().Set("Content-Type", "application/json")
	response.WriteHeader(code)
	_ = json.NewEncoder(response).Encode(api.Object{
		"kind": "Status", "apiVersion": "v1", "status": "Failure", "code": code, "message": message,
	})
}
