// Command kinds applies a file of custom resource definitions, as k3s's chart of them would: by the service
// account of the job that it runs in.
package main

import (
	"bytes"
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"regexp"
	"time"
)

const account = "/var/run/secrets/kubernetes.io/serviceaccount/"

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: kinds FILE")
		os.Exit(2)
	}
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, "kinds:", err)
		os.Exit(1)
	}
}

var name = regexp.MustCompile(`(?m)^  name: (\S+)$`)

func run(file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	token, err := os.ReadFile(account + "token")
	if err != nil {
		return err
	}
	authority, err := os.ReadFile(account + "ca.crt")
	if err != nil {
		return err
	}
	roots := x509.NewCertPool()
	roots.AppendCertsFromPEM(authority)
	client := http.Client{
		Timeout:   30 * time.Second,
		Transport: &http.Transport{TLSClientConfig: &tls.Config{RootCAs: roots}},
	}
	server := net.JoinHostPort(os.Getenv("KUBERNETES_SERVICE_HOST"), os.Getenv("KUBERNETES_SERVICE_PORT"))
	for _, document := range documents(text) {
		found := name.FindSubmatch(document)
		if found == nil {
			return fmt.Errorf("%s: a document without a name", file)
		}
		address := fmt.Sprintf("https://%s/apis/apiextensions.k8s.io/v1/customresourcedefinitions/%s?fieldManager=helm&force=true", server, found[1])
		if err := apply(&client, address, string(token), document); err != nil {
			return fmt.Errorf("%s: %w", found[1], err)
		}
		fmt.Println(string(found[1]), "applied")
	}
	return nil
}

func documents(text []byte) [][]byte {
	var made [][]byte
	for _, document := range bytes.Split(text, []byte("\n---\n")) {
		if bytes.Contains(document, []byte("kind: CustomResourceDefinition")) {
			made = append(made, document)
		}
	}
	return made
}

func apply(client *http.Client, address, token string, document []byte) error {
	request, err := http.NewRequest(http.MethodPatch, address, bytes.NewReader(document))
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	request.Header.Set("Content-Type", "application/apply-patch+yaml")
	response, err := client.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode >= 300 {
		answer, _ := io.ReadAll(io.LimitReader(response.Body, 4096))
		return fmt.Errorf("%s: %s", response.Status, answer)
	}
	return nil
}
