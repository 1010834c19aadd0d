// Command cloudflared stands in for Cloudflare's in the lab: it opens the tunnel of its token to the lab's
// edge. It is not cloudflared and says so.
package main

import (
	"context"
	"crypto/rand"
	"errors"
	"flag"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"homelab.invalid/lab/paths/internal/connector"
	"homelab.invalid/lab/paths/internal/tunnel"
)

// Version is stamped in: the one that the image is named by.
var Version = "0"

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// What the command line and the environment say; a flag may stand on either side of `run`.
type settings struct {
	metrics, protocol, edge, token, tokenFile string
	grace                                     time.Duration
	version                                   bool
}

func read(arguments []string) (settings, []string, error) {
	var made settings
	flags := flag.NewFlagSet("cloudflared", flag.ContinueOnError)
	from := func(variable, usual string) string {
		if value := os.Getenv(variable); value != "" {
			return value
		}
		return usual
	}
	flags.StringVar(&made.metrics, "metrics", from("TUNNEL_METRICS", "127.0.0.1:20241"), "where probes and Prometheus are answered")
	flags.StringVar(&made.protocol, "protocol", from("TUNNEL_TRANSPORT_PROTOCOL", "auto"), "http2, or auto, which is the same here")
	flags.StringVar(&made.edge, "edge", from("TUNNEL_EDGE", "region1.v2.argotunnel.com:7844,region2.v2.argotunnel.com:7844"), "addresses of the edge")
	flags.StringVar(&made.token, "token", from("TUNNEL_TOKEN", ""), "the tunnel's token")
	flags.StringVar(&made.tokenFile, "token-file", from("TUNNEL_TOKEN_FILE", ""), "a file with it")
	flags.DurationVar(&made.grace, "grace-period", 30*time.Second, "how long requests may take to end")
	flags.BoolVar(&made.version, "version", false, "say what this is")
	// Asked for by the image and by people; nothing to do here.
	flags.Bool("no-autoupdate", false, "ignored")
	flags.String("loglevel", "info", "ignored")
	var words []string
	for rest := arguments; ; rest = flags.Args()[1:] {
		if err := flags.Parse(rest); err != nil {
			return made, nil, err
		}
		if flags.NArg() == 0 {
			return made, words, nil
		}
		words = append(words, flags.Arg(0))
	}
}

func run(arguments []string) error {
	asked, words, err := read(arguments)
	if err != nil {
		return err
	}
	command := strings.Join(words, " ")
	if asked.version || command == "version" {
		fmt.Printf("cloudflared version %s (stand-in of the homelab lab)\n", Version)
		return nil
	}
	if command != "tunnel run" {
		return fmt.Errorf("the lab's cloudflared knows `tunnel run` and `version`, not %q", command)
	}
	if asked.protocol != "http2" && asked.protocol != "auto" {
		return fmt.Errorf("the lab's cloudflared speaks http2, not %s", asked.protocol)
	}
	if asked.tokenFile != "" && asked.token == "" {
		text, err := os.ReadFile(asked.tokenFile)
		if err != nil {
			return err
		}
		asked.token = string(text)
	}
	token, err := tunnel.ParseToken(asked.token)
	if err != nil {
		return err
	}
	return keep(asked, token)
}

func keep(asked settings, token tunnel.Token) error {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	log.Info("Starting tunnel (stand-in of the homelab lab)", "tunnelID", token.Tunnel, "version", Version)
	open := &connector.Connector{Token: token, Name: identity(), Version: Version, Edges: strings.Split(asked.edge, ","), Log: log}
	listener, err := net.Listen("tcp", asked.metrics)
	if err != nil {
		return err
	}
	observer := &http.Server{Handler: open.Observe(), ReadHeaderTimeout: 10 * time.Second}
	failed := make(chan error, 1)
	go func() { failed <- observer.Serve(listener) }()
	ended := make(chan struct{})
	go func() { open.Run(ctx, asked.grace); close(ended) }()
	select {
	case err := <-failed:
		return errors.Join(errors.New("the metrics server ended"), err)
	case <-ended:
		return nil
	}
}

// A UUID of version 4.
func identity() string {
	var made [16]byte
	_, _ = rand.Read(made[:]) // never fails
	made[6], made[8] = made[6]&0x0f|0x40, made[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", made[:4], made[4:6], made[6:8], made[8:10], made[10:])
}
