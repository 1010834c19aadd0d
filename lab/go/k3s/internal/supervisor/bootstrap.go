package supervisor

import (
	"errors"
	"os"
	"path/filepath"

	"homelab.invalid/lab/k3s/internal/place"
)

// What every server of a cluster has in common: with these files a second server signs what the first one
// would have signed, and reads the Secrets that the first one encrypted.
var shared = []string{
	"tls/server-ca.crt", "tls/server-ca.key",
	"tls/client-ca.crt", "tls/client-ca.key",
	"tls/request-header-ca.crt", "tls/request-header-ca.key",
	"tls/service.key",
	"tls/etcd/server-ca.crt", "tls/etcd/server-ca.key",
	"tls/etcd/peer-ca.crt", "tls/etcd/peer-ca.key",
	"cred/passwd", "cred/encryption-config.json",
}

func readBootstrap(data place.Data) (map[string][]byte, error) {
	files := map[string][]byte{}
	for _, name := range shared {
		text, err := os.ReadFile(data.Server(name))
		if errors.Is(err, os.ErrNotExist) {
			continue
		}
		if err != nil {
			return nil, err
		}
		files[name] = text
	}
	return files, nil
}

// WriteBootstrap puts what another server answered in place. Names outside the list are left out: the
// answer decides about contents, not about paths.
func WriteBootstrap(data place.Data, files map[string][]byte) error {
	for _, name := range shared {
		text, found := files[name]
		if !found {
			continue
		}
		path := data.Server(name)
		if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
			return err
		}
		if err := os.WriteFile(path, text, 0o600); err != nil {
			return err
		}
	}
	return nil
}
