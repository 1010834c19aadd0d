package server

import (
	"encoding/base64"
	"encoding/csv"
	"encoding/json"
	"errors"
	"fmt"
	"net"
	"os"
	"path/filepath"

	"homelab.invalid/lab/k3s/internal/pki"
	"homelab.invalid/lab/k3s/internal/supervisor"
	"homelab.invalid/lab/k3s/internal/token"
)

// Authorities of the cluster.
type authorities struct {
	server, client, header, etcdServer, etcdPeer *pki.Authority
}

func (p *Plan) authorities() (authorities, error) {
	var made authorities
	for _, wanted := range []struct {
		base, name string
		into       **pki.Authority
	}{
		{"server-ca", "k3s-server-ca", &made.server},
		{"client-ca", "k3s-client-ca", &made.client},
		{"request-header-ca", "k3s-request-header-ca", &made.header},
		{"etcd/server-ca", "etcd-server-ca", &made.etcdServer},
		{"etcd/peer-ca", "etcd-peer-ca", &made.etcdPeer},
	} {
		authority, err := pki.EnsureAuthority(p.Data.TLS(wanted.base), wanted.name)
		if err != nil {
			return made, err
		}
		*wanted.into = authority
	}
	return made, nil
}

// Names and addresses that the API is reached by.
func (p *Plan) sans() ([]string, []net.IP) {
	names := []string{
		"kubernetes", "kubernetes.default", "kubernetes.default.svc",
		"kubernetes.default.svc." + p.Cluster.ClusterDomain, "localhost", p.Node,
	}
	addresses := []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(supervisor.Upstream), net.IPv6loopback, net.ParseIP(p.ServiceIP)}
	for _, given := range append([]string{p.NodeIP, p.Advertise}, p.Settings.List("tls-san")...) {
		if address := net.ParseIP(given); address != nil {
			addresses = append(addresses, address)
		} else if given != "" {
			names = append(names, given)
		}
	}
	return names, addresses
}

func (p *Plan) certificates(made authorities) error {
	names, addresses := p.sans()
	client := func(name string, groups ...string) pki.Subject {
		return pki.Subject{Name: name, Organization: groups, Client: true}
	}
	peers := []net.IP{net.IPv4(127, 0, 0, 1), net.ParseIP(p.NodeIP)}
	for base, wanted := range map[string]struct {
		by      *pki.Authority
		subject pki.Subject
	}{
		"client-admin":            {made.client, client("system:admin", "system:masters")},
		"client-supervisor":       {made.client, client("system:k3s-supervisor", "system:masters")},
		"client-controller":       {made.client, client("system:kube-controller-manager")},
		"client-scheduler":        {made.client, client("system:kube-scheduler")},
		"client-kube-apiserver":   {made.client, client("system:apiserver", "system:masters")},
		"client-kube-proxy":       {made.client, client("system:kube-proxy")},
		"client-k3s-controller":   {made.client, client("system:k3s-controller")},
		"client-auth-proxy":       {made.header, client("system:auth-proxy")},
		"serving-kube-apiserver":  {made.server, pki.Subject{Name: "kube-apiserver", DNS: names, Addresses: addresses, Server: true}},
		"etcd/client":             {made.etcdServer, client("etcd-client")},
		"etcd/server-client":      {made.etcdServer, pki.Subject{Name: "etcd-server", DNS: []string{"localhost"}, Addresses: peers, Server: true, Client: true}},
		"etcd/peer-server-client": {made.etcdPeer, pki.Subject{Name: "etcd-peer", DNS: []string{"localhost"}, Addresses: peers, Server: true, Client: true}},
	} {
		if err := wanted.by.Ensure(p.Data.TLS(base), wanted.subject); err != nil {
			return fmt.Errorf("%s: %w", base, err)
		}
	}
	for _, name := range []string{"service.key", "client-kubelet.key", "serving-kubelet.key"} {
		if _, err := pki.EnsureKey(p.Data.TLS(name)); err != nil {
			return err
		}
	}
	return nil
}

// The passwords' own file is the memory; the token files are for people and for joining nodes.
func (p *Plan) tokens(server *pki.Authority) error {
	rows := [][]string{
		{p.Passwords.Agent, "node", "node", "k3s:agent"},
		{p.Passwords.Server, "server", "server", "k3s:server"},
	}
	if err := writeSecret(p.Data.Server("cred", "passwd"), func(file *os.File) error {
		writer := csv.NewWriter(file)
		return writer.WriteAll(rows)
	}); err != nil {
		return err
	}
	full, err := token.Full(server.PEM, "server", p.Passwords.Server)
	if err != nil {
		return err
	}
	if err := writeLine(p.Data.Server("token"), full); err != nil {
		return err
	}
	if err := link("token", p.Data.Server("node-token")); err != nil {
		return err
	}
	if p.Passwords.Agent == p.Passwords.Server {
		return link("token", p.Data.Server("agent-token"))
	}
	full, err = token.Full(server.PEM, "node", p.Passwords.Agent)
	if err != nil {
		return err
	}
	return writeLine(p.Data.Server("agent-token"), full)
}

// AgentToken is what the node in this very process joins with; the CA is there once the server is.
func (p *Plan) AgentToken() (string, error) {
	bundle, err := os.ReadFile(p.Data.TLS("server-ca.crt"))
	if err != nil {
		return "", err
	}
	return token.Full(bundle, "node", p.Passwords.Agent)
}

func readPasswords(path string) (supervisor.Passwords, error) {
	var found supervisor.Passwords
	file, err := os.Open(path)
	if errors.Is(err, os.ErrNotExist) {
		return found, nil
	}
	if err != nil {
		return found, err
	}
	defer file.Close()
	rows, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return found, fmt.Errorf("%s: %w", path, err)
	}
	for _, row := range rows {
		switch row[1] {
		case "server":
			found.Server = row[0]
		case "node":
			found.Agent = row[0]
		}
	}
	return found, nil
}

// Secrets at rest: the first provider encrypts, the last one reads what was written before.
func (p *Plan) encryption() (string, error) {
	path := p.Data.Server("cred", "encryption-config.json")
	if exists(path) {
		return path, nil
	}
	if !p.Settings.On("secrets-encryption") {
		return "", nil
	}
	key, err := random(32)
	if err != nil {
		return "", err
	}
	type object = map[string]any
	config := object{
		"kind": "EncryptionConfiguration", "apiVersion": "apiserver.config.k8s.io/v1",
		"resources": []object{{
			"resources": []string{"secrets"},
			"providers": []object{
				{"aescbc": object{"keys": []object{{"name": "aescbckey", "secret": base64.StdEncoding.EncodeToString([]byte(key)[:32])}}}},
				{"identity": object{}},
			},
		}},
	}
	return path, writeSecret(path, func(file *os.File) error { return json.NewEncoder(file).Encode(config) })
}

func writeLine(path, text string) error {
	return writeSecret(path, func(file *os.File) error {
		_, err := fmt.Fprintln(file, text)
		return err
	})
}

func writeSecret(path string, write func(*os.File) error) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	file, err := os.OpenFile(path+".part", os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	if err := write(file); err != nil {
		file.Close()
		return err
	}
	if err := file.Close(); err != nil {
		return err
	}
	return os.Rename(path+".part", path)
}

func link(target, path string) error {
	if found, err := os.Readlink(path); err == nil && found == target {
		return nil
	}
	if err := os.Remove(path); err != nil && !errors.Is(err, os.ErrNotExist) {
		return err
	}
	return os.Symlink(target, path)
}
