// Command outpost stands in for Authentik's server in the lab, as far as Traefik asks it.
package main

import (
	"flag"
	"fmt"
	"net/http"
	"os"
	"time"

	"homelab.invalid/lab/paths/internal/outpost"
)

func main() {
	listen := flag.String("listen", ":9000", "where it listens")
	flag.Parse()
	server := &http.Server{Addr: *listen, Handler: outpost.Handler(), ReadHeaderTimeout: 10 * time.Second}
	fmt.Fprintln(os.Stderr, "outpost:", server.ListenAndServe())
	os.Exit(1)
}
