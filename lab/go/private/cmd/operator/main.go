// Command operator stands in for Tailscale's in the lab: real tailscaled behind each Ingress of its class, let
// in by the lab's Headscale.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"

	"homelab.invalid/lab/private/internal/control"
	"homelab.invalid/lab/private/internal/kube"
	"homelab.invalid/lab/private/internal/proxy"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, "operator:", err)
		os.Exit(1)
	}
}

func run() error {
	var made proxy.Operator
	flag.StringVar(&made.Plane.Headscale, "login-server", "http://10.79.0.1:8080", "the tailnet's control plane")
	flag.StringVar(&made.Plane.Authority, "authority", "http://10.79.0.1:8555", "who signs certificates for its names")
	flag.StringVar(&made.Plane.User, "user", "homelab", "whom auth keys belong to")
	flag.StringVar(&made.Namespace, "namespace", "tailscale", "where proxies are made")
	flag.StringVar(&made.Tag, "proxy-tag", "tag:k8s", "the proxies' tag")
	flag.StringVar(&made.Domain, "domain", "tailnet.lab.test", "the tailnet's domain")
	flag.StringVar(&made.Image, "proxy-image", "", "the proxies' image")
	flag.StringVar(&made.DefaultClass, "default-class", "", "the ProxyClass of who names none")
	oauth := flag.String("oauth", "/oauth", "the folder of client_id and client_secret")
	flag.Parse()

	key, err := os.ReadFile(filepath.Join(*oauth, "client_secret"))
	if err != nil {
		return err
	}
	made.Plane.Key = strings.TrimSpace(string(key))
	if made.Kube, err = kube.InCluster(); err != nil {
		return err
	}
	made.Log = slog.New(slog.NewTextHandler(os.Stdout, nil))
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	// A key that nobody knows is told by a start that fails, and not by silence.
	devices, err := made.Plane.Devices(ctx)
	if err != nil {
		return control.Explain(err)
	}
	made.Log.Info("Starting operator (stand-in of the homelab lab)", "devices", len(devices), "tag", made.Tag)
	made.Run(ctx)
	return nil
}
