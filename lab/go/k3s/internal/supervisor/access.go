package supervisor

import (
	"context"
	"crypto/subtle"
	"net/http"
	"strings"
)

// Role is what a request may ask for.
type role int

const (
	nobody role = iota
	// agent may fetch a node's certificates: the agent's token, a bootstrap token, a node's certificate.
	agentRole
	// server may fetch the cluster's own keys: the server's token.
	serverRole
)

// Passwords of the two users that tokens name.
type Passwords struct {
	Server string
	Agent  string
}

const nodePrefix = "system:node:"

type caller struct {
	role role
	// node is set when a node's own certificate was shown.
	node string
}

// A token without a user is a bare password: it stands for whichever user has it.
func (h *Handler) caller(request *http.Request) caller {
	if request.TLS != nil && len(request.TLS.VerifiedChains) > 0 {
		subject := request.TLS.VerifiedChains[0][0].Subject
		name, isNode := strings.CutPrefix(subject.CommonName, nodePrefix)
		for _, group := range subject.Organization {
			if isNode && group == "system:nodes" {
				return caller{role: agentRole, node: name}
			}
			if group == "system:masters" {
				return caller{role: serverRole}
			}
		}
	}
	if user, password, given := request.BasicAuth(); given {
		server, agent := same(password, h.Passwords.Server), same(password, h.Passwords.Agent)
		switch {
		case server && (user == "" || user == "server"):
			return caller{role: serverRole}
		case agent && (user == "" || user == "node"), server && user == "node":
			return caller{role: agentRole}
		}
		return caller{}
	}
	if bearer, given := strings.CutPrefix(request.Header.Get("Authorization"), "Bearer "); given {
		if h.Bootstrap != nil && h.Bootstrap(request.Context(), bearer) {
			return caller{role: agentRole}
		}
	}
	return caller{}
}

// BootstrapCheck asks the API server whether a bearer token is a valid bootstrap token.
type BootstrapCheck func(ctx context.Context, token string) bool

func same(a, b string) bool {
	return b != "" && subtle.ConstantTimeCompare([]byte(a), []byte(b)) == 1
}
