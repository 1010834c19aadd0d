// Package ui is the page of the stand-in.
package ui

import (
	"context"
	"errors"
	"html/template"
	"net/http"
	"time"

	"homelab.invalid/lab/longhorn/internal/api"
)

var page = template.Must(template.New("page").Parse(`<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>A stand-in for Longhorn</title>
<style>body{font-family:sans-serif;margin:2rem}td,th{padding:.2rem 1rem;text-align:left}</style>
<h1>A stand-in for Longhorn</h1>
<p>This is not Longhorn. It belongs to a lab of homelab: it keeps each volume as a folder on two nodes, shows it
in Longhorn's own objects, and writes backups of the bytes to S3. It can be looked at here and changed with kubectl.</p>
{{with .Fault}}<p>The objects cannot be read: {{.}}</p>{{end}}
<table>
<tr><th>Volume<th>Claim<th>State<th>Robustness<th>Node<th>Last backup
{{range .Volumes}}<tr><td>{{.Name}}<td>{{with .Status.Kubernetes}}{{.Namespace}}/{{.PVCName}}{{end}}<td>{{.Status.State}}<td>{{.Status.Robustness}}<td>{{.Status.CurrentNodeID}}<td>{{.Status.LastBackupAt}}
{{end}}</table>
</html>
`))

// Serve answers until the context ends.
func Serve(ctx context.Context, client *api.Client, address string) error {
	routes := http.NewServeMux()
	routes.HandleFunc("GET /{$}", func(writer http.ResponseWriter, request *http.Request) {
		var shown struct {
			Volumes []api.Volume
			Fault   error
		}
		shown.Volumes, shown.Fault = api.List[api.Volume](request.Context(), client, api.Volumes)
		writer.Header().Set("Content-Type", "text/html; charset=utf-8")
		_ = page.Execute(writer, shown)
	})
	routes.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	server := &http.Server{Addr: address, Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}
