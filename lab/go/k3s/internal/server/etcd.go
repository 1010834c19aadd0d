package server

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/process"
)

// EtcdURL is where the local member answers clients.
const EtcdURL = "https://127.0.0.1:2379"

// The member's own configuration file, which is also the memory of what it was started with.
type etcdConfig struct {
	Name           string      `yaml:"name"`
	DataDir        string      `yaml:"data-dir"`
	ListenClients  string      `yaml:"listen-client-urls"`
	Advertise      string      `yaml:"advertise-client-urls"`
	ListenPeers    string      `yaml:"listen-peer-urls"`
	AdvertisePeers string      `yaml:"initial-advertise-peer-urls"`
	Initial        string      `yaml:"initial-cluster"`
	State          string      `yaml:"initial-cluster-state"`
	ForceNew       bool        `yaml:"force-new-cluster,omitempty"`
	Client         etcdSecrets `yaml:"client-transport-security"`
	Peer           etcdSecrets `yaml:"peer-transport-security"`
	LogOutputs     []string    `yaml:"log-outputs"`
	LogLevel       string      `yaml:"log-level"`
	Logger         string      `yaml:"logger"`
}

type etcdSecrets struct {
	Certificate string `yaml:"cert-file"`
	Key         string `yaml:"key-file"`
	Verify      bool   `yaml:"client-cert-auth"`
	Authority   string `yaml:"trusted-ca-file"`
}

// A server without cluster-init keeps its data elsewhere, as k3s does with sqlite, so that what looks for
// embedded etcd finds it only where it is.
func (p *Plan) database() string {
	if p.Etcd {
		return p.Data.Server("db", "etcd")
	}
	return p.Data.Server("db", "single")
}

func (p *Plan) peerURL() string { return "https://" + bracket(p.NodeIP) + ":2380" }

func bracket(address string) string {
	if strings.Contains(address, ":") {
		return "[" + address + "]"
	}
	return address
}

func (p *Plan) etcdName() (string, error) {
	path := p.database() + "/name"
	if text, err := os.ReadFile(path); err == nil {
		return strings.TrimSpace(string(text)), nil
	}
	suffix, err := random(4)
	if err != nil {
		return "", err
	}
	name := p.Node + "-" + suffix
	if err := os.MkdirAll(p.database(), 0o700); err != nil {
		return "", err
	}
	return name, os.WriteFile(path, []byte(name), 0o600)
}

func (p *Plan) etcdConfig(force bool, joined string) (string, error) {
	name, err := p.etcdName()
	if err != nil {
		return "", err
	}
	path := p.database() + "/config"
	member := name + "=" + p.peerURL()
	if earlier, err := os.ReadFile(path); err == nil && !force {
		var before etcdConfig
		if err := yaml.Unmarshal(earlier, &before); err != nil {
			return "", fmt.Errorf("%s: %w", path, err)
		}
		if found := name + "=" + before.AdvertisePeers; found != member {
			return "", fmt.Errorf("this server is a not a member of the etcd cluster. Found [%s], expect: %s", found, member)
		}
	}
	config := etcdConfig{
		Name: name, DataDir: p.database(),
		ListenClients: EtcdURL, Advertise: EtcdURL,
		ListenPeers: "https://127.0.0.1:2380", AdvertisePeers: p.peerURL(),
		Initial: member, State: "new", ForceNew: force,
		Client: etcdSecrets{p.Data.TLS("etcd/server-client.crt"), p.Data.TLS("etcd/server-client.key"), true, p.Data.TLS("etcd/server-ca.crt")},
		Peer:   etcdSecrets{p.Data.TLS("etcd/peer-server-client.crt"), p.Data.TLS("etcd/peer-server-client.key"), true, p.Data.TLS("etcd/peer-ca.crt")},
		Logger: "zap", LogLevel: "warn", LogOutputs: []string{"stderr"},
	}
	if p.Etcd {
		client := "https://" + bracket(p.NodeIP) + ":2379"
		config.ListenClients += "," + client
		config.Advertise = client
		config.ListenPeers += "," + p.peerURL()
	}
	if joined != "" {
		config.Initial, config.State = joined, "existing"
	}
	text, err := yaml.Marshal(config)
	if err != nil {
		return "", err
	}
	return path, os.WriteFile(path, text, 0o600)
}

// Etcdctl gives the arguments that every call of etcdctl needs.
func (p *Plan) Etcdctl(endpoint string, arguments ...string) []string {
	return append([]string{
		"--endpoints=" + endpoint,
		"--cacert=" + p.Data.TLS("etcd/server-ca.crt"),
		"--cert=" + p.Data.TLS("etcd/client.crt"),
		"--key=" + p.Data.TLS("etcd/client.key"),
		"--command-timeout=10s",
	}, arguments...)
}

func (p *Plan) startEtcd(group *process.Group, force bool) error {
	joined := ""
	if p.Join != "" && !exists(p.database()+"/member") {
		var err error
		if joined, err = p.addMember(group); err != nil {
			return err
		}
	}
	path, err := p.etcdConfig(force, joined)
	if err != nil {
		return err
	}
	arguments := []string{"--config-file=" + path}
	if _, err := group.Start(os.Stderr, []string{"ETCD_UNSUPPORTED_ARCH="}, "etcd", arguments...); err != nil {
		return err
	}
	return p.waitForEtcd(group)
}

func (p *Plan) waitForEtcd(group *process.Group) error {
	deadline := time.Now().Add(2 * time.Minute)
	for {
		_, err := group.Run(group.Context(), []string{"ETCDCTL_API=3"}, "etcdctl", p.Etcdctl(EtcdURL, "endpoint", "health")...)
		if err == nil {
			return nil
		}
		if cause := context.Cause(group.Context()); cause != nil {
			return cause
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("etcd did not become healthy: %w", err)
		}
		journal.Infof("Waiting for etcd to be healthy")
		time.Sleep(500 * time.Millisecond)
	}
}

// A second server's member is announced by a first one's; the answer lists all of them.
func (p *Plan) addMember(group *process.Group) (string, error) {
	name, err := p.etcdName()
	if err != nil {
		return "", err
	}
	host := strings.TrimSuffix(strings.TrimPrefix(p.Join, "https://"), "/")
	if at := strings.LastIndex(host, ":"); at > strings.LastIndex(host, "]") {
		host = host[:at]
	}
	output, err := group.Run(group.Context(), []string{"ETCDCTL_API=3"}, "etcdctl",
		p.Etcdctl("https://"+host+":2379", "member", "add", name, "--peer-urls="+p.peerURL())...)
	if err != nil {
		return "", err
	}
	for line := range strings.Lines(output) {
		if value, found := strings.CutPrefix(line, "ETCD_INITIAL_CLUSTER="); found {
			return strings.Trim(strings.TrimSpace(value), `"`), nil
		}
	}
	return "", errors.New("etcdctl member add named no cluster: " + output)
}
