// Command edge is the lab's edge of the internet: it takes public names for tunnels, as Cloudflare's does.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"homelab.invalid/lab/paths/internal/authority"
	"homelab.invalid/lab/paths/internal/front"
	"homelab.invalid/lab/paths/internal/routes"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "edge:", err)
		os.Exit(1)
	}
}

func run() error {
	visitors := flag.String("visitors", "10.79.0.1:443", "where visitors come in by HTTPS")
	tunnels := flag.String("tunnels", "10.79.0.1:7844", "where connectors come in")
	sign := flag.String("authority", "10.79.0.1:8555", "where certificates for the tailnet's names are had")
	file := flag.String("ca", "ca.pem", "where the authority's certificate is written")
	api := flag.String("api", "", "Cloudflare's API, up to and with /client/v4; its token is in CLOUDFLARE_API_TOKEN")
	table := flag.String("routes", "", "a file with the configuration, instead of the API")
	headscale := flag.String("headscale", "http://10.79.0.1:8080", "the tailnet's control plane")
	domain := flag.String("tailnet", "tailnet.lab.test", "the tailnet's domain")
	flag.Parse()

	log := slog.New(slog.NewJSONHandler(os.Stdout, nil))
	made, err := authority.New(*file)
	if err != nil {
		return err
	}
	var source routes.Source = routes.File(*table)
	if *api != "" {
		source = routes.NewAPI(*api, os.Getenv("CLOUDFLARE_API_TOKEN"))
	}
	edge := &front.Edge{Source: source, Authority: made, Log: log}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()

	listeners := make([]net.Listener, 0, 3)
	for _, address := range []string{*tunnels, *sign, *visitors} {
		listener, err := net.Listen("tcp", address)
		if err != nil {
			return err
		}
		listeners = append(listeners, listener)
	}
	signer := &http.Server{
		Handler:           made.Handler(authority.Tailnet{Address: *headscale, Domain: *domain}),
		ReadHeaderTimeout: 10 * time.Second,
	}
	failed := make(chan error, 3)
	go func() { failed <- edge.Tunnels(ctx, listeners[0]) }()
	go func() { failed <- signer.Serve(listeners[1]) }()
	go func() { failed <- edge.Visitors(listeners[2]) }()
	go edge.Follow(ctx)
	select {
	case err := <-failed:
		return err
	case <-ctx.Done():
		return nil
	}
}
