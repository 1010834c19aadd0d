// Package peer carries copies of volumes between managers: HTTP over the pods' network, with a token that
// all managers share.
package peer

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/subtle"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
	corev1 "k8s.io/api/core/v1"
	kube "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"homelab.invalid/lab/longhorn/internal/api"
	"homelab.invalid/lab/longhorn/internal/replica"
)

const secret = "longhorn-stand-in-peers"

// Token gives what managers know each other by; the first of them makes it.
func Token(ctx context.Context, client *api.Client) (string, error) {
	secrets := client.Kube.CoreV1().Secrets(api.Namespace)
	random := make([]byte, 32)
	if _, err := rand.Read(random); err != nil {
		return "", err
	}
	mine := &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Name: secret},
		StringData: map[string]string{"token": hex.EncodeToString(random)},
	}
	if _, err := secrets.Create(ctx, mine, metav1.CreateOptions{}); err != nil && !kube.IsAlreadyExists(err) {
		return "", err
	}
	found, err := secrets.Get(ctx, secret, metav1.GetOptions{})
	if err != nil {
		return "", err
	}
	if len(found.Data["token"]) == 0 {
		return "", errors.New("Secret " + secret + " holds no token: delete it, and restart the managers")
	}
	return string(found.Data["token"]), nil
}

// Holder knows the copies of this node.
type Holder interface {
	// Target gives the folder of a copy that may be written from elsewhere: one of this node, whose
	// volume is not in use here.
	Target(name string) (replica.Folder, error)
}

// Serve answers other managers until the context ends.
func Serve(ctx context.Context, token string, holder Holder) error {
	handle := func(do func(http.ResponseWriter, *http.Request, replica.Folder) error) http.HandlerFunc {
		return func(writer http.ResponseWriter, request *http.Request) {
			given := strings.TrimPrefix(request.Header.Get("Authorization"), "Bearer ")
			if subtle.ConstantTimeCompare([]byte(given), []byte(token)) != 1 {
				http.Error(writer, "this is not the managers' token", http.StatusUnauthorized)
				return
			}
			folder, err := holder.Target(request.PathValue("name"))
			if err == nil {
				err = do(writer, request, folder)
			}
			if err != nil {
				http.Error(writer, err.Error(), http.StatusConflict)
			}
		}
	}
	routes := http.NewServeMux()
	routes.HandleFunc("GET /healthz", func(http.ResponseWriter, *http.Request) {})
	routes.HandleFunc("GET /v1/replicas/{name}", handle(func(writer http.ResponseWriter, _ *http.Request, folder replica.Folder) error {
		manifest, err := replica.Read(string(folder))
		if err != nil {
			return err
		}
		return json.NewEncoder(writer).Encode(manifest)
	}))
	routes.HandleFunc("POST /v1/replicas/{name}", handle(func(_ http.ResponseWriter, request *http.Request, folder replica.Folder) error {
		return replica.Apply(request.Body, string(folder))
	}))
	server := &http.Server{Addr: fmt.Sprintf(":%d", api.Port), Handler: routes, ReadHeaderTimeout: 10 * time.Second}
	context.AfterFunc(ctx, func() { _ = server.Close() })
	if err := server.ListenAndServe(); !errors.Is(err, http.ErrServerClosed) {
		return err
	}
	return ctx.Err()
}

// A node that dies says nothing: its connections end when it acknowledges nothing for that long.
const silence = 8 * time.Second

var client = &http.Client{Transport: &http.Transport{
	DialContext: (&net.Dialer{
		Timeout:         3 * time.Second,
		KeepAliveConfig: net.KeepAliveConfig{Enable: true, Idle: silence / 4, Interval: silence / 4, Count: 3},
		Control: func(_, _ string, socket syscall.RawConn) error {
			var failed error
			err := socket.Control(func(handle uintptr) {
				failed = unix.SetsockoptInt(int(handle), unix.IPPROTO_TCP, unix.TCP_USER_TIMEOUT, int(silence.Milliseconds()))
			})
			return errors.Join(err, failed)
		},
	}).DialContext,
	// A new one each time finds out at once that nobody is there.
	DisableKeepAlives:     true,
	ResponseHeaderTimeout: 5 * time.Minute,
}}

// Push makes a copy on another node like `folder`, and says how many files it sent or deleted.
func Push(ctx context.Context, address, token, name string, folder replica.Folder) (int, error) {
	there := replica.Manifest{}
	url := "http://" + net.JoinHostPort(address, strconv.Itoa(api.Port)) + "/v1/replicas/" + name
	body, err := ask(ctx, http.MethodGet, url, token, http.NoBody)
	if err != nil {
		return 0, err
	}
	if err := json.Unmarshal(body, &there); err != nil {
		return 0, err
	}
	here, err := replica.Read(string(folder))
	if err != nil {
		return 0, err
	}
	send, remove := replica.Difference(here, there)
	if len(send)+len(remove) == 0 {
		return 0, nil
	}
	reader, writer := io.Pipe()
	go func() { writer.CloseWithError(replica.Write(writer, string(folder), send, remove)) }()
	if _, err := ask(ctx, http.MethodPost, url, token, reader); err != nil {
		return 0, err
	}
	return len(send) + len(remove), nil
}

func ask(ctx context.Context, method, url, token string, body io.Reader) ([]byte, error) {
	request, err := http.NewRequestWithContext(ctx, method, url, body)
	if err != nil {
		return nil, err
	}
	request.Header.Set("Authorization", "Bearer "+token)
	response, err := client.Do(request)
	if err != nil {
		return nil, err
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		return nil, err
	}
	if response.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s: %s", response.Status, bytes.TrimSpace(answer))
	}
	return answer, nil
}
