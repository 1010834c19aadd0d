package settings

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

func configure(t *testing.T, main string, later ...string) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.yaml")
	write(t, path, main)
	for index, text := range later {
		write(t, filepath.Join(path+".d", string(rune('a'+index))+".yaml"), text)
	}
	t.Setenv("K3S_CONFIG_FILE", path)
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, command string, arguments ...string) *Settings {
	t.Helper()
	found, err := Read(command, arguments)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

func TestALaterFileReplacesAKeyAndAppendsWithPlus(t *testing.T) {
	configure(t, "tls-san: [a, b]\nkubelet-arg: [x=1]\nnode-name: one",
		"tls-san: [c]\nkubelet-arg+: [y=2]", "kubelet-arg+: z=3\nnode-name: two")
	found := read(t, "server")
	if got := found.List("tls-san"); !slices.Equal(got, []string{"c"}) {
		t.Errorf("tls-san: %v", got)
	}
	if got := found.Arguments("kubelet-arg"); !slices.Equal(got, []string{"x=1", "y=2", "z=3"}) {
		t.Errorf("kubelet-arg: %v", got)
	}
	if got := found.Text("node-name", ""); got != "two" {
		t.Errorf("node-name: %s", got)
	}
}

func TestTheCommandLineWinsOverFiles(t *testing.T) {
	configure(t, "node-name: filed\ncluster-init: true\ndisable: traefik,servicelb")
	found := read(t, "server", "--node-name", "typed", "--cluster-init=false", "--disable", "coredns")
	if found.Text("node-name", "") != "typed" || found.On("cluster-init") {
		t.Errorf("%+v", found.values)
	}
	if got := found.List("disable"); !slices.Equal(got, []string{"traefik", "servicelb", "coredns"}) {
		t.Errorf("disable: %v", got)
	}
}

func TestAServerSkipsAnUnknownKeyAndAnAgentRefusesIt(t *testing.T) {
	configure(t, "clutser-init: true\nnode-name: n")
	found := read(t, "server")
	if len(found.Warnings) != 1 || found.Warnings[0] != "Unknown flag --clutser-init found in config.yaml, skipping" {
		t.Errorf("%q", found.Warnings)
	}
	_, err := Read("agent", nil)
	if err == nil || err.Error() != "flag provided but not defined: -clutser-init" {
		t.Errorf("%v", err)
	}
	if _, err := Read("server", []string{"--nope"}); err == nil {
		t.Error("an unknown argument was accepted")
	}
}

func TestATokenMayStandInAFile(t *testing.T) {
	path := filepath.Join(t.TempDir(), "token")
	write(t, path, "K10secret\n")
	configure(t, "token-file: "+path)
	got, err := read(t, "server").Secret("token")
	if err != nil || got != "K10secret" {
		t.Errorf("%q, %v", got, err)
	}
}

func TestTheEnvironmentIsAskedLast(t *testing.T) {
	configure(t, "")
	t.Setenv("K3S_URL", "https://from.environment:6443")
	if got := read(t, "agent").Text("server", ""); got != "https://from.environment:6443" {
		t.Error(got)
	}
	if got := read(t, "agent", "-s", "https://typed:6443").Text("server", ""); !strings.Contains(got, "typed") {
		t.Error(got)
	}
}
