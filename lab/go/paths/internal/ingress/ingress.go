// Package ingress is a tunnel's remote configuration: which name leads to which service, first match first.
package ingress

import (
	"errors"
	"fmt"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// Configuration is what Cloudflare's API keeps for a tunnel, as far as the lab knows it.
type Configuration struct {
	Ingress []Rule `json:"ingress"`
}

// Rule leads a name, and what of its paths matches, to a service.
type Rule struct {
	Hostname string `json:"hostname,omitempty"`
	Path     string `json:"path,omitempty"`
	Service  string `json:"service"`
	Origin   Origin `json:"originRequest,omitzero"`
}

// Origin is how a service is asked.
type Origin struct {
	HostHeader string `json:"httpHostHeader,omitempty"`
}

// Target is where a request goes: an address, or a status that answers it.
type Target struct {
	URL        *url.URL
	Status     int
	HostHeader string
}

// Table is a configuration that was checked.
type Table struct{ rules []rule }

type rule struct {
	hostname string
	path     *regexp.Regexp
	target   Target
}

// Nothing is what a connector has before it was told anything: each request is answered with 503.
func Nothing() *Table { return &Table{rules: []rule{{target: Target{Status: 503}}}} }

// Parse checks a configuration as cloudflared does: the last rule, and no other, must match everything.
func Parse(configuration Configuration) (*Table, error) {
	if len(configuration.Ingress) == 0 {
		return Nothing(), nil
	}
	var table Table
	for index, given := range configuration.Ingress {
		number := index + 1
		last := number == len(configuration.Ingress)
		all := (given.Hostname == "" || given.Hostname == "*") && given.Path == ""
		if last && !all {
			return nil, errors.New("The last ingress rule must match all URLs (i.e. it should not have a hostname or path filter)")
		}
		if !last && all {
			return nil, fmt.Errorf("Rule #%d is matching the hostname '%s', but this will match every hostname, meaning the rules which follow it will never be triggered.", number, given.Hostname)
		}
		if strings.LastIndex(given.Hostname, "*") > 0 || (strings.HasPrefix(given.Hostname, "*") && given.Hostname != "*" && !strings.HasPrefix(given.Hostname, "*.")) {
			return nil, fmt.Errorf("Rule #%d: hostname patterns can have at most one wildcard character (\"*\") and it can only be used for subdomains, e.g. \"*.example.com\"", number)
		}
		made := rule{hostname: strings.ToLower(given.Hostname)}
		var err error
		if given.Path != "" {
			if made.path, err = regexp.Compile(given.Path); err != nil {
				return nil, fmt.Errorf("Rule #%d has an invalid regex: %w", number, err)
			}
		}
		if made.target, err = target(given); err != nil {
			return nil, fmt.Errorf("Rule #%d: %w", number, err)
		}
		table.rules = append(table.rules, made)
	}
	return &table, nil
}

func target(given Rule) (Target, error) {
	if code, found := strings.CutPrefix(given.Service, "http_status:"); found {
		status, err := strconv.Atoi(code)
		if err != nil || status < 100 || status > 999 {
			return Target{}, fmt.Errorf("%s is no HTTP status", given.Service)
		}
		return Target{Status: status}, nil
	}
	address, err := url.Parse(given.Service)
	if err != nil {
		return Target{}, err
	}
	if (address.Scheme != "http" && address.Scheme != "https") || address.Host == "" {
		return Target{}, fmt.Errorf("%s: the lab's cloudflared knows http://, https:// and http_status:", given.Service)
	}
	if address.Path != "" {
		return Target{}, fmt.Errorf("%s is an invalid address, ingress rules don't support proxying to a different path on the origin service", given.Service)
	}
	return Target{URL: address, HostHeader: given.Origin.HostHeader}, nil
}

// Find gives the target of a name (without a port) and a path.
func (t *Table) Find(hostname, path string) Target {
	hostname = strings.ToLower(hostname)
	for _, rule := range t.rules {
		if matches(rule.hostname, hostname) && (rule.path == nil || rule.path.MatchString(path)) {
			return rule.target
		}
	}
	return Target{Status: 503} // never: the last rule matches all
}

func matches(pattern, hostname string) bool {
	if pattern == "" || pattern == "*" || pattern == hostname {
		return true
	}
	rest, found := strings.CutPrefix(pattern, "*.")
	return found && strings.HasSuffix(hostname, "."+rest)
}
