package agent

import (
	"bufio"
	"net"
	"strings"
	"testing"

	"homelab.invalid/lab/k3s/internal/place"
)

// Answers each connection with its own name.
func answering(t *testing.T, name string) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	go func() {
		for {
			connection, err := listener.Accept()
			if err != nil {
				return
			}
			_, _ = connection.Write([]byte(name + "\n"))
			connection.Close()
		}
	}()
	return listener.Addr().String()
}

// An address that refuses connections: it was free a moment ago.
func refusing(t *testing.T) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer listener.Close()
	return listener.Addr().String()
}

func TestAConnectionGoesToAServerThatIsUp(t *testing.T) {
	down, up := refusing(t), answering(t, "second")
	made, err := newBalancer(place.Data(t.TempDir()), "https://"+down)
	if err != nil {
		t.Fatal(err)
	}
	if err := made.learn([]string{down, up}); err != nil {
		t.Fatal(err)
	}
	own := refusing(t)
	if err := made.serve(t.Context(), own); err != nil {
		t.Fatal(err)
	}
	connection, err := net.Dial("tcp", own)
	if err != nil {
		t.Fatal(err)
	}
	defer connection.Close()
	line, err := bufio.NewReader(connection).ReadString('\n')
	if err != nil || strings.TrimSpace(line) != "second" {
		t.Errorf("%q, %v", line, err)
	}
}

func TestTheListOutlivesARestartAndBelongsToOneServer(t *testing.T) {
	data := place.Data(t.TempDir())
	made, err := newBalancer(data, "https://first:6443")
	if err != nil {
		t.Fatal(err)
	}
	if err := made.learn([]string{"10.0.0.1:6443", "10.0.0.2:6443"}); err != nil {
		t.Fatal(err)
	}
	again, err := newBalancer(data, "https://first:6443")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(again.list.ServerAddresses, " "); got != "10.0.0.1:6443 10.0.0.2:6443 first:6443" {
		t.Error(got)
	}
	other, err := newBalancer(data, "https://other:6443")
	if err != nil {
		t.Fatal(err)
	}
	if got := strings.Join(other.list.ServerAddresses, " "); got != "other:6443" {
		t.Errorf("another cluster's servers stayed: %s", got)
	}
}

func TestAnythingButHTTPSIsRefused(t *testing.T) {
	if _, err := newBalancer(place.Data(t.TempDir()), "http://first:6443"); err == nil || !strings.Contains(err.Error(), "only https://") {
		t.Error(err)
	}
}
