package authority

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func made(t *testing.T) (*Authority, *x509.CertPool) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "ca.pem")
	authority, err := New(file)
	if err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	roots := x509.NewCertPool()
	if !roots.AppendCertsFromPEM(text) {
		t.Fatal("the file holds no certificate")
	}
	return authority, roots
}

func asked(t *testing.T, names ...string) []byte {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, &x509.CertificateRequest{DNSNames: names}, key)
	if err != nil {
		t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der})
}

func TestACertificateIsForItsNameAloneAndMadeOnce(t *testing.T) {
	authority, roots := made(t)
	first, err := authority.For("app.lab.example")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := first.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "app.lab.example"}); err != nil {
		t.Error(err)
	}
	if _, err := first.Leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "other.lab.example"}); err == nil {
		t.Error("it is good for another name, too")
	}
	if again, _ := authority.For("app.lab.example"); again != first {
		t.Error("it was made twice")
	}
}

func TestOnlyNamesOfDevicesAreSignedAndOnlyForWhoTheControlPlaneKnows(t *testing.T) {
	authority, roots := made(t)
	control := httptest.NewServer(http.HandlerFunc(func(writer http.ResponseWriter, request *http.Request) {
		if request.Header.Get("Authorization") != "Bearer key" {
			http.Error(writer, "Unauthorized", http.StatusUnauthorized)
			return
		}
		_, _ = writer.Write([]byte(`{"nodes": []}`))
	}))
	defer control.Close()
	ask := func(bearer string, names ...string) (int, string) {
		request := httptest.NewRequest(http.MethodPost, "/sign", strings.NewReader(string(asked(t, names...))))
		request.Header.Set("Authorization", "Bearer "+bearer)
		answer := httptest.NewRecorder()
		authority.Handler(Tailnet{Address: control.URL, Domain: "tailnet.lab.test"}).ServeHTTP(answer, request)
		return answer.Code, answer.Body.String()
	}
	code, chain := ask("key", "jellyfin.tailnet.lab.test")
	block, _ := pem.Decode([]byte(chain))
	if code != http.StatusOK || block == nil {
		t.Fatalf("%d %s", code, chain)
	}
	leaf, err := x509.ParseCertificate(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := leaf.Verify(x509.VerifyOptions{Roots: roots, DNSName: "jellyfin.tailnet.lab.test"}); err != nil {
		t.Error(err)
	}
	for name, refused := range map[string][]string{
		"the domain itself": {"key", "tailnet.lab.test"},
		"another domain":    {"key", "jellyfin.lab.example"},
		"a name below":      {"key", "a.jellyfin.tailnet.lab.test"},
		"two names":         {"key", "jellyfin.tailnet.lab.test", "jellyfin.lab.example"},
		"an unknown bearer": {"guess", "jellyfin.tailnet.lab.test"},
	} {
		if code, text := ask(refused[0], refused[1:]...); code != http.StatusForbidden {
			t.Errorf("%s: %d %s", name, code, text)
		}
	}
}
