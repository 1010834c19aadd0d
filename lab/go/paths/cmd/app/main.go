// Command app stands in for an app whose image the lab can't have: it echoes requests.
package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"syscall"
	"time"

	"homelab.invalid/lab/paths/internal/echo"
)

func main() {
	name := flag.String("name", "jellyfin", "what it stands in for")
	listen := flag.String("listen", ":8096", "where it listens")
	folder := flag.String("folder", "/config", "its volume")
	flag.Parse()
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	app := echo.App{Name: *name + " (stand-in of the homelab lab)", Folder: *folder}
	server := &http.Server{Addr: *listen, Handler: app.Handler(), ReadHeaderTimeout: 10 * time.Second}
	go func() {
		<-ctx.Done()
		ending, cancel := context.WithTimeout(context.Background(), 5*time.Second)
		defer cancel()
		_ = server.Shutdown(ending)
	}()
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		fmt.Fprintln(os.Stderr, "app:", err)
		os.Exit(1)
	}
}
