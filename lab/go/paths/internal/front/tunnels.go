package front

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"time"

	"golang.org/x/net/http2"

	"homelab.invalid/lab/paths/internal/routes"
	"homelab.invalid/lab/paths/internal/tunnel"
)

// A connector that says nothing for so long is asked, and left when it doesn't answer.
const (
	quiet   = 5 * time.Second
	answers = 5 * time.Second
)

// One connection of a connector: the edge sends requests into it.
type connection struct {
	about  routes.Connection
	tunnel string
	secret []byte
	// What it was last told; nothing yet at -1.
	version int
	client  *http2.ClientConn
	gone    *watched
}

// Closes a channel when reading ends: HTTP/2's client doesn't tell.
type watched struct {
	net.Conn
	ended chan struct{}
	once  func()
}

func (w *watched) Read(into []byte) (int, error) {
	read, err := w.Conn.Read(into)
	if err != nil {
		w.once()
	}
	return read, err
}

// Tunnels takes connectors until the listener is closed.
func (e *Edge) Tunnels(ctx context.Context, listener net.Listener) error {
	for {
		plain, err := listener.Accept()
		if err != nil {
			return err
		}
		go func() {
			if err := e.connector(ctx, plain); err != nil {
				e.Log.Info("a connector was not taken", "from", plain.RemoteAddr().String(), "error", err.Error())
				plain.Close()
			}
		}()
	}
}

func (e *Edge) connector(ctx context.Context, plain net.Conn) error {
	certificate, err := e.Authority.For(tunnel.ServerName)
	if err != nil {
		return err
	}
	secured := tls.Server(plain, &tls.Config{Certificates: []tls.Certificate{*certificate}, MinVersion: tls.VersionTLS13})
	hello, err := tunnel.Receive(ctx, secured, Location, e.secret)
	if err != nil {
		return err
	}
	ended := make(chan struct{})
	wire := &watched{Conn: secured, ended: ended, once: once(func() { close(ended) })}
	transport := &http2.Transport{ReadIdleTimeout: quiet, PingTimeout: answers, DisableCompression: true}
	client, err := transport.NewClientConn(wire)
	if err != nil {
		return err
	}
	address, _, _ := net.SplitHostPort(plain.RemoteAddr().String())
	id := identity()
	made := &connection{
		tunnel: strings.ToLower(hello.Tunnel), version: -1, client: client, gone: wire,
		about: routes.Connection{
			ID: id, UUID: id, ClientID: hello.Connector, ClientVersion: hello.Version,
			Colo: Location, Opened: time.Now().UTC(), OriginIP: address,
		},
	}
	made.secret = e.secret(made.tunnel)
	if err := e.tell(ctx, made); err != nil {
		e.Log.Warn("a connector did not take its configuration", "tunnel", made.tunnel, "error", err.Error())
	}
	e.add(made)
	e.Log.Info("connector taken", "tunnel", made.tunnel, "connector", hello.Connector, "index", hello.Index)
	<-ended
	client.Close()
	e.remove(made)
	e.Log.Info("connector gone", "tunnel", made.tunnel, "connector", hello.Connector, "index", hello.Index)
	return nil
}

func (e *Edge) secret(name string) []byte {
	found, there := e.snapshot().Tunnels[strings.ToLower(name)]
	if !there {
		return nil
	}
	return found.Secret
}

// Pushes the tunnel's configuration, where the connection has another one.
func (e *Edge) tell(ctx context.Context, to *connection) error {
	told := e.snapshot().Tunnels[to.tunnel]
	if told.Version == to.version {
		return nil
	}
	body, err := json.Marshal(tunnel.Update{Version: told.Version, Configuration: told.Configuration})
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, answers)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, "https://cloudflared/", bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set(tunnel.Upgrade, tunnel.UpdateConfiguration)
	response, err := to.client.RoundTrip(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	// Once only: what it refuses now, it refuses again.
	to.version = told.Version
	var answer tunnel.Updated
	if err := json.NewDecoder(io.LimitReader(response.Body, 1<<16)).Decode(&answer); err != nil {
		return err
	}
	if answer.Error != "" {
		return errors.New(answer.Error)
	}
	return nil
}

func (e *Edge) add(made *connection) {
	e.lock.Lock()
	defer e.lock.Unlock()
	e.open = append(e.open, made)
}

func (e *Edge) remove(gone *connection) {
	e.lock.Lock()
	defer e.lock.Unlock()
	e.open = slices.DeleteFunc(e.open, func(one *connection) bool { return one == gone })
}

// The connections of a tunnel that take requests.
func (e *Edge) live(name string) []*connection {
	e.lock.Lock()
	defer e.lock.Unlock()
	var found []*connection
	for _, one := range e.open {
		if one.tunnel == name && one.client.CanTakeNewRequest() {
			found = append(found, one)
		}
	}
	return found
}

func (e *Edge) all() []*connection {
	e.lock.Lock()
	defer e.lock.Unlock()
	return slices.Clone(e.open)
}

func identity() string {
	var made [16]byte
	_, _ = rand.Read(made[:]) // never fails
	text := hex.EncodeToString(made[:])
	return fmt.Sprintf("%s-%s-%s-%s-%s", text[:8], text[8:12], text[12:16], text[16:20], text[20:])
}
