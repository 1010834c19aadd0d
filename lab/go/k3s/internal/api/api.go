// Package api talks to the Kubernetes API in plain JSON: the few calls that k3s itself makes.
package api

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"
)

// Client is one identity at one API server.
type Client struct {
	base string
	http *http.Client
}

// Object is any Kubernetes object.
type Object = map[string]any

// Meta is what every object has.
type Meta struct {
	Metadata struct {
		Name            string            `json:"name"`
		ResourceVersion string            `json:"resourceVersion"`
		Labels          map[string]string `json:"labels"`
		Annotations     map[string]string `json:"annotations"`
	} `json:"metadata"`
}

// Node is as much of a Node as k3s looks at.
type Node struct {
	Meta
	Spec struct {
		PodCIDR string `json:"podCIDR"`
	} `json:"spec"`
	Status struct {
		Addresses []struct {
			Type    string `json:"type"`
			Address string `json:"address"`
		} `json:"addresses"`
	} `json:"status"`
}

// Address of a type, such as InternalIP.
func (n Node) Address(kind string) string {
	for _, address := range n.Status.Addresses {
		if address.Type == kind {
			return address.Address
		}
	}
	return ""
}

// StatusError is an answer other than 2xx.
type StatusError struct {
	Code    int
	Message string
}

func (e *StatusError) Error() string { return fmt.Sprintf("%d: %s", e.Code, e.Message) }

// NotFound tells whether the API said that there is no such thing.
func NotFound(err error) bool { return hasCode(err, http.StatusNotFound) }

// AlreadyExists tells whether somebody else was first.
func AlreadyExists(err error) bool { return hasCode(err, http.StatusConflict) }

func hasCode(err error, code int) bool {
	var status *StatusError
	return errors.As(err, &status) && status.Code == code
}

// New reads the CA and a client certificate with its key from files.
func New(base, authority, certificate, key string) (*Client, error) {
	bundle, err := os.ReadFile(authority)
	if err != nil {
		return nil, err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(bundle)
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, err
	}
	transport := &http.Transport{
		TLSClientConfig:     &tls.Config{RootCAs: roots, Certificates: []tls.Certificate{pair}, MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout: 10 * time.Second,
		ForceAttemptHTTP2:   true,
		IdleConnTimeout:     30 * time.Second,
	}
	return &Client{base: base, http: &http.Client{Transport: transport}}, nil
}

// Get decodes an object into the target.
func (c *Client) Get(ctx context.Context, path string, target any) error {
	return c.call(ctx, http.MethodGet, path, "", nil, target)
}

// Create posts an object.
func (c *Client) Create(ctx context.Context, path string, object any) error {
	return c.call(ctx, http.MethodPost, path, "application/json", object, nil)
}

// CreateText posts an object that is JSON already.
func (c *Client) CreateText(ctx context.Context, path, object string) error {
	return c.call(ctx, http.MethodPost, path, "application/json", json.RawMessage(object), nil)
}

// Merge patches an object; a null removes a key.
func (c *Client) Merge(ctx context.Context, path string, patch any) error {
	return c.call(ctx, http.MethodPatch, path, "application/merge-patch+json", patch, nil)
}

// Delete removes an object; one that is gone already is no error.
func (c *Client) Delete(ctx context.Context, path string) error {
	err := c.call(ctx, http.MethodDelete, path, "", nil, nil)
	if NotFound(err) {
		return nil
	}
	return err
}

// Ready tells whether the API server answers for itself and the datastore.
func (c *Client) Ready(ctx context.Context) error {
	return c.call(ctx, http.MethodGet, "/readyz", "", nil, nil)
}

func (c *Client) call(ctx context.Context, method, path, kind string, body, target any) error {
	ctx, cancel := context.WithTimeout(ctx, 15*time.Second)
	defer cancel()
	response, err := c.send(ctx, method, path, kind, body)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if target == nil {
		_, err = io.Copy(io.Discard, response.Body)
		return err
	}
	return json.NewDecoder(response.Body).Decode(target)
}

func (c *Client) send(ctx context.Context, method, path, kind string, body any) (*http.Response, error) {
	var content io.Reader
	if body != nil {
		text, err := json.Marshal(body)
		if err != nil {
			return nil, err
		}
		content = bytes.NewReader(text)
	}
	request, err := http.NewRequestWithContext(ctx, method, c.base+path, content)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Accept", "application/json")
	if kind != "" {
		request.Header.Set("Content-Type", kind)
	}
	response, err := c.http.Do(request)
	if err != nil {
		return nil, err
	}
	if response.StatusCode < 300 {
		return response, nil
	}
	defer response.Body.Close()
	text, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
	var status struct{ Message string }
	if json.Unmarshal(text, &status) != nil || status.Message == "" {
		status.Message = string(text)
	}
	return nil, &StatusError{Code: response.StatusCode, Message: status.Message}
}

// Event is a change seen by a watch.
type Event struct {
	Type   string `json:"type"`
	Object Node   `json:"object"`
}

// WatchNodes calls back once with all nodes and then for each change, until the watch ends, which it does
// now and then: call it again.
func (c *Client) WatchNodes(ctx context.Context, listed func([]Node), changed func(Event)) error {
	var list struct {
		Meta
		Items []Node `json:"items"`
	}
	if err := c.Get(ctx, "/api/v1/nodes", &list); err != nil {
		return err
	}
	listed(list.Items)
	path := "/api/v1/nodes?watch=1&timeoutSeconds=300&resourceVersion=" + list.Metadata.ResourceVersion
	response, err := c.send(ctx, http.MethodGet, path, "", nil)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	decoder := json.NewDecoder(response.Body)
	for {
		var event Event
		if err := decoder.Decode(&event); err != nil {
			if errors.Is(err, io.EOF) {
				return nil
			}
			return err
		}
		if event.Type == "ERROR" {
			return errors.New("the watch of nodes has to begin again")
		}
		changed(event)
	}
}
