// Package place knows where k3s keeps its files. Other programs rely on these paths: they are k3s's own.
package place

import "path/filepath"

const (
	// ConfigFile is read at each start, followed by the files of ConfigFile + ".d".
	ConfigFile = "/etc/rancher/k3s/config.yaml"
	// Kubeconfig is the administrator's, written by a server.
	Kubeconfig = "/etc/rancher/k3s/k3s.yaml"
	// NodePassword is what a node proves its name with.
	NodePassword = "/etc/rancher/node/password"
	// DefaultData is the data directory when none is given.
	DefaultData = "/var/lib/rancher/k3s"
	// ContainerdSocket is where the runtime listens.
	ContainerdSocket = "/run/k3s/containerd/containerd.sock"
	// ContainerdState is gone after a reboot, as containerd wants it.
	ContainerdState = "/run/k3s/containerd"
	// KubeletRoot is Kubernetes' own default.
	KubeletRoot = "/var/lib/kubelet"
)

// Data is a data directory.
type Data string

// Server is the path of a file of the control plane's.
func (d Data) Server(parts ...string) string { return d.join("server", parts) }

// TLS is the path of a key or certificate.
func (d Data) TLS(name string) string { return d.Server("tls", name) }

// Agent is the path of a file of the node's.
func (d Data) Agent(parts ...string) string { return d.join("agent", parts) }

// Bundle is where the program's parts are unpacked to.
func (d Data) Bundle() string { return filepath.Join(string(d), "data") }

func (d Data) join(first string, rest []string) string {
	return filepath.Join(append([]string{string(d), first}, rest...)...)
}
