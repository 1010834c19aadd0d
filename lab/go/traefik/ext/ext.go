// Package ext is the place where a build of Traefik adds settings of its own. Traefik's module zip leaves it
// out, being a module of its own; like Traefik's, this one adds none.
package ext

// HTTP would be added to the dynamic HTTP configuration.
type HTTP struct{}

// Router would be added to a router.
type Router struct{}
