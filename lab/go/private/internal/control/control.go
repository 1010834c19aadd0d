// Package control is Headscale's API and the lab's authority, which stand where Tailscale's API and
// Let's Encrypt are for the real operator.
package control

import (
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"time"
)

// A key is for one proxy that starts right away.
const keyFor = time.Hour

// Plane is the tailnet's control plane, and the authority for its names.
type Plane struct {
	// Headscale and Authority are addresses up to the host.
	Headscale, Authority string
	// Key of Headscale's API.
	Key string
	// User is whom auth keys belong to.
	User string
}

// Device is a node of the tailnet.
type Device struct {
	ID        string   `json:"id"`
	Name      string   `json:"givenName"`
	Addresses []string `json:"ipAddresses"`
}

// AuthKey makes a key that lets one device in, with a tag.
func (p Plane) AuthKey(ctx context.Context, tag string) (string, error) {
	var users struct {
		Users []struct{ ID, Name string }
	}
	if err := p.call(ctx, http.MethodGet, "/api/v1/user?name="+url.QueryEscape(p.User), nil, &users); err != nil {
		return "", err
	}
	for _, user := range users.Users {
		if user.Name != p.User {
			continue
		}
		var made struct {
			Key struct{ Key string } `json:"preAuthKey"`
		}
		err := p.call(ctx, http.MethodPost, "/api/v1/preauthkey", map[string]any{
			"user": user.ID, "reusable": false, "ephemeral": false, "aclTags": []string{tag},
			"expiration": time.Now().Add(keyFor).UTC().Format(time.RFC3339),
		}, &made)
		return made.Key.Key, err
	}
	return "", fmt.Errorf("Headscale has no user %s", p.User)
}

// Devices lists the tailnet's nodes.
func (p Plane) Devices(ctx context.Context) ([]Device, error) {
	var read struct{ Nodes []Device }
	err := p.call(ctx, http.MethodGet, "/api/v1/node", nil, &read)
	return read.Nodes, err
}

// Remove takes a device out of the tailnet.
func (p Plane) Remove(ctx context.Context, id string) error {
	return p.call(ctx, http.MethodDelete, "/api/v1/node/"+url.PathEscape(id), nil, nil)
}

// Certificate makes a key and has its certificate signed: both in PEM.
func (p Plane) Certificate(ctx context.Context, name string) (certificate, key []byte, err error) {
	made, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, nil, err
	}
	request, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: []string{name}}, made)
	if err != nil {
		return nil, nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(made)
	if err != nil {
		return nil, nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: request})
	certificate, err = p.send(ctx, http.MethodPost, p.Authority+"/sign", text)
	return certificate, pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), err
}

func (p Plane) call(ctx context.Context, method, path string, body, target any) error {
	var text []byte
	if body != nil {
		var err error
		if text, err = json.Marshal(body); err != nil {
			return err
		}
	}
	answer, err := p.send(ctx, method, p.Headscale+path, text)
	if err != nil || target == nil {
		return err
	}
	return json.Unmarshal(answer, target)
}

func (p Plane) send(ctx context.Context, method, address string, body []byte) ([]byte, error) {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+p.Key)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err == nil && response.StatusCode >= 300 {
		err = fmt.Errorf("%s %s: %s: %.300s", method, address, response.Status, text)
	}
	return text, err
}

// Explain says what the lab takes for the operator's OAuth client.
func Explain(err error) error {
	return fmt.Errorf("Headscale was not to be asked: %w; in the lab, client_secret of Secret operator-oauth is a key of its API", err)
}
