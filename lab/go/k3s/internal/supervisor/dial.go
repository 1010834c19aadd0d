package supervisor

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/token"
)

const clientTimeout = 10 * time.Second

// Access is a server that was asked for its CA, and what the token lets us say to it.
type Access struct {
	base   string
	CA     []byte
	token  token.Token
	client *http.Client
}

// Dial asks a server for its CA, holds it against the token's hash and trusts it from then on. A client
// certificate, when there is one, comes before the token.
func Dial(ctx context.Context, server, text string, certificates ...tls.Certificate) (*Access, error) {
	parsed, err := token.Parse(text)
	if err != nil {
		return nil, err
	}
	target, err := url.Parse(server)
	if err != nil {
		return nil, fmt.Errorf("Invalid server url, failed to parse: %s: %w", server, err)
	}
	if target.Scheme != "https" {
		return nil, errors.New("only https:// URLs are supported, invalid scheme: " + server)
	}
	access := &Access{base: strings.TrimRight(target.String(), "/"), token: parsed}
	blind := clientFor(&tls.Config{InsecureSkipVerify: true})
	if access.CA, err = access.send(ctx, blind, http.MethodGet, "/cacerts", nil, nil); err != nil {
		return nil, fmt.Errorf("failed to get CA certs: %w", err)
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(access.CA)
	trusting := clientFor(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	if _, err := access.send(ctx, trusting, http.MethodGet, "/cacerts", nil, nil); err != nil {
		return nil, fmt.Errorf("CA cert validation failed: %w", err)
	}
	if parsed.Hash == "" {
		warnOnce()
	} else if err := parsed.Check(access.CA); err != nil {
		return nil, err
	}
	access.client = clientFor(&tls.Config{RootCAs: roots, Certificates: certificates, MinVersion: tls.VersionTLS12})
	return access, nil
}

// A server is dialled every half a minute; once is enough to be told.
var warnOnce = sync.OnceFunc(func() {
	journal.Warnf("Cluster CA certificate is not trusted by the host CA bundle, but the token does not include a CA hash. " +
		"Use the full token from the server's node-token file to enable Cluster CA validation.")
})

func clientFor(config *tls.Config) *http.Client {
	return &http.Client{Timeout: clientTimeout, Transport: &http.Transport{TLSClientConfig: config, DisableKeepAlives: true}}
}

// StatusError is an answer other than 2xx.
type StatusError struct {
	URL    string
	Status string
	Code   int
}

func (e *StatusError) Error() string { return e.URL + ": " + e.Status }

// Get reads a path with the token's credentials.
func (a *Access) Get(ctx context.Context, path string) ([]byte, error) {
	return a.send(ctx, a.client, http.MethodGet, path, nil, a.authorize)
}

// Post sends a body to a path, with headers of the caller's.
func (a *Access) Post(ctx context.Context, path string, body []byte, headers http.Header) ([]byte, error) {
	return a.send(ctx, a.client, http.MethodPost, path, body, func(request *http.Request) {
		a.authorize(request)
		for name, values := range headers {
			request.Header[name] = values
		}
	})
}

// WithoutCertificate is the same access by token alone.
func (a *Access) WithoutCertificate() *Access {
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(a.CA)
	plain := *a
	plain.client = clientFor(&tls.Config{RootCAs: roots, MinVersion: tls.VersionTLS12})
	return &plain
}

func (a *Access) authorize(request *http.Request) {
	if a.token.Bootstrap != "" {
		request.Header.Set("Authorization", "Bearer "+a.token.Bootstrap)
	} else {
		request.SetBasicAuth(a.token.User, a.token.Password)
	}
}

func (a *Access) send(ctx context.Context, client *http.Client, method, path string, body []byte, prepare func(*http.Request)) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, a.base+path, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	if prepare != nil {
		prepare(request)
	}
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode/100 != 2 {
		return nil, &StatusError{URL: a.base + path, Status: response.Status, Code: response.StatusCode}
	}
	return text, nil
}
