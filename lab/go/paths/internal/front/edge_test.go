package front

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"io"
	"log/slog"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"homelab.invalid/lab/paths/internal/authority"
	"homelab.invalid/lab/paths/internal/connector"
	"homelab.invalid/lab/paths/internal/ingress"
	"homelab.invalid/lab/paths/internal/routes"
	"homelab.invalid/lab/paths/internal/tunnel"
)

// A source that the test changes.
type table struct {
	lock     sync.Mutex
	snapshot routes.Snapshot
	reported map[string]int
}

func (t *table) Read(context.Context) (routes.Snapshot, error) {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.snapshot, nil
}

func (t *table) Report(_ context.Context, tunnel string, connections []routes.Connection) error {
	t.lock.Lock()
	defer t.lock.Unlock()
	t.reported[tunnel] = len(connections)
	return nil
}

func (t *table) change(change func(*routes.Snapshot)) {
	t.lock.Lock()
	defer t.lock.Unlock()
	change(&t.snapshot)
}

func (t *table) connections() int {
	t.lock.Lock()
	defer t.lock.Unlock()
	return t.reported["t1"]
}

type world struct {
	t       *testing.T
	table   *table
	client  *http.Client
	tunnels string
	token   tunnel.Token
}

func listen(t *testing.T) net.Listener {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { listener.Close() })
	return listener
}

func start(t *testing.T, origin string) *world {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	made, err := authority.New(file)
	if err != nil {
		t.Fatal(err)
	}
	known := &table{reported: map[string]int{}, snapshot: routes.Snapshot{
		Zones: []string{"lab.example"},
		Names: map[string]string{"app.lab.example": "t1", "lost.lab.example": "t2"},
		Tunnels: map[string]routes.Tunnel{"t1": {Secret: []byte("secret"), Version: 1, Configuration: ingress.Configuration{
			Ingress: []ingress.Rule{{Hostname: "app.lab.example", Service: origin}, {Service: "http_status:404"}},
		}}},
	}}
	edge := &Edge{Source: known, Authority: made, Log: slog.New(slog.DiscardHandler)}
	visitors, tunnels := listen(t), listen(t)
	go func() { _ = edge.Visitors(visitors) }()
	go func() { _ = edge.Tunnels(t.Context(), tunnels) }()
	go edge.Follow(t.Context())
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(text)
	transport := &http.Transport{
		TLSClientConfig: &tls.Config{RootCAs: roots},
		DialContext: func(ctx context.Context, network, _ string) (net.Conn, error) {
			return new(net.Dialer).DialContext(ctx, network, visitors.Addr().String())
		},
		DisableKeepAlives: true,
	}
	return &world{
		t: t, table: known, client: &http.Client{Transport: transport}, tunnels: tunnels.Addr().String(),
		token: tunnel.Token{Account: "a", Tunnel: "t1", Secret: []byte("secret")},
	}
}

// Starts a connector; what it gives stops it.
func (w *world) connect(token tunnel.Token) (*connector.Connector, func()) {
	made := &connector.Connector{
		Token: token, Name: "c1", Version: "1", Edges: []string{w.tunnels}, Log: slog.New(slog.DiscardHandler),
	}
	ctx, stop := context.WithCancel(context.Background())
	ended := make(chan struct{})
	go func() { made.Run(ctx, 5*time.Second); close(ended) }()
	end := func() { stop(); <-ended }
	w.t.Cleanup(end)
	return made, end
}

func (w *world) get(name string, headers ...string) (int, string) {
	w.t.Helper()
	request, err := http.NewRequest(http.MethodGet, "https://"+name+"/path", nil)
	if err != nil {
		w.t.Fatal(err)
	}
	for index := 0; index < len(headers); index += 2 {
		request.Header.Set(headers[index], headers[index+1])
	}
	answer, err := w.client.Do(request)
	if err != nil {
		return 0, err.Error()
	}
	defer answer.Body.Close()
	text, _ := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text)
}

func (w *world) until(what string, holds func() bool) {
	w.t.Helper()
	for deadline := time.Now().Add(20 * time.Second); !holds(); {
		if time.Now().After(deadline) {
			w.t.Fatalf("never: %s", what)
		}
		time.Sleep(20 * time.Millisecond)
	}
}

func origin(t *testing.T) string {
	t.Helper()
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		request.Header.Set("Host", request.Host)
		_ = json.NewEncoder(writer).Encode(request.Header)
	}))
	t.Cleanup(server.Close)
	return server.URL
}

func TestARequestGoesThroughTheTunnelAndSaysHowItCame(t *testing.T) {
	w := start(t, origin(t))
	open, _ := w.connect(w.token)
	w.until("four connections", func() bool { return open.Ready() == connector.Connections && w.table.connections() == 4 })
	status, text := w.get("app.lab.example", "X-Forwarded-For", "192.0.2.1", "Cf-Connecting-Ip", "192.0.2.2")
	if status != http.StatusOK {
		t.Fatalf("%d %s", status, text)
	}
	var seen http.Header
	if err := json.Unmarshal([]byte(text), &seen); err != nil {
		t.Fatal(err)
	}
	for name, wanted := range map[string]string{
		"Host": "app.lab.example", "X-Forwarded-Proto": "https", "X-Forwarded-For": "192.0.2.1, 127.0.0.1",
		"Cf-Connecting-Ip": "127.0.0.1", "Cf-Visitor": `{"scheme":"https"}`,
	} {
		if seen.Get(name) != wanted {
			t.Errorf("%s: %q, not %q", name, seen.Get(name), wanted)
		}
	}
	if !strings.HasSuffix(seen.Get("Cf-Ray"), "-LAB") {
		t.Errorf("Cf-Ray: %q", seen.Get("Cf-Ray"))
	}
}

func TestWithoutARecordOrATunnelOrAConnectorNothingIsReached(t *testing.T) {
	w := start(t, origin(t))
	w.until("the zone is known", func() bool { status, _ := w.get("app.lab.example"); return status != 0 })
	for name, wanted := range map[string]struct {
		status int
		text   string
	}{
		"app.lab.example":   {530, "error code: 1033"},
		"lost.lab.example":  {530, "error code: 1033"},
		"other.lab.example": {409, "error code: 1001"},
	} {
		if status, text := w.get(name); status != wanted.status || !strings.Contains(text, wanted.text) {
			t.Errorf("%s: %d %s", name, status, text)
		}
	}
	if status, text := w.get("app.example.org"); status != 0 {
		t.Errorf("a zone that is not the edge's was answered: %d %s", status, text)
	}
}

func TestAConnectorThatEndsIsNotAskedAnyMore(t *testing.T) {
	w := start(t, origin(t))
	open, end := w.connect(w.token)
	w.until("a connection", func() bool { return open.Ready() > 0 })
	end()
	w.until("the edge says so", func() bool { status, _ := w.get("app.lab.example"); return status == 530 })
	w.until("the API is told", func() bool { return w.table.connections() == 0 })
}

func TestAnotherSecretOpensNoTunnelAndANewOneClosesIt(t *testing.T) {
	w := start(t, origin(t))
	other := w.token
	other.Secret = []byte("guess")
	wrong, _ := w.connect(other)
	open, _ := w.connect(w.token)
	w.until("a connection", func() bool { return open.Ready() == connector.Connections })
	if wrong.Ready() != 0 {
		t.Error("a connector with another secret was taken")
	}
	w.table.change(func(known *routes.Snapshot) {
		told := known.Tunnels["t1"]
		told.Secret = []byte("rotated")
		known.Tunnels = map[string]routes.Tunnel{"t1": told}
	})
	w.until("its connections are closed", func() bool { return open.Ready() == 0 })
}

func TestAChangedRuleIsPushed(t *testing.T) {
	w := start(t, origin(t))
	open, _ := w.connect(w.token)
	w.until("an answer", func() bool { status, _ := w.get("app.lab.example"); return status == 200 && open.Ready() == 4 })
	w.table.change(func(known *routes.Snapshot) {
		told := known.Tunnels["t1"]
		told.Version, told.Configuration.Ingress = 2, []ingress.Rule{{Service: "http_status:404"}}
		known.Tunnels = map[string]routes.Tunnel{"t1": told}
	})
	w.until("the new rule holds", func() bool { status, _ := w.get("app.lab.example"); return status == 404 })
}

func TestAnOriginThatIsDownIsABadGateway(t *testing.T) {
	w := start(t, "http://127.0.0.1:1")
	w.connect(w.token)
	w.until("a bad gateway", func() bool { status, _ := w.get("app.lab.example"); return status == 502 })
}
