package main

import (
	"encoding/json"
	"os"
	"path/filepath"
)

// What Flannel's own CNI plugin would hand to bridge and host-local; that plugin is not to be had as a
// Go module, and with the lease known there is nothing left for it to find out.
func writeCNI(path, subnet, network string, mtu int) error {
	type object = map[string]any
	conflist := object{
		"name":       "cbr0",
		"cniVersion": "0.4.0",
		"plugins": []object{
			{
				"type":             "bridge",
				"bridge":           "cni0",
				"isGateway":        true,
				"isDefaultGateway": true,
				"hairpinMode":      true,
				"forceAddress":     true,
				"ipMasq":           false,
				"mtu":              mtu,
				"ipam": object{
					"type":   "host-local",
					"ranges": [][]object{{{"subnet": subnet}}},
					"routes": []object{{"dst": network}},
				},
			},
			{"type": "portmap", "capabilities": object{"portMappings": true}},
		},
	}
	text, err := json.MarshalIndent(conflist, "", "  ")
	if err != nil {
		return err
	}
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return err
	}
	// containerd watches the directory: it must never read half a file.
	partial := path + ".part"
	if err := os.WriteFile(partial, append(text, '\n'), 0o644); err != nil {
		return err
	}
	return os.Rename(partial, path)
}
