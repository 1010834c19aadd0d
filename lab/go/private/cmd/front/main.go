// Command front ends HTTPS in a proxy's pod, where tailscaled hands connections on: Headscale's tailnet has no
// certificates that tailscaled could do it with.
package main

import (
	"context"
	"crypto/tls"
	"errors"
	"flag"
	"fmt"
	"net"
	"net/http"
	"net/http/httputil"
	"net/url"
	"os"
	"os/signal"
	"syscall"
	"time"

	"homelab.invalid/lab/private/internal/hand"
	"homelab.invalid/lab/private/internal/peers"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "front:", err)
		os.Exit(1)
	}
}

func run() error {
	listen := flag.String("listen", "127.0.0.1:8443", "where tailscaled hands connections on")
	target := flag.String("target", "", "where requests go")
	folder := flag.String("certificate", "/certificate", "the folder of tls.crt and tls.key")
	socket := flag.String("socket", "/tmp/tailscaled.sock", "tailscaled's own")
	flag.Parse()
	to, err := url.Parse(*target)
	if err != nil || to.Host == "" {
		return fmt.Errorf("-target: %q is no address", *target)
	}
	certificate, err := tls.LoadX509KeyPair(*folder+"/tls.crt", *folder+"/tls.key")
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", *listen)
	if err != nil {
		return err
	}
	server := &http.Server{
		Handler:           &httputil.ReverseProxy{Rewrite: func(request *httputil.ProxyRequest) { rewrite(request, to) }},
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig:         &tls.Config{Certificates: []tls.Certificate{certificate}, MinVersion: tls.VersionTLS12},
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	go peers.Call(ctx, *socket)
	go func() {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ending)
	}()
	err = server.ServeTLS(hand.Listener{Listener: listener}, "", "")
	if errors.Is(err, http.ErrServerClosed) {
		return nil
	}
	return err
}

// As `tailscale serve` does it: who asks, by which name, and that it was HTTPS.
func rewrite(request *httputil.ProxyRequest, to *url.URL) {
	request.SetURL(to)
	request.Out.Host = request.In.Host
	request.SetXForwarded()
}
