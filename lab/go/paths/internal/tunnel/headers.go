package tunnel

import "homelab.invalid/lab/paths/internal/ingress"

const (
	// Upgrade marks a request that is for cloudflared itself and not for an origin, as in the real one.
	Upgrade = "Cf-Cloudflared-Proxy-Connection-Upgrade"
	// UpdateConfiguration is the Upgrade of a pushed configuration.
	UpdateConfiguration = "update-configuration"
	// ResponseMeta says whether cloudflared itself or the origin answered.
	ResponseMeta = "Cf-Cloudflared-Response-Meta"
)

// Update is a pushed configuration.
type Update struct {
	Version       int                   `json:"version"`
	Configuration ingress.Configuration `json:"config"`
}

// Updated is cloudflared's answer to it.
type Updated struct {
	LastApplied int    `json:"lastAppliedVersion"`
	Error       string `json:"err,omitempty"`
}
