package server

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"homelab.invalid/lab/k3s/internal/settings"
)

func plan(t *testing.T, data string, arguments ...string) (*Plan, error) {
	t.Helper()
	t.Setenv("K3S_CONFIG_FILE", filepath.Join(t.TempDir(), "none.yaml"))
	read, err := settings.Read("server", append([]string{"--data-dir", data}, arguments...))
	if err != nil {
		t.Fatal(err)
	}
	return NewPlan(read, "node", "10.0.0.1")
}

func TestTheServiceNetworkGivesTheAPIAndTheNameServerTheirAddresses(t *testing.T) {
	made, err := plan(t, t.TempDir(), "--service-cidr", "10.96.255.0/20")
	if err != nil {
		t.Fatal(err)
	}
	if made.ServiceIP != "10.96.240.1" || made.Cluster.ClusterDNS != "10.96.240.10" {
		t.Errorf("%s %s", made.ServiceIP, made.Cluster.ClusterDNS)
	}
	if _, err := plan(t, t.TempDir(), "--service-cidr", "10.96.0.0/30"); err == nil {
		t.Error("a network without room for the name server was accepted")
	}
}

func TestTokensOutliveARestartAndAnotherTokenIsRefused(t *testing.T) {
	data := t.TempDir()
	kubeconfig := filepath.Join(data, "k3s.yaml")
	made, err := plan(t, data, "--token", "first", "--agent-token", "agents", "--write-kubeconfig", kubeconfig)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := made.Prepare(t.Context()); err != nil {
		t.Fatal(err)
	}
	again, err := plan(t, data, "--agent-token", "agents")
	if err != nil || again.Passwords.Server != "first" {
		t.Errorf("%+v, %v", again.Passwords, err)
	}
	if _, err := plan(t, data, "--token", "second"); err == nil || !strings.Contains(err.Error(), "encrypted with different token") {
		t.Errorf("%v", err)
	}
	text, err := os.ReadFile(made.Data.Server("agent-token"))
	if err != nil || !strings.HasSuffix(strings.TrimSpace(string(text)), "::node:agents") {
		t.Errorf("%q, %v", text, err)
	}
}

func TestAServerWithAnotherAddressIsNoMemberAnyMore(t *testing.T) {
	data := t.TempDir()
	first, err := plan(t, data, "--cluster-init")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.etcdConfig(false, ""); err != nil {
		t.Fatal(err)
	}
	moved := *first
	moved.NodeIP = "10.0.0.2"
	_, err = moved.etcdConfig(false, "")
	if err == nil || !strings.Contains(err.Error(), "this server is a not a member of the etcd cluster. Found [") {
		t.Errorf("%v", err)
	}
	if _, err := moved.etcdConfig(true, ""); err != nil {
		t.Errorf("a reset has to be able to move it: %v", err)
	}
}

func TestEveryNameAndAddressOfTheAPIIsInItsCertificate(t *testing.T) {
	made, err := plan(t, t.TempDir(), "--tls-san", "k3s.lab,10.9.9.9", "--advertise-address", "10.0.0.7")
	if err != nil {
		t.Fatal(err)
	}
	names, addresses := made.sans()
	all := strings.Join(names, " ")
	for _, address := range addresses {
		all += " " + address.String()
	}
	for _, wanted := range []string{"k3s.lab", "10.9.9.9", "10.0.0.7", "10.0.0.1", "127.0.0.1", "10.43.0.1", "node"} {
		if !strings.Contains(" "+all+" ", " "+wanted+" ") {
			t.Errorf("%s is missing in %s", wanted, all)
		}
	}
}
