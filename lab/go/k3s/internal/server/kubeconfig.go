package server

import (
	"encoding/base64"
	"fmt"
	"os"
	"strconv"

	"homelab.invalid/lab/k3s/internal/place"
	"homelab.invalid/lab/k3s/internal/supervisor"
)

// Kubeconfig for a component, with its certificate by path.
func componentKubeconfig(url, authority, certificate, key string) string {
	return fmt.Sprintf(`apiVersion: v1
kind: Config
clusters:
- name: local
  cluster:
    server: %s
    certificate-authority: %s
users:
- name: user
  user:
    client-certificate: %s
    client-key: %s
contexts:
- name: Default
  context:
    cluster: local
    namespace: default
    user: user
current-context: Default
`, url, authority, certificate, key)
}

// WriteKubeconfig writes one for a component, readable by root alone.
func WriteKubeconfig(path, url, authority, certificate, key string) error {
	return writeSecret(path, func(file *os.File) error {
		_, err := file.WriteString(componentKubeconfig(url, authority, certificate, key))
		return err
	})
}

func (p *Plan) kubeconfigs() error {
	internal := "https://" + supervisor.Upstream + ":6443"
	for file, name := range map[string]string{
		"admin": "client-admin", "supervisor": "client-supervisor",
		"controller": "client-controller", "scheduler": "client-scheduler",
	} {
		err := WriteKubeconfig(p.Data.Server("cred", file+".kubeconfig"), internal,
			p.Data.TLS("server-ca.crt"), p.Data.TLS(name+".crt"), p.Data.TLS(name+".key"))
		if err != nil {
			return err
		}
	}
	return p.adminKubeconfig()
}

// The administrator's file holds the certificates themselves and names everything `default`.
func (p *Plan) adminKubeconfig() error {
	mode, err := strconv.ParseUint(p.Settings.Text("write-kubeconfig-mode", "0600"), 8, 32)
	if err != nil {
		return fmt.Errorf("write-kubeconfig-mode: %w", err)
	}
	var parts [3]string
	for index, name := range []string{"server-ca.crt", "client-admin.crt", "client-admin.key"} {
		text, err := os.ReadFile(p.Data.TLS(name))
		if err != nil {
			return err
		}
		parts[index] = base64.StdEncoding.EncodeToString(text)
	}
	text := fmt.Sprintf(`apiVersion: v1
clusters:
- cluster:
    certificate-authority-data: %s
    server: https://127.0.0.1:6443
  name: default
contexts:
- context:
    cluster: default
    user: default
  name: default
current-context: default
kind: Config
preferences: {}
users:
- name: default
  user:
    client-certificate-data: %s
    client-key-data: %s
`, parts[0], parts[1], parts[2])
	path := p.Settings.Text("write-kubeconfig", place.Kubeconfig)
	if err := writeSecret(path, func(file *os.File) error {
		_, err := file.WriteString(text)
		return err
	}); err != nil {
		return err
	}
	return os.Chmod(path, os.FileMode(mode))
}
