package tunnel

import (
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"math/big"
	"net"
	"testing"
)

func pair(t *testing.T) (*tls.Conn, *tls.Conn) {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	template := x509.Certificate{SerialNumber: big.NewInt(1), DNSNames: []string{ServerName}}
	der, err := x509.CreateCertificate(rand.Reader, &template, &template, key.Public(), key)
	if err != nil {
		t.Fatal(err)
	}
	near, far := net.Pipe()
	t.Cleanup(func() { near.Close(); far.Close() })
	certificate := tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}
	return tls.Client(near, &tls.Config{InsecureSkipVerify: true}),
		tls.Server(far, &tls.Config{Certificates: []tls.Certificate{certificate}})
}

func meet(t *testing.T, connector, edge []byte) (welcome Welcome, hello Hello, near, far error, rest *tls.Conn) {
	t.Helper()
	client, server := pair(t)
	done := make(chan struct{})
	go func() {
		defer close(done)
		hello, far = Receive(context.Background(), server, "LAB", func(name string) []byte {
			if name == "known" {
				return edge
			}
			return nil
		})
		if far == nil {
			_, _ = server.Write([]byte("PRI"))
		}
	}()
	welcome, near = Greet(t.Context(), client, connector, Hello{Tunnel: "known", Index: 3})
	rest = client
	if near == nil {
		text := make([]byte, 3)
		if _, err := io.ReadFull(client, text); err != nil || string(text) != "PRI" {
			t.Errorf("the greeting swallowed what came after it: %q, %v", text, err)
		}
	}
	<-done
	return welcome, hello, near, far, rest
}

func TestBothKnowTheSecret(t *testing.T) {
	welcome, hello, near, far, _ := meet(t, []byte("secret"), []byte("secret"))
	if near != nil || far != nil || welcome.Location != "LAB" || hello.Index != 3 {
		t.Errorf("%+v, %+v, %v, %v", welcome, hello, near, far)
	}
}

func TestAConnectorWithAnotherSecretIsRefusedAndTold(t *testing.T) {
	_, _, near, far, _ := meet(t, []byte("guess"), []byte("secret"))
	if near == nil || !errors.Is(far, ErrImpostor) {
		t.Errorf("%v, %v", near, far)
	}
}

func TestATunnelThatIsNotThereIsRefused(t *testing.T) {
	_, _, near, far, _ := meet(t, nil, nil)
	if near == nil || !errors.Is(far, ErrImpostor) {
		t.Errorf("%v, %v", near, far)
	}
}

func TestAnEdgeThatDoesNotKnowTheSecretIsLeft(t *testing.T) {
	client, server := pair(t)
	go func() {
		var hello Hello
		if server.Handshake() == nil && receive(server, &hello) == nil {
			// It sends back what it was sent.
			_ = send(server, Welcome{Proof: hello.Proof})
		}
	}()
	if _, err := Greet(t.Context(), client, []byte("secret"), Hello{}); !errors.Is(err, ErrImpostor) {
		t.Errorf("%v", err)
	}
}

func TestATokenIsReadAsCloudflareWritesIt(t *testing.T) {
	token := Token{Account: "a1", Tunnel: "t1", Secret: []byte{1, 2, 255}}
	read, err := ParseToken(token.String() + "\n")
	if err != nil || read.Tunnel != "t1" || string(read.Secret) != string(token.Secret) {
		t.Errorf("%+v, %v", read, err)
	}
	for _, wrong := range []string{"", "no base64!", "e30=", "bm8gSlNPTg==", Token{Account: "a", Tunnel: "t"}.String()} {
		if _, err := ParseToken(wrong); err == nil {
			t.Errorf("%q was accepted", wrong)
		}
	}
}
