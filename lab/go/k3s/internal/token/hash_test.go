package token_test

import (
	"crypto/sha256"
	"encoding/hex"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"homelab.invalid/lab/k3s/internal/pki"
	"homelab.invalid/lab/k3s/internal/token"
)

func TestOneCertificateIsHashedAsTheFileStands(t *testing.T) {
	directory := t.TempDir()
	if _, err := pki.EnsureAuthority(filepath.Join(directory, "ca"), "test-ca"); err != nil {
		t.Fatal(err)
	}
	bundle, err := os.ReadFile(filepath.Join(directory, "ca.crt"))
	if err != nil {
		t.Fatal(err)
	}
	digest := sha256.Sum256(bundle)
	full, err := token.Full(bundle, "node", "secret")
	if err != nil || full != "K10"+hex.EncodeToString(digest[:])+"::node:secret" {
		t.Fatalf("%s, %v", full, err)
	}
	parsed, err := token.Parse(full)
	if err != nil || parsed.Check(bundle) != nil {
		t.Fatalf("its own token does not match: %v", err)
	}
	parsed.Hash = strings.Repeat("0", 64)
	wanted := "token CA hash does not match the Cluster CA certificate hash: " + parsed.Hash + " != " + hex.EncodeToString(digest[:])
	if err := parsed.Check(bundle); err == nil || err.Error() != wanted {
		t.Errorf("got %v", err)
	}
}
