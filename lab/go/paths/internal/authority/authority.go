// Package authority is the lab's own certificate authority: the edge's certificates are of it, and, as
// Let's Encrypt's are for Tailscale, those of the private path's proxies.
package authority

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"errors"
	"math/big"
	"os"
	"path/filepath"
	"sync"
	"time"
)

// Its clock and others' may differ by so much.
const skew = time.Hour

const (
	authorityFor   = 365 * 24 * time.Hour
	certificateFor = 90 * 24 * time.Hour
)

// Authority signs for one lab.
type Authority struct {
	certificate *x509.Certificate
	key         *ecdsa.PrivateKey
	pem         []byte
	lock        sync.Mutex
	made        map[string]*tls.Certificate
}

// New makes an authority whose certificate is written to a file; its key stays in memory.
func New(file string) (*Authority, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	template := template("The lab's authority", authorityFor)
	template.IsCA, template.BasicConstraintsValid = true, true
	template.KeyUsage = x509.KeyUsageCertSign
	der, err := x509.CreateCertificate(rand.Reader, template, template, key.Public(), key)
	if err != nil {
		return nil, err
	}
	certificate, err := x509.ParseCertificate(der)
	if err != nil {
		return nil, err
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	part := filepath.Join(filepath.Dir(file), "."+filepath.Base(file)+".part")
	if err := errors.Join(os.WriteFile(part, text, 0o644), os.Rename(part, file)); err != nil {
		return nil, err
	}
	return &Authority{certificate: certificate, key: key, pem: text, made: map[string]*tls.Certificate{}}, nil
}

func template(name string, lasts time.Duration) *x509.Certificate {
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		panic(err) // the reader never fails
	}
	now := time.Now()
	return &x509.Certificate{
		SerialNumber: serial, Subject: pkix.Name{CommonName: name},
		NotBefore: now.Add(-skew), NotAfter: now.Add(lasts),
	}
}

// For gives a server's certificate for a name, made when it is first asked for.
func (a *Authority) For(name string) (*tls.Certificate, error) {
	a.lock.Lock()
	defer a.lock.Unlock()
	if found := a.made[name]; found != nil && time.Until(found.Leaf.NotAfter) > certificateFor/3 {
		return found, nil
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return nil, err
	}
	leaf, err := a.leaf(name, key.Public())
	if err != nil {
		return nil, err
	}
	made := &tls.Certificate{Certificate: [][]byte{leaf.Raw, a.certificate.Raw}, PrivateKey: key, Leaf: leaf}
	a.made[name] = made
	return made, nil
}

func (a *Authority) leaf(name string, key crypto.PublicKey) (*x509.Certificate, error) {
	template := template(name, certificateFor)
	template.DNSNames = []string{name}
	template.KeyUsage = x509.KeyUsageDigitalSignature
	template.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}
	der, err := x509.CreateCertificate(rand.Reader, template, a.certificate, key, a.key)
	if err != nil {
		return nil, err
	}
	return x509.ParseCertificate(der)
}

// Sign answers a request (PEM) for exactly one name with a chain (PEM); allowed says whether that name may be had.
func (a *Authority) Sign(request []byte, allowed func(string) error) ([]byte, error) {
	block, _ := pem.Decode(request)
	if block == nil || block.Type != "CERTIFICATE REQUEST" {
		return nil, errors.New("no certificate request in PEM")
	}
	read, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		return nil, err
	}
	if err := read.CheckSignature(); err != nil {
		return nil, err
	}
	if len(read.DNSNames) != 1 || len(read.IPAddresses)+len(read.EmailAddresses)+len(read.URIs) > 0 {
		return nil, errors.New("one DNS name is wanted, and nothing else")
	}
	if err := allowed(read.DNSNames[0]); err != nil {
		return nil, err
	}
	leaf, err := a.leaf(read.DNSNames[0], read.PublicKey)
	if err != nil {
		return nil, err
	}
	return append(pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: leaf.Raw}), a.pem...), nil
}
