package agent

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"homelab.invalid/lab/k3s/internal/settings"
)

func TestOnlyAResolverThatAContainerCanReachIsUsed(t *testing.T) {
	for text, usable := range map[string]bool{
		"nameserver 10.0.0.1\n":                        true,
		"# comment\nnameserver 10.0.0.1\nsearch lab\n": true,
		"nameserver 127.0.0.53\n":                      false,
		"nameserver 10.0.0.1\nnameserver 127.0.0.53\n": false,
		"nameserver 169.254.1.1\n":                     false,
		"search lab\n":                                 false,
		"nameserver name.is.no.address\n":              false,
	} {
		path := filepath.Join(t.TempDir(), "resolv.conf")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if usableResolver(path) != usable {
			t.Errorf("%q: wanted %v", text, usable)
		}
	}
}

func TestSecretsAreMaskedInTheNodesAnnotation(t *testing.T) {
	t.Setenv("K3S_CONFIG_FILE", filepath.Join(t.TempDir(), "none.yaml"))
	read, err := settings.Read("server", []string{"--token=one", "--agent-token", "two", "--node-ip", "10.0.0.1", "-t", "three"})
	if err != nil {
		t.Fatal(err)
	}
	plan := Plan{Settings: read, OnServer: true}
	text, hash := plan.nodeArguments()
	for _, secret := range []string{"one", "two", "three"} {
		if strings.Contains(text, `"`+secret+`"`) {
			t.Errorf("%s stands in %s", secret, text)
		}
	}
	if !strings.Contains(text, `"--node-ip","10.0.0.1"`) || hash == "" {
		t.Errorf("%s %s", text, hash)
	}
}

func TestANodePasswordIsMadeOnceAndReadableByRootAlone(t *testing.T) {
	path := filepath.Join(t.TempDir(), "node", "password")
	first, err := nodePassword(path)
	if err != nil || len(first) != 32 {
		t.Fatalf("%q, %v", first, err)
	}
	again, err := nodePassword(path)
	if err != nil || again != first {
		t.Errorf("%q, %v", again, err)
	}
	found, err := os.Stat(path)
	if err != nil || found.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", found.Mode(), err)
	}
}
