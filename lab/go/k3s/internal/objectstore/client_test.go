package objectstore

import (
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"homelab.invalid/lab/k3s/internal/settings"
)

// A real gateway over a folder, where there is one (HOMELAB_TEST_VERSITYGW).
func gateway(t *testing.T) string {
	t.Helper()
	program := os.Getenv("HOMELAB_TEST_VERSITYGW")
	if program == "" {
		t.Skip("HOMELAB_TEST_VERSITYGW names no versitygw")
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	listener.Close()
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "bucket"), 0o755); err != nil {
		t.Fatal(err)
	}
	command := exec.Command(program, "--port", address, "--region", "us-east-1", "--quiet", "posix", root)
	command.Env = append(os.Environ(), "ROOT_ACCESS_KEY_ID=who", "ROOT_SECRET_ACCESS_KEY=secret")
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = command.Process.Kill(); _ = command.Wait() })
	for deadline := time.Now().Add(20 * time.Second); ; {
		connection, err := net.Dial("tcp", address)
		if err == nil {
			connection.Close()
			return address
		}
		if time.Now().After(deadline) {
			t.Fatal(err)
		}
		time.Sleep(50 * time.Millisecond)
	}
}

func configured(t *testing.T, address string, more ...string) Config {
	t.Helper()
	t.Setenv("K3S_CONFIG_FILE", filepath.Join(t.TempDir(), "none.yaml"))
	arguments := append([]string{"--etcd-s3", "--etcd-s3-insecure", "--etcd-s3-endpoint=" + address, "--etcd-s3-bucket=bucket",
		"--etcd-s3-folder=k3s/lab", "--etcd-s3-access-key=who", "--etcd-s3-secret-key=secret", "--etcd-s3-timeout=10s"}, more...)
	read, err := settings.Read("server", arguments)
	if err != nil {
		t.Fatal(err)
	}
	config, err := Read(read, 2)
	if err != nil {
		t.Fatal(err)
	}
	config.NodeName = "node"
	return *config
}

func TestSnapshotsGoToTheFolderAndOnlyTheNewestStay(t *testing.T) {
	config := configured(t, gateway(t))
	client, err := Open(t.Context(), config)
	if err != nil {
		t.Fatal(err)
	}
	for second := range 3 {
		file := filepath.Join(t.TempDir(), fmt.Sprintf("etcd-snapshot-node-%d", 1764352800+second))
		if err := os.WriteFile(file, []byte("a snapshot"), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := client.Upload(t.Context(), file); err != nil {
			t.Fatal(err)
		}
	}
	deleted, err := client.Prune(t.Context(), "etcd-snapshot")
	if err != nil || !slices.Equal(deleted, []string{"etcd-snapshot-node-1764352800"}) {
		t.Errorf("%v %v", deleted, err)
	}
	found, err := client.List(t.Context(), "")
	if err != nil || len(found) != 2 {
		t.Fatalf("%v %v", found, err)
	}
	newest := found[1]
	if newest.Node != "node" || newest.Size != 10 || newest.Created.Unix() != 1764352802 || newest.Key != "k3s/lab/etcd-snapshot-node-1764352802" {
		t.Errorf("%+v", newest)
	}
	if err := client.Delete(t.Context(), "etcd-snapshot-node-1"); !NotFound(err) {
		t.Errorf("%v", err)
	}
}

func TestAWrongSecretAndAMissingBucketAreTold(t *testing.T) {
	address := gateway(t)
	_, err := Open(t.Context(), configured(t, address, "--etcd-s3-secret-key=wrong"))
	if err == nil || !strings.Contains(err.Error(), "failed to test for existence of bucket bucket") {
		t.Errorf("%v", err)
	}
	_, err = Open(t.Context(), configured(t, address, "--etcd-s3-bucket=other"))
	if err == nil || err.Error() != "bucket other does not exist" {
		t.Errorf("%v", err)
	}
}
