package supervisor

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"log"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// Upstream is the API server's listener. It has port 6443 too, on a loopback address of its own: the port
// that an API server listens on is the one that it tells the cluster.
const Upstream = "127.0.0.2"

// Identity that the API server takes a forwarded user from.
type Identity struct {
	Certificate tls.Certificate
	Roots       *x509.CertPool
}

// Forward hands requests to the API server. A client certificate ends here, so its user and groups travel
// in the headers of the aggregation layer; a bearer token just passes.
func Forward(identity Identity, address string) http.Handler {
	target := &url.URL{Scheme: "https", Host: address}
	trusted := upstream(identity.Roots, identity.Certificate)
	bare := upstream(identity.Roots)
	return &httputil.ReverseProxy{
		FlushInterval: -1,
		ErrorLog:      log.New(discard{}, "", 0),
		Transport:     chooser{trusted: trusted, bare: bare},
		Rewrite: func(request *httputil.ProxyRequest) {
			request.SetURL(target)
			request.Out.Host = request.In.Host
			for name := range request.Out.Header {
				if strings.HasPrefix(strings.ToLower(name), "x-remote-") {
					request.Out.Header.Del(name)
				}
			}
			if request.In.TLS == nil || len(request.In.TLS.VerifiedChains) == 0 {
				return
			}
			subject := request.In.TLS.VerifiedChains[0][0].Subject
			request.Out.Header.Set("X-Remote-User", subject.CommonName)
			for _, group := range subject.Organization {
				request.Out.Header.Add("X-Remote-Group", group)
			}
		},
		ErrorHandler: func(response http.ResponseWriter, _ *http.Request, _ error) {
			refuse(response, http.StatusServiceUnavailable, "apiserver not ready")
		},
	}
}

// A request with a user goes over the connection that may name users, any other one over the one that may
// not: a caller without a certificate can't borrow this program's.
type chooser struct{ trusted, bare http.RoundTripper }

func (c chooser) RoundTrip(request *http.Request) (*http.Response, error) {
	if request.Header.Get("X-Remote-User") != "" {
		return c.trusted.RoundTrip(request)
	}
	return c.bare.RoundTrip(request)
}

func upstream(roots *x509.CertPool, certificates ...tls.Certificate) *http.Transport {
	return &http.Transport{
		TLSClientConfig: &tls.Config{
			RootCAs: roots, Certificates: certificates, ServerName: "kubernetes", MinVersion: tls.VersionTLS12,
		},
		ForceAttemptHTTP2:   true,
		TLSHandshakeTimeout: 10 * time.Second,
		MaxIdleConnsPerHost: 64,
		IdleConnTimeout:     time.Minute,
	}
}

// Listen opens port 6443. The API server has the same port on its own address, hence the port sharing: the
// kernel gives a connection to the listener with the closer address.
func Listen(ctx context.Context, address string) (net.Listener, error) {
	share := func(_, _ string, connection syscall.RawConn) error {
		var failed error
		err := connection.Control(func(descriptor uintptr) {
			failed = unix.SetsockoptInt(int(descriptor), unix.SOL_SOCKET, unix.SO_REUSEPORT, 1)
		})
		if err != nil {
			return err
		}
		return failed
	}
	config := net.ListenConfig{Control: share}
	listener, err := config.Listen(ctx, "tcp", net.JoinHostPort(address, "6443"))
	if err != nil {
		return nil, err
	}
	return notUpstream{listener}, nil
}

// While the API server is down this listener would get what is meant for it, this program's own requests
// among them: those connections end at once, as if nobody listened.
type notUpstream struct{ net.Listener }

func (l notUpstream) Accept() (net.Conn, error) {
	for {
		connection, err := l.Listener.Accept()
		if err != nil {
			return nil, err
		}
		local, known := connection.LocalAddr().(*net.TCPAddr)
		if !known || !local.IP.Equal(net.ParseIP(Upstream)) {
			return connection, nil
		}
		_ = connection.Close()
	}
}

// Serve answers on the listener until the context ends.
func Serve(ctx context.Context, listener net.Listener, handler http.Handler, serving tls.Certificate, clients *x509.CertPool) error {
	server := &http.Server{
		Handler:  handler,
		ErrorLog: log.New(discard{}, "", 0),
		TLSConfig: &tls.Config{
			Certificates: []tls.Certificate{serving},
			ClientAuth:   tls.VerifyClientCertIfGiven,
			ClientCAs:    clients,
			MinVersion:   tls.VersionTLS12,
			NextProtos:   []string{"h2", "http/1.1"},
		},
		ReadHeaderTimeout: 30 * time.Second,
	}
	go func() {
		<-ctx.Done()
		_ = server.Close()
	}()
	return server.ServeTLS(listener, "", "")
}

// Handshakes that fail are the clients' to report.
type discard struct{}

func (discard) Write(text []byte) (int, error) { return len(text), nil }
