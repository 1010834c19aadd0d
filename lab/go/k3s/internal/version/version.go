// Package version says which k3s this program stands in for.
package version

import (
	"fmt"
	"runtime"
)

// Kubernetes is the version of the parts, set when the program is linked.
var Kubernetes = "v0.0.0"

// K3s is the release that a real k3s with these parts would have.
func K3s() string { return Kubernetes + "+k3s1" }

// Banner is what `k3s --version` prints: the shape of the real one, and the truth in its brackets.
func Banner() string {
	return fmt.Sprintf("k3s version %s (stand-in of homelab-lab, not k3s)\ngo version %s\n", K3s(), runtime.Version())
}

// CoreDNS is the version of the CoreDNS image in the bundle, set when the program is linked.
var CoreDNS = "0"

// Traefik is the version of the Traefik image, which a lab with GitOps has, set when the program is linked.
var Traefik = "0"
