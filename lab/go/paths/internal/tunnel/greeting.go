package tunnel

import (
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"time"
)

// ServerName is what cloudflared asks an edge for.
const ServerName = "h2.cftunnel.com"

const (
	// How long either side waits for the other's word.
	patience = 10 * time.Second
	longest  = 4096
	// Binds a proof to this very TLS session (RFC 9266 has the idea): who stands between two sessions can't
	// hand a proof on.
	binding = "EXPORTER-homelab-lab-tunnel"
)

// Hello is a connector's first word.
type Hello struct {
	Tunnel    string `json:"tunnel"`
	Connector string `json:"connector"`
	Index     int    `json:"index"`
	Version   string `json:"version"`
	Proof     []byte `json:"proof"`
}

// Welcome is the edge's answer; HTTP/2 begins after it, with the edge as the client.
type Welcome struct {
	Location string `json:"location"`
	Proof    []byte `json:"proof"`
	Error    string `json:"error,omitempty"`
}

// ErrImpostor means that the other side doesn't know the tunnel's secret.
var ErrImpostor = errors.New("the other side does not know this tunnel's secret")

// Greet is the connector's half. The edge's certificate is of an authority that this lab made for itself, so
// both prove that they know the tunnel's secret instead.
func Greet(ctx context.Context, connection *tls.Conn, secret []byte, hello Hello) (Welcome, error) {
	done, err := begin(ctx, connection)
	if err != nil {
		return Welcome{}, err
	}
	defer done()
	if hello.Proof, err = proof(connection, secret, "connector"); err != nil {
		return Welcome{}, err
	}
	if err := send(connection, hello); err != nil {
		return Welcome{}, err
	}
	var welcome Welcome
	if err := receive(connection, &welcome); err != nil {
		return Welcome{}, err
	}
	if welcome.Error != "" {
		return Welcome{}, fmt.Errorf("the edge refused: %s", welcome.Error)
	}
	wanted, err := proof(connection, secret, "edge")
	if err != nil {
		return Welcome{}, err
	}
	if !hmac.Equal(wanted, welcome.Proof) {
		return Welcome{}, ErrImpostor
	}
	return welcome, nil
}

// Receive is the edge's half; secret gives a tunnel's, or nil where there is no such tunnel.
func Receive(ctx context.Context, connection *tls.Conn, location string, secret func(string) []byte) (Hello, error) {
	done, err := begin(ctx, connection)
	if err != nil {
		return Hello{}, err
	}
	defer done()
	var hello Hello
	if err := receive(connection, &hello); err != nil {
		return Hello{}, err
	}
	known := secret(hello.Tunnel)
	wanted, err := proof(connection, known, "connector")
	if err != nil {
		return Hello{}, err
	}
	// One answer for both: it doesn't tell a guesser which tunnels there are.
	if known == nil || !hmac.Equal(wanted, hello.Proof) {
		return Hello{}, errors.Join(ErrImpostor, send(connection, Welcome{Error: "Unauthorized: Invalid tunnel secret"}))
	}
	answer := Welcome{Location: location}
	if answer.Proof, err = proof(connection, known, "edge"); err != nil {
		return Hello{}, err
	}
	return hello, send(connection, answer)
}

func begin(ctx context.Context, connection *tls.Conn) (func(), error) {
	if err := connection.SetDeadline(time.Now().Add(patience)); err != nil {
		return nil, err
	}
	if err := connection.HandshakeContext(ctx); err != nil {
		return nil, err
	}
	return func() { _ = connection.SetDeadline(time.Time{}) }, nil
}

func proof(connection *tls.Conn, secret []byte, role string) ([]byte, error) {
	state := connection.ConnectionState()
	session, err := state.ExportKeyingMaterial(binding, nil, sha256.Size)
	if err != nil {
		return nil, err
	}
	code := hmac.New(sha256.New, secret)
	code.Write([]byte(role))
	code.Write(session)
	return code.Sum(nil), nil
}

func send(connection io.Writer, message any) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	_, err = connection.Write(append(text, '\n'))
	return err
}

// Byte by byte: what comes after the line is HTTP/2's.
func receive(connection io.Reader, message any) error {
	var line []byte
	for one := make([]byte, 1); len(line) < longest; {
		if _, err := io.ReadFull(connection, one); err != nil {
			return err
		}
		if one[0] == '\n' {
			return json.Unmarshal(line, message)
		}
		line = append(line, one[0])
	}
	return fmt.Errorf("a greeting of more than %d bytes", longest)
}
