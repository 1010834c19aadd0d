// Package kube is as much of a Kubernetes client as the stand-in for Tailscale's operator needs: plain JSON,
// as the service account of the pod that it runs in.
package kube

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"time"
)

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

// Manager is the field manager of what is applied.
const Manager = "tailscale-operator"

// Client talks to one API server.
type Client struct {
	base  string
	token func() (string, error)
	http  http.Client
}

// InCluster is the client of a pod.
func InCluster() (*Client, error) {
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	made := New("https://" + net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT")))
	made.http.Transport = &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}, IdleConnTimeout: 30 * time.Second}
	// The file is written anew before a token runs out.
	made.token = func() (string, error) {
		text, err := os.ReadFile(account + "token")
		return string(text), err
	}
	return made, nil
}

// New is a client without a token, for tests.
func New(base string) *Client {
	return &Client{base: base, http: http.Client{Timeout: 30 * time.Second}, token: func() (string, error) { return "", nil }}
}

// ErrNotFound means that there is no such object.
var ErrNotFound = errors.New("not found")

// Get decodes an object, or a list, into the target.
func (c *Client) Get(ctx context.Context, path string, target any) error {
	return c.call(ctx, http.MethodGet, path, "", nil, target)
}

// Create posts an object.
func (c *Client) Create(ctx context.Context, path string, object any) error {
	return c.call(ctx, http.MethodPost, path, "application/json", object, nil)
}

// Apply makes an object what it is here, as server-side apply does.
func (c *Client) Apply(ctx context.Context, path string, object any) error {
	return c.call(ctx, http.MethodPatch, path+"?fieldManager="+Manager+"&force=true", "application/apply-patch+yaml", object, nil)
}

// Merge changes fields; a null removes one.
func (c *Client) Merge(ctx context.Context, path string, patch any) error {
	return c.call(ctx, http.MethodPatch, path+"?fieldManager="+Manager, "application/merge-patch+json", patch, nil)
}

// Delete removes an object; one that is gone already is no error.
func (c *Client) Delete(ctx context.Context, path string) error {
	err := c.call(ctx, http.MethodDelete, path, "", nil, nil)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	return err
}

func (c *Client) call(ctx context.Context, method, path, kind string, body, target any) error {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return err
	}
	token, err := c.token()
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	switch {
	case response.StatusCode == http.StatusNotFound:
		return fmt.Errorf("%s %s: %w", method, path, ErrNotFound)
	case response.StatusCode >= 300:
		text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		var status struct{ Message string }
		if json.Unmarshal(text, &status) == nil && status.Message != "" {
			text = []byte(status.Message)
		}
		return fmt.Errorf("%s %s: %s: %s", method, path, response.Status, text)
	case target == nil:
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	return json.NewDecoder(response.Body).Decode(target)
}
