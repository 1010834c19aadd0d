package agent

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"math/big"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"time"

	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/pki"
	"homelab.invalid/lab/k3s/internal/place"
	"homelab.invalid/lab/k3s/internal/supervisor"
)

const retryEvery = 5 * time.Second

// Fetch asks until it is told, every five seconds with jitter, as k3s does: a wrong token or password shows
// in the journal and nowhere else.
func (p *Plan) fetch(ctx context.Context) (supervisor.Cluster, error) {
	for {
		cluster, err := p.fetchOnce(ctx)
		if err == nil {
			return cluster, nil
		}
		if ctx.Err() != nil {
			return cluster, context.Cause(ctx)
		}
		journal.Infof("Waiting to retrieve agent configuration; server is not ready: %v", err)
		select {
		case <-ctx.Done():
			return cluster, context.Cause(ctx)
		case <-time.After(retryEvery + jitter()):
		}
	}
}

func jitter() time.Duration {
	part, err := rand.Int(rand.Reader, big.NewInt(int64(retryEvery)))
	if err != nil {
		return 0
	}
	return time.Duration(part.Int64())
}

func (p *Plan) fetchOnce(ctx context.Context) (supervisor.Cluster, error) {
	var cluster supervisor.Cluster
	var own []tls.Certificate
	if pair, err := tls.LoadX509KeyPair(p.Data.Agent("client-kubelet.crt"), p.Data.Agent("client-kubelet.key")); err == nil {
		own = append(own, pair)
	}
	access, err := supervisor.Dial(ctx, p.Server, p.Token, own...)
	if err != nil {
		return cluster, err
	}
	text, err := access.Get(ctx, "/v1-k3s/config")
	if unauthorized(err) && len(own) > 0 {
		// The certificate may be another cluster's; the token decides.
		access = access.WithoutCertificate()
		text, err = access.Get(ctx, "/v1-k3s/config")
	}
	if err != nil {
		return cluster, fmt.Errorf("failed to retrieve configuration from server: %w", err)
	}
	if err := json.Unmarshal(text, &cluster); err != nil {
		return cluster, err
	}
	if iface := p.Settings.Text("flannel-iface", ""); iface != "" && cluster.FlannelBackend != "none" {
		if _, err := net.InterfaceByName(iface); err != nil {
			return cluster, fmt.Errorf("unable to find interface %s: %w", iface, err)
		}
	}
	for _, name := range []string{"client-ca.crt", "server-ca.crt"} {
		text, err := access.Get(ctx, "/v1-k3s/"+name)
		if err != nil {
			return cluster, err
		}
		if err := writeFile(p.Data.Agent(name), text, 0o600); err != nil {
			return cluster, err
		}
	}
	headers, err := p.proof()
	if err != nil {
		return cluster, err
	}
	for _, name := range []string{"serving-kubelet", "client-kubelet"} {
		if err := p.certificate(ctx, access, name, headers); err != nil {
			return cluster, err
		}
	}
	for _, name := range []string{"client-kube-proxy", "client-k3s-controller"} {
		if err := p.certificate(ctx, access, name, nil); err != nil {
			return cluster, err
		}
	}
	return cluster, nil
}

// A node says who it is in headers, and proves it with its password.
func (p *Plan) proof() (http.Header, error) {
	password, err := nodePassword(place.NodePassword)
	if err != nil {
		return nil, err
	}
	headers := http.Header{}
	headers.Set("k3s-Node-Name", p.Node)
	headers.Set("k3s-Node-Password", password)
	headers.Set("k3s-Node-IP", p.NodeIP)
	return headers, nil
}

// The key is made here and never travels: the server gets a signing request.
func (p *Plan) certificate(ctx context.Context, access *supervisor.Access, name string, headers http.Header) error {
	key, err := pki.EnsureKey(p.Data.Agent(name + ".key"))
	if err != nil {
		return err
	}
	request, err := signingRequest(key)
	if err != nil {
		return err
	}
	path := "/v1-k3s/" + name + ".crt"
	text, err := access.Post(ctx, path, request, headers)
	if unauthorized(err) {
		journal.Infof("Node authorization rejected, retrying without client certificate authentication")
		text, err = access.WithoutCertificate().Post(ctx, path, request, headers)
	}
	var status *supervisor.StatusError
	if errors.As(err, &status) && status.Code == http.StatusForbidden {
		return fmt.Errorf("Node password rejected, duplicate hostname or contents of '%s' may not match server node-passwd entry, try enabling a unique node name with the --with-node-id flag", place.NodePassword)
	}
	if err != nil {
		return err
	}
	return writeFile(p.Data.Agent(name+".crt"), text, 0o600)
}

func signingRequest(key crypto.Signer) ([]byte, error) {
	template := &x509.CertificateRequest{Subject: pkix.Name{CommonName: "k3s"}}
	return x509.CreateCertificateRequest(rand.Reader, template, key)
}

func unauthorized(err error) bool {
	var status *supervisor.StatusError
	return errors.As(err, &status) && status.Code == http.StatusUnauthorized
}

func nodePassword(path string) (string, error) {
	text, err := os.ReadFile(path)
	if err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	if !errors.Is(err, os.ErrNotExist) {
		return "", err
	}
	made := make([]byte, 16)
	if _, err := rand.Read(made); err != nil {
		return "", err
	}
	password := hex.EncodeToString(made)
	return password, writeFile(path, []byte(password+"\n"), 0o600)
}

func writeFile(path string, text []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	if err := os.WriteFile(path+".part", text, mode); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}
