package supervisor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"homelab.invalid/lab/k3s/internal/pki"
)

// What an API server sees of a request: the proxy's certificate and the user in the headers.
func upstreamHandler(response http.ResponseWriter, request *http.Request) {
	proxy := "nobody"
	if len(request.TLS.VerifiedChains) > 0 {
		proxy = request.TLS.VerifiedChains[0][0].Subject.CommonName
	}
	fmt.Fprintf(response, "%s %s %s %s", proxy, request.Header.Get("X-Remote-User"),
		strings.Join(request.Header.Values("X-Remote-Group"), ","), request.Header.Get("Authorization"))
}

type world struct {
	server, client, header *pki.Authority
	directory              string
}

func newWorld(t *testing.T) world {
	t.Helper()
	made := world{directory: t.TempDir()}
	for name, into := range map[string]**pki.Authority{"server": &made.server, "client": &made.client, "header": &made.header} {
		authority, err := pki.EnsureAuthority(filepath.Join(made.directory, name), name)
		if err != nil {
			t.Fatal(err)
		}
		*into = authority
	}
	return made
}

func (w world) pair(t *testing.T, by *pki.Authority, subject pki.Subject) tls.Certificate {
	t.Helper()
	base := filepath.Join(w.directory, "leaf-"+subject.Name)
	if err := by.Ensure(base, subject); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(base+".crt", base+".key")
	if err != nil {
		t.Fatal(err)
	}
	return pair
}

func pool(authority *pki.Authority) *x509.CertPool {
	made := x509.NewCertPool()
	made.AppendCertsFromPEM(authority.PEM)
	return made
}

func serve(t *testing.T, handler http.Handler, serving tls.Certificate, clients *x509.CertPool) string {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(t.Context())
	t.Cleanup(cancel)
	go func() { _ = Serve(ctx, listener, handler, serving, clients) }()
	return listener.Addr().String()
}

func TestAUserWithACertificateTravelsInHeadersAndNobodyElseCan(t *testing.T) {
	w := newWorld(t)
	serving := w.pair(t, w.server, pki.Subject{Name: "serving", DNS: []string{"kubernetes"}, Addresses: []net.IP{net.IPv4(127, 0, 0, 1)}, Server: true})
	proxy := w.pair(t, w.header, pki.Subject{Name: "system:auth-proxy", Client: true})
	admin := w.pair(t, w.client, pki.Subject{Name: "system:admin", Organization: []string{"system:masters"}, Client: true})
	back := serve(t, http.HandlerFunc(upstreamHandler), serving, pool(w.header))
	front := serve(t, Forward(Identity{Certificate: proxy, Roots: pool(w.server)}, back), serving, pool(w.client))

	ask := func(certificates ...tls.Certificate) string {
		client := clientFor(&tls.Config{RootCAs: pool(w.server), Certificates: certificates})
		request, err := http.NewRequest(http.MethodGet, "https://"+front+"/api", nil)
		if err != nil {
			t.Fatal(err)
		}
		request.Header.Set("X-Remote-User", "intruder")
		request.Header.Set("X-Remote-Group", "system:masters")
		request.Header.Set("Authorization", "Bearer token")
		response, err := client.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		defer response.Body.Close()
		text, err := io.ReadAll(response.Body)
		if err != nil {
			t.Fatal(err)
		}
		return string(text)
	}
	if got := ask(admin); got != "system:auth-proxy system:admin system:masters Bearer token" {
		t.Errorf("with a certificate: %q", got)
	}
	if got := ask(); got != "nobody   Bearer token" {
		t.Errorf("without one: %q", got)
	}
}
