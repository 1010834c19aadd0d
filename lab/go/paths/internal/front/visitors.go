package front

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"math/big"
	"net"
	"net/http"
	"strings"
	"time"
)

// Headers that belong to one hop alone (RFC 9110, 7.6.1).
var dropped = []string{
	"Connection", "Keep-Alive", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
}

// Visitors answers HTTPS until the listener is closed.
func (e *Edge) Visitors(listener net.Listener) error {
	server := &http.Server{
		Handler:           e,
		ReadHeaderTimeout: 10 * time.Second,
		TLSConfig: &tls.Config{
			MinVersion: tls.VersionTLS12,
			GetCertificate: func(hello *tls.ClientHelloInfo) (*tls.Certificate, error) {
				name := strings.ToLower(hello.ServerName)
				if !e.snapshot().Serves(name) {
					return nil, fmt.Errorf("no certificate for %q: it is in no zone of the edge's", name)
				}
				return e.Authority.For(name)
			},
		},
	}
	return server.ServeTLS(listener, "", "")
}

// A visitor's request goes into the tunnel that its name leads to.
func (e *Edge) ServeHTTP(writer http.ResponseWriter, request *http.Request) {
	began := time.Now()
	ray := ray()
	name := strings.ToLower(request.Host)
	if host, _, err := net.SplitHostPort(name); err == nil {
		name = host
	}
	writer.Header().Set("Server", "cloudflare")
	writer.Header().Set("Cf-Ray", ray)
	status := e.answer(writer, request, name, ray)
	e.Log.Info("request", "name", name, "method", request.Method, "path", request.URL.Path, "status", status,
		"ray", ray, "took", time.Since(began).Round(time.Millisecond).String())
}

func (e *Edge) answer(writer http.ResponseWriter, request *http.Request, name, ray string) int {
	into, found := e.snapshot().Tunnel(name)
	if !found {
		return refuse(writer, http.StatusConflict, 1001, "no proxied record leads this name anywhere")
	}
	var failure error
	for _, one := range shuffled(e.live(into)) {
		sent, err := outgoing(request, name, ray)
		if err != nil {
			return refuse(writer, http.StatusBadRequest, 0, err.Error())
		}
		response, err := one.client.RoundTrip(sent)
		if err == nil {
			return relay(writer, response)
		}
		failure = err
		e.Log.Warn("a connector failed", "tunnel", into, "ray", ray, "error", err.Error())
		// A body is read once.
		if request.ContentLength != 0 || errors.Is(err, context.Canceled) {
			break
		}
	}
	if failure != nil {
		return refuse(writer, http.StatusBadGateway, 0, "the tunnel's connector failed")
	}
	return refuse(writer, 530, 1033, "the tunnel has no connector")
}

func outgoing(request *http.Request, name, ray string) (*http.Request, error) {
	sent := request.Clone(request.Context())
	sent.RequestURI = ""
	sent.URL.Scheme, sent.URL.Host = "https", request.Host
	visitor, _, err := net.SplitHostPort(request.RemoteAddr)
	if err != nil {
		return nil, err
	}
	for _, header := range dropped {
		sent.Header.Del(header)
	}
	chain := visitor
	if before := strings.Join(sent.Header.Values("X-Forwarded-For"), ", "); before != "" {
		chain = before + ", " + visitor
	}
	// Whatever the visitor said of these: only the edge may.
	sent.Header.Set("X-Forwarded-For", chain)
	sent.Header.Set("X-Forwarded-Proto", "https")
	sent.Header.Set("Cf-Connecting-Ip", visitor)
	sent.Header.Set("Cf-Ray", ray)
	sent.Header.Set("Cf-Visitor", `{"scheme":"https"}`)
	sent.Header.Set("Cf-Ipcountry", "XX")
	sent.Header.Set("Cdn-Loop", "cloudflare; loops=1")
	return sent, nil
}

func relay(writer http.ResponseWriter, response *http.Response) int {
	defer response.Body.Close()
	for name, values := range response.Header {
		if name == "Server" || name == "Connection" || name == "Transfer-Encoding" {
			continue
		}
		writer.Header()[name] = values
	}
	writer.WriteHeader(response.StatusCode)
	// What is already written can't be taken back: a reader that goes away ends it.
	control := http.NewResponseController(writer)
	buffer := make([]byte, 32<<10)
	for {
		read, err := response.Body.Read(buffer)
		if _, failed := writer.Write(buffer[:read]); failed != nil || err != nil {
			if err != nil && !errors.Is(err, io.EOF) {
				panic(http.ErrAbortHandler)
			}
			return response.StatusCode
		}
		_ = control.Flush()
	}
}

// As Cloudflare says it: a page of text with the number of the error.
func refuse(writer http.ResponseWriter, status, code int, reason string) int {
	writer.Header().Set("Content-Type", "text/plain; charset=UTF-8")
	// For people; Cloudflare's own body is the number alone.
	writer.Header().Set("X-Lab-Reason", reason)
	writer.WriteHeader(status)
	if code != 0 {
		fmt.Fprintf(writer, "error code: %d", code)
	} else {
		fmt.Fprintf(writer, "%s (the lab's edge)\n", reason)
	}
	return status
}

func shuffled(given []*connection) []*connection {
	for index := len(given) - 1; index > 0; index-- {
		other, err := rand.Int(rand.Reader, big.NewInt(int64(index+1)))
		if err != nil {
			panic(err) // the reader never fails
		}
		given[index], given[other.Int64()] = given[other.Int64()], given[index]
	}
	return given
}

func ray() string {
	var made [8]byte
	_, _ = rand.Read(made[:]) // never fails
	return hex.EncodeToString(made[:]) + "-" + Location
}
