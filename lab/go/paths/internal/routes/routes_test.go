package routes

import (
	"context"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"homelab.invalid/lab/paths/internal/tunnel"
)

func TestANamesOwnRecordWinsOverTheNearestWildcard(t *testing.T) {
	known := Snapshot{Zones: []string{"lab.example"}, Names: map[string]string{
		"app.lab.example": "own", "*.lab.example": "far", "*.b.lab.example": "near",
	}}
	for name, wanted := range map[string]string{
		"app.lab.example": "own", "other.lab.example": "far", "a.b.lab.example": "near", "lab.example": "",
	} {
		if found, _ := known.Tunnel(name); found != wanted {
			t.Errorf("%s: %q", name, found)
		}
	}
	if known.Serves("badlab.example") || !known.Serves("lab.example") || !known.Serves("a.lab.example") {
		t.Error("a zone is its name and what ends with a dot and its name")
	}
}

func TestTheAPIIsReadAsCloudflareAnswers(t *testing.T) {
	token := tunnel.Token{Account: "acc", Tunnel: "T-1", Secret: []byte("secret")}.String()
	list := func(result string) string {
		return `{"success": true, "errors": [], "messages": [], "result": ` + result + `, "result_info": {"page": 1, "total_pages": 1}}`
	}
	reported := ""
	server := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.Header.Get("Authorization") != "Bearer key" {
			writer.WriteHeader(http.StatusForbidden)
			return
		}
		answers := map[string]string{
			"/client/v4/zones": list(`[{"id": "z1", "name": "lab.example", "account": {"id": "acc"}}]`),
			"/client/v4/zones/z1/dns_records": list(`[
				{"type": "CNAME", "name": "App.lab.example", "content": "t-1.cfargotunnel.com", "proxied": true},
				{"type": "CNAME", "name": "plain.lab.example", "content": "t-1.cfargotunnel.com", "proxied": false},
				{"type": "CNAME", "name": "www.lab.example", "content": "lab.example", "proxied": true},
				{"type": "A", "name": "lab.example", "content": "192.0.2.1", "proxied": true}]`),
			"/client/v4/accounts/acc/cfd_tunnel":                    list(`[{"id": "T-1", "deleted_at": null}, {"id": "gone", "deleted_at": "2026-01-01T00:00:00Z"}]`),
			"/client/v4/accounts/acc/cfd_tunnel/T-1/token":          `{"success": true, "result": "` + token + `"}`,
			"/client/v4/accounts/acc/cfd_tunnel/T-1/configurations": `{"success": true, "result": {"version": 3, "config": {"ingress": [{"service": "http_status:404"}]}}}`,
		}
		if request.URL.Path == "/lab/tunnels/t-1/connections" {
			text, _ := io.ReadAll(request.Body)
			reported = string(text)
			return
		}
		text, found := answers[request.URL.Path]
		if !found {
			writer.WriteHeader(http.StatusNotFound)
		}
		_, _ = io.WriteString(writer, text)
	}))
	defer server.Close()
	api := NewAPI(server.URL+"/client/v4", "key")
	read, err := api.Read(context.Background())
	if err != nil {
		t.Fatal(err)
	}
	if len(read.Names) != 1 || read.Names["app.lab.example"] != "t-1" || strings.Join(read.Zones, " ") != "lab.example" {
		t.Errorf("%+v", read)
	}
	found := read.Tunnels["t-1"]
	if len(read.Tunnels) != 1 || string(found.Secret) != "secret" || found.Version != 3 || len(found.Configuration.Ingress) != 1 {
		t.Errorf("%+v", read.Tunnels)
	}
	if err := api.Report(context.Background(), "t-1", []Connection{{ClientID: "c"}}); err != nil || !strings.Contains(reported, `"client_id":"c"`) {
		t.Errorf("%v, %s", err, reported)
	}
	if _, err := NewAPI(server.URL+"/client/v4", "guess").Read(context.Background()); err == nil {
		t.Error("a refusal was read as an empty configuration")
	}
}
