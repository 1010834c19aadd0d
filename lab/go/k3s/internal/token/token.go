// Package token reads and writes join tokens: K10, the hash of the cluster's CA, two colons, credentials.
package token

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/pem"
	"errors"
	"fmt"
	"regexp"
	"strings"
)

const prefix = "K10"

// A kubeadm bootstrap token has an id and a secret instead of a user and a password.
var bootstrap = regexp.MustCompile(`^[a-z0-9]{6}\.[a-z0-9]{16}$`)

// Token is a join token, taken apart.
type Token struct {
	// Hash of the CA bundle in hex; empty when the token does not pin one.
	Hash string
	// User and Password are empty when Bootstrap is set.
	User, Password string
	// Bootstrap is a kubeadm-style token, sent as a bearer token.
	Bootstrap string
}

// Parse accepts the full form, a bare password and a bare bootstrap token.
func Parse(text string) (Token, error) {
	if text == "" {
		return Token{}, errors.New("token must not be empty")
	}
	var parsed Token
	credentials := text
	switch {
	case strings.HasPrefix(text, prefix):
		hash, rest, found := strings.Cut(text[len(prefix):], "::")
		if found {
			if len(hash) != 0 && len(hash) != 2*sha256.Size {
				return Token{}, errors.New("invalid token CA hash length")
			}
			parsed.Hash, credentials = hash, rest
		} else {
			credentials = hash
		}
	case !bootstrap.MatchString(text):
		credentials = ":" + text
	}
	if bootstrap.MatchString(credentials) {
		parsed.Bootstrap = credentials
		return parsed, nil
	}
	user, password, found := strings.Cut(credentials, ":")
	if !found || password == "" {
		return Token{}, errors.New("invalid token format")
	}
	parsed.User, parsed.Password = user, password
	return parsed, nil
}

// Check compares the pinned hash, if there is one, with the bundle that a server presented.
func (t Token) Check(bundle []byte) error {
	found, err := Hash(bundle)
	if err != nil {
		return err
	}
	if t.Hash != "" && t.Hash != found {
		return fmt.Errorf("token CA hash does not match the Cluster CA certificate hash: %s != %s", t.Hash, found)
	}
	return nil
}

// Full writes the pinned form of user:password credentials.
func Full(bundle []byte, user, password string) (string, error) {
	hash, err := Hash(bundle)
	if err != nil {
		return "", err
	}
	return prefix + hash + "::" + user + ":" + password, nil
}

// Hash of a CA bundle: over its literal bytes when it holds one certificate; over the root's DER when it
// holds a chain, so that the intermediate may be renewed.
func Hash(bundle []byte) (string, error) {
	certificates, err := parse(bundle)
	if err != nil {
		return "", err
	}
	hashed := bundle
	if len(certificates) > 1 {
		roots, between := x509.NewCertPool(), x509.NewCertPool()
		for _, certificate := range certificates[1:] {
			if len(certificate.AuthorityKeyId) == 0 || bytes.Equal(certificate.AuthorityKeyId, certificate.SubjectKeyId) {
				roots.AddCert(certificate)
			} else {
				between.AddCert(certificate)
			}
		}
		chains, err := certificates[0].Verify(x509.VerifyOptions{Roots: roots, Intermediates: between})
		if err == nil {
			hashed = chains[0][len(chains[0])-1].Raw
		}
	}
	digest := sha256.Sum256(hashed)
	return hex.EncodeToString(digest[:]), nil
}

func parse(bundle []byte) ([]*x509.Certificate, error) {
	var found []*x509.Certificate
	for {
		block, rest := pem.Decode(bundle)
		if block == nil {
			break
		}
		bundle = rest
		if block.Type != "CERTIFICATE" {
			continue
		}
		certificate, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, err
		}
		found = append(found, certificate)
	}
	if len(found) == 0 {
		return nil, errors.New("data does not contain any valid RSA or ECDSA certificates")
	}
	return found, nil
}
