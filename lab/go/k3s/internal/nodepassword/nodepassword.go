// Package nodepassword keeps node names to the machines that had them first.
//
// A node's password never leaves the node but over TLS; the server keeps a scrypt hash of it in an
// immutable Secret, whose name and key are k3s's.
package nodepassword

import (
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/base64"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"golang.org/x/crypto/scrypt"

	"homelab.invalid/lab/k3s/internal/api"
)

const (
	secrets = "/api/v1/namespaces/kube-system/secrets"
	// The parameters stand in each hash, in front of salt and key.
	version = "$1"
	costN   = 15
	costR   = 8
	costP   = 1
	keySize = 64
)

// ErrMismatch means that the name belongs to a machine with another password.
var ErrMismatch = errors.New("hash does not match")

// Name of a node's Secret.
func Name(node string) string { return strings.ToLower(node) + ".node-password.k3s" }

// Ensure compares the password with the Secret's, which it makes when there is none.
func Ensure(ctx context.Context, client *api.Client, node, password string) error {
	err := verify(ctx, client, node, password)
	if !api.NotFound(err) {
		return err
	}
	hash, err := Hash(password)
	if err != nil {
		return fmt.Errorf("unable to create hash for node '%s': %w", node, err)
	}
	err = client.Create(ctx, secrets, api.Object{
		"apiVersion": "v1",
		"kind":       "Secret",
		"metadata":   api.Object{"name": Name(node), "namespace": "kube-system"},
		"immutable":  true,
		"data":       api.Object{"hash": base64.StdEncoding.EncodeToString([]byte(hash))},
	})
	if api.AlreadyExists(err) {
		return verify(ctx, client, node, password)
	}
	return err
}

// Forget removes a node's Secret: the name is free again.
func Forget(ctx context.Context, client *api.Client, node string) error {
	return client.Delete(ctx, secrets+"/"+Name(node))
}

func verify(ctx context.Context, client *api.Client, node, password string) error {
	var secret struct {
		Data map[string][]byte `json:"data"`
	}
	if err := client.Get(ctx, secrets+"/"+Name(node), &secret); err != nil {
		return err
	}
	hash, found := secret.Data["hash"]
	if !found {
		return fmt.Errorf("unable to locate hash data for node secret '%s'", Name(node))
	}
	if err := Verify(string(hash), password); err != nil {
		return fmt.Errorf("unable to verify hash for node '%s': %w", node, err)
	}
	return nil
}

// Hash gives a salted hash with its parameters: $1:salt:n:r:p:key.
func Hash(password string) (string, error) {
	salt := make([]byte, 8)
	if _, err := rand.Read(salt); err != nil {
		return "", err
	}
	key, err := scrypt.Key([]byte(password), salt, 1<<costN, costR, costP, keySize)
	if err != nil {
		return "", err
	}
	return fmt.Sprintf("%s:%x:%d:%d:%d:%s", version, salt, costN, costR, costP, base64.RawStdEncoding.EncodeToString(key)), nil
}

// Verify compares a password with a hash.
func Verify(hash, password string) error {
	parts := strings.Split(hash, ":")
	if len(parts) != 6 || parts[0] != version {
		return errors.New("hash is not in a known format")
	}
	var salt []byte
	if _, err := fmt.Sscanf(parts[1], "%x", &salt); err != nil {
		return fmt.Errorf("salt: %w", err)
	}
	var costs [3]int
	for index := range costs {
		cost, err := strconv.Atoi(parts[index+2])
		if err != nil || cost < 1 || cost > 20 {
			return errors.New("hash is not in a known format")
		}
		costs[index] = cost
	}
	wanted, err := base64.RawStdEncoding.DecodeString(parts[5])
	if err != nil {
		return err
	}
	found, err := scrypt.Key([]byte(password), salt, 1<<costs[0], costs[1], costs[2], len(wanted))
	if err != nil {
		return err
	}
	if subtle.ConstantTimeCompare(found, wanted) != 1 {
		return ErrMismatch
	}
	return nil
}
