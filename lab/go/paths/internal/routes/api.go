package routes

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"homelab.invalid/lab/paths/internal/ingress"
	"homelab.invalid/lab/paths/internal/tunnel"
)

// API is the lab's stand-in for Cloudflare's: the calls are Cloudflare's own, but for Report.
type API struct {
	base  string
	token string
	http  http.Client
}

// NewAPI takes the address up to and with `/client/v4`.
func NewAPI(base, token string) *API {
	return &API{base: strings.TrimSuffix(base, "/"), token: token, http: http.Client{Timeout: 10 * time.Second}}
}

type zone struct {
	ID      string
	Name    string
	Account struct{ ID string }
}

type record struct {
	Type    string
	Name    string
	Content string
	Proxied bool
}

func (a *API) Read(ctx context.Context) (Snapshot, error) {
	made := Snapshot{Names: map[string]string{}, Tunnels: map[string]Tunnel{}}
	zones, err := pages[zone](ctx, a, "/zones")
	if err != nil {
		return made, err
	}
	seen := map[string]bool{}
	for _, zone := range zones {
		made.Zones = append(made.Zones, zone.Name)
		records, err := pages[record](ctx, a, "/zones/"+url.PathEscape(zone.ID)+"/dns_records")
		if err != nil {
			return made, err
		}
		lead(made.Names, records)
		if account := zone.Account.ID; account != "" && !seen[account] {
			seen[account] = true
			if err := a.tunnels(ctx, account, made.Tunnels); err != nil {
				return made, err
			}
		}
	}
	return made, nil
}

// A record that is not proxied sends the world to an address that nothing listens at.
func lead(names map[string]string, records []record) {
	for _, record := range records {
		id, found := strings.CutSuffix(strings.ToLower(record.Content), Suffix)
		if found && record.Type == "CNAME" && record.Proxied {
			names[strings.ToLower(record.Name)] = id
		}
	}
}

func (a *API) tunnels(ctx context.Context, account string, into map[string]Tunnel) error {
	root := "/accounts/" + url.PathEscape(account) + "/cfd_tunnel"
	type listed struct {
		ID      string
		Deleted *time.Time `json:"deleted_at"`
	}
	found, err := pages[listed](ctx, a, root+"?is_deleted=false")
	if err != nil {
		return err
	}
	for _, one := range found {
		if one.Deleted != nil {
			continue
		}
		path := root + "/" + url.PathEscape(one.ID)
		var token string
		if _, err := a.get(ctx, path+"/token", &token); err != nil {
			return err
		}
		read, err := tunnel.ParseToken(token)
		if err != nil {
			return fmt.Errorf("tunnel %s: %w", one.ID, err)
		}
		var told struct {
			Version int
			Config  *ingress.Configuration
		}
		if _, err := a.get(ctx, path+"/configurations", &told); err != nil && !errors.Is(err, errNotFound) {
			return err
		}
		made := Tunnel{Account: account, Secret: read.Secret, Version: told.Version}
		if told.Config != nil {
			made.Configuration = *told.Config
		}
		into[strings.ToLower(one.ID)] = made
	}
	return nil
}

// Report is the lab's own addition: at Cloudflare the edge tells its API by itself.
func (a *API) Report(ctx context.Context, tunnel string, connections []Connection) error {
	root := strings.TrimSuffix(a.base, "/client/v4")
	body, err := json.Marshal(connections)
	if err != nil {
		return err
	}
	_, err = a.call(ctx, http.MethodPost, root+"/lab/tunnels/"+url.PathEscape(tunnel)+"/connections", body)
	return err
}

type answer struct {
	Success bool
	Errors  []struct {
		Code    int
		Message string
	}
	Result json.RawMessage
	Info   struct {
		Page  int
		Pages int `json:"total_pages"`
	} `json:"result_info"`
}

func pages[T any](ctx context.Context, a *API, path string) ([]T, error) {
	var all []T
	mark := "?"
	if strings.Contains(path, "?") {
		mark = "&"
	}
	for page := 1; ; page++ {
		var some []T
		info, err := a.get(ctx, fmt.Sprintf("%s%sper_page=50&page=%d", path, mark, page), &some)
		if err != nil {
			return nil, err
		}
		all = append(all, some...)
		if page >= info {
			return all, nil
		}
	}
}

// Also gives the number of pages.
func (a *API) get(ctx context.Context, path string, target any) (int, error) {
	text, err := a.call(ctx, http.MethodGet, a.base+path, nil)
	if err != nil {
		return 0, err
	}
	var read answer
	if err := json.Unmarshal(text, &read); err != nil {
		return 0, fmt.Errorf("%s: %w", path, err)
	}
	if !read.Success {
		return 0, fmt.Errorf("%s: %v", path, read.Errors)
	}
	return read.Info.Pages, json.Unmarshal(read.Result, target)
}

var errNotFound = errors.New("not found")

func (a *API) call(ctx context.Context, method, address string, body []byte) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, address, bytes.NewReader(body))
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+a.token)
	request.Header.Set("Content-Type", "application/json")
	response, err := a.http.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	text, err := io.ReadAll(io.LimitReader(response.Body, 16<<20))
	if err != nil {
		return nil, err
	}
	switch {
	case response.StatusCode == http.StatusNotFound:
		return nil, fmt.Errorf("%s %s: %w", method, address, errNotFound)
	case response.StatusCode >= 300:
		return nil, fmt.Errorf("%s %s: %s: %.300s", method, address, response.Status, text)
	}
	return text, nil
}
