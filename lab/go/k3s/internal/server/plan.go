// Package server is the control plane of one k3s server.
package server

import (
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"net"
	"os"
	"strings"

	"homelab.invalid/lab/k3s/internal/place"
	"homelab.invalid/lab/k3s/internal/settings"
	"homelab.invalid/lab/k3s/internal/supervisor"
	"homelab.invalid/lab/k3s/internal/token"
)

// Plan is what the settings come to, checked before anything is started.
type Plan struct {
	Data      place.Data
	Settings  *settings.Settings
	Node      string
	NodeIP    string
	Advertise string
	Cluster   supervisor.Cluster
	Passwords supervisor.Passwords
	// Join is another server's URL, JoinToken its token.
	Join      string
	JoinToken string
	// ServiceIP is the API's own address in the service network.
	ServiceIP string
	Etcd      bool
}

// NewPlan reads what it needs to from the settings and from an earlier start.
func NewPlan(read *settings.Settings, node, nodeIP string) (*Plan, error) {
	plan := &Plan{
		Data:      place.Data(read.Text("data-dir", place.DefaultData)),
		Settings:  read,
		Node:      node,
		NodeIP:    nodeIP,
		Advertise: read.Text("advertise-address", nodeIP),
		Join:      read.Text("server", ""),
	}
	plan.Etcd = read.On("cluster-init") || plan.Join != "" || exists(plan.Data.Server("db", "etcd"))
	plan.Cluster = supervisor.Cluster{
		ClusterCIDR:    read.Text("cluster-cidr", "10.42.0.0/16"),
		ServiceCIDR:    read.Text("service-cidr", "10.43.0.0/16"),
		ClusterDomain:  read.Text("cluster-domain", "cluster.local"),
		FlannelBackend: read.Text("flannel-backend", "vxlan"),
		NoKubeProxy:    read.On("disable-kube-proxy"),
	}
	var err error
	if plan.ServiceIP, err = nth(plan.Cluster.ServiceCIDR, 1); err != nil {
		return nil, fmt.Errorf("invalid service-cidr: %w", err)
	}
	dns, err := nth(plan.Cluster.ServiceCIDR, 10)
	if err != nil {
		return nil, fmt.Errorf("invalid service-cidr: %w", err)
	}
	plan.Cluster.ClusterDNS = read.Text("cluster-dns", dns)
	if _, _, err := net.ParseCIDR(plan.Cluster.ClusterCIDR); err != nil {
		return nil, fmt.Errorf("invalid cluster-cidr: %w", err)
	}
	switch plan.Cluster.FlannelBackend {
	case "vxlan", "host-gw", "none":
	default:
		return nil, fmt.Errorf("the stand-in has no flannel-backend %q, only vxlan, host-gw and none", plan.Cluster.FlannelBackend)
	}
	if plan.Passwords, err = plan.passwords(); err != nil {
		return nil, err
	}
	return plan, nil
}

// The passwords of an earlier start stand, and a setting that contradicts them is refused: what is in the
// datastore was encrypted under them.
func (p *Plan) passwords() (supervisor.Passwords, error) {
	var chosen supervisor.Passwords
	given, err := p.Settings.Secret("token")
	if err != nil {
		return chosen, err
	}
	p.JoinToken = given
	if given != "" {
		parsed, err := token.Parse(given)
		if err != nil || parsed.Bootstrap != "" {
			return chosen, errors.New("failed to normalize server token; must be in format K10<CA-HASH>::<USERNAME>:<PASSWORD> or <PASSWORD>")
		}
		chosen.Server = parsed.Password
	}
	earlier, err := readPasswords(p.Data.Server("cred", "passwd"))
	if err != nil {
		return chosen, err
	}
	if earlier.Server != "" && chosen.Server != "" && earlier.Server != chosen.Server {
		return chosen, errors.New("starting kubernetes: preparing server: bootstrap data already found and encrypted with different token")
	}
	if chosen.Server == "" {
		chosen.Server = earlier.Server
	}
	if chosen.Server == "" {
		if chosen.Server, err = random(16); err != nil {
			return chosen, err
		}
	}
	if chosen.Agent, err = p.Settings.Secret("agent-token"); err != nil {
		return chosen, err
	}
	if chosen.Agent != "" {
		parsed, err := token.Parse(chosen.Agent)
		if err != nil {
			return chosen, fmt.Errorf("agent-token: %w", err)
		}
		if parsed.Password != "" {
			chosen.Agent = parsed.Password
		}
	} else {
		chosen.Agent = chosen.Server
	}
	return chosen, nil
}

func exists(path string) bool {
	_, err := os.Stat(path)
	return err == nil
}

func random(bytes int) (string, error) {
	text := make([]byte, bytes)
	if _, err := rand.Read(text); err != nil {
		return "", err
	}
	return hex.EncodeToString(text), nil
}

// The address at a distance from a network's first.
func nth(cidr string, distance int) (string, error) {
	_, network, err := net.ParseCIDR(strings.Split(cidr, ",")[0])
	if err != nil {
		return "", err
	}
	address := append(net.IP{}, network.IP...)
	for index := len(address) - 1; distance > 0 && index >= 0; index-- {
		sum := int(address[index]) + distance
		address[index] = byte(sum)
		distance = sum >> 8
	}
	if !network.Contains(address) {
		return "", fmt.Errorf("%s is too small", cidr)
	}
	return address.String(), nil
}
