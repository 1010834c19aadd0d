// Package pki makes the cluster's authorities and certificates, in files of k3s's names.
package pki

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"fmt"
	"math/big"
	"net"
	"os"
	"path/filepath"
	"time"
)

const (
	authorityLife   = 10 * 365 * 24 * time.Hour
	certificateLife = 365 * 24 * time.Hour
	// A certificate that ends sooner is made anew at a start.
	renewBefore = 120 * 24 * time.Hour
	// Two machines' clocks are never quite the same.
	skew = time.Hour
)

// Authority signs certificates.
type Authority struct {
	Certificate *x509.Certificate
	// PEM is the file as it stands: its bytes are what tokens pin.
	PEM []byte
	key crypto.Signer
}

// Subject is what a certificate says.
type Subject struct {
	Name         string
	Organization []string
	DNS          []string
	Addresses    []net.IP
	Server       bool
	Client       bool
}

// EnsureAuthority reads base.crt and base.key, or makes them. Files that somebody put there before the
// first start are taken as they are.
func EnsureAuthority(base, name string) (*Authority, error) {
	if _, err := os.Stat(base + ".crt"); err == nil {
		return loadAuthority(base)
	}
	key, err := EnsureKey(base + ".key")
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: big.NewInt(0),
		// As k3s names its own: the time tells two authorities of one name apart.
		Subject:               pkix.Name{CommonName: fmt.Sprintf("%s@%d", name, now.Unix())},
		NotBefore:             now.Add(-skew),
		NotAfter:              now.Add(authorityLife),
		KeyUsage:              x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		BasicConstraintsValid: true,
		IsCA:                  true,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	if err := writeFile(base+".crt", text, 0o644); err != nil {
		return nil, err
	}
	return loadAuthority(base)
}

func loadAuthority(base string) (*Authority, error) {
	text, err := os.ReadFile(base + ".crt")
	if err != nil {
		return nil, err
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s.crt holds no certificate", base)
	}
	certificate, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s.crt: %w", base, err)
	}
	key, err := EnsureKey(base + ".key")
	if err != nil {
		return nil, err
	}
	return &Authority{Certificate: certificate, PEM: text, key: key}, nil
}

// EnsureKey reads a private key, or makes one.
func EnsureKey(path string) (crypto.Signer, error) {
	text, err := os.ReadFile(path)
	if errors.Is(err, os.ErrNotExist) {
		key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
		if err != nil {
			return nil, err
		}
		der, err := x509.MarshalECPrivateKey(key)
		if err != nil {
			return nil, err
		}
		return key, writeFile(path, pem.EncodeToMemory(&pem.Block{Type: "EC PRIVATE KEY", Bytes: der}), 0o600)
	}
	if err != nil {
		return nil, err
	}
	return parseKey(path, text)
}

func parseKey(path string, text []byte) (crypto.Signer, error) {
	block, _ := pem.Decode(text)
	if block == nil {
		return nil, fmt.Errorf("%s holds no key", path)
	}
	switch block.Type {
	case "EC PRIVATE KEY":
		return x509.ParseECPrivateKey(block.Bytes)
	case "RSA PRIVATE KEY":
		return x509.ParsePKCS1PrivateKey(block.Bytes)
	}
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", path, err)
	}
	signer, usable := parsed.(crypto.Signer)
	if !usable {
		return nil, fmt.Errorf("%s: a key that cannot sign", path)
	}
	return signer, nil
}

// Sign gives a certificate for a public key, in PEM, followed by the authority's own.
func (a *Authority) Sign(subject Subject, public crypto.PublicKey) ([]byte, error) {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 62))
	if err != nil {
		return nil, err
	}
	now := time.Now()
	template := &x509.Certificate{
		SerialNumber: serial,
		Subject:      pkix.Name{CommonName: subject.Name, Organization: subject.Organization},
		NotBefore:    now.Add(-skew),
		NotAfter:     now.Add(certificateLife),
		KeyUsage:     x509.KeyUsageKeyEncipherment | x509.KeyUsageDigitalSignature,
		DNSNames:     subject.DNS,
		IPAddresses:  subject.Addresses,
	}
	if subject.Server {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageServerAuth)
	}
	if subject.Client {
		template.ExtKeyUsage = append(template.ExtKeyUsage, x509.ExtKeyUsageClientAuth)
	}
	der, err := x509.CreateCertificate(rand.Reader, template, a.Certificate, public, a.key)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der}), a.PEM...), nil
}

// Ensure reads or makes base.crt and base.key. A certificate of another authority, one that ends soon and
// one that lacks a name or address are made anew; the key stays.
func (a *Authority) Ensure(base string, subject Subject) error {
	key, err := EnsureKey(base + ".key")
	if err != nil {
		return err
	}
	if a.stillGood(base+".crt", subject, key.Public()) {
		return nil
	}
	text, err := a.Sign(subject, key.Public())
	if err != nil {
		return err
	}
	return writeFile(base+".crt", text, 0o644)
}

func (a *Authority) stillGood(path string, subject Subject, public crypto.PublicKey) bool {
	text, err := os.ReadFile(path)
	if err != nil {
		return false
	}
	block, _ := pem.Decode(text)
	if block == nil {
		return false
	}
	found, err := x509.ParseCertificate(block.Bytes)
	if err != nil || found.CheckSignatureFrom(a.Certificate) != nil || time.Until(found.NotAfter) < renewBefore {
		return false
	}
	if same, ok := found.PublicKey.(*ecdsa.PublicKey); ok && !same.Equal(public) {
		return false
	}
	for _, name := range subject.DNS {
		if found.VerifyHostname(name) != nil {
			return false
		}
	}
	for _, address := range subject.Addresses {
		if found.VerifyHostname(address.String()) != nil {
			return false
		}
	}
	return found.Subject.CommonName == subject.Name
}

func writeFile(path string, text []byte, mode os.FileMode) error {
	if err := os.MkdirAll(filepath.Dir(path), 0o700); err != nil {
		return err
	}
	partial := path + ".part"
	if err := os.WriteFile(partial, text, mode); err != nil {
		return err
	}
	return os.Rename(partial, path)
}
