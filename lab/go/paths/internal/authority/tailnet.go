package authority

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"strings"
	"time"
)

// Tailnet is the control plane that says who may have names of its domain: at Tailscale it is the one who
// proves them to Let's Encrypt.
type Tailnet struct {
	// Address of Headscale, up to the host.
	Address string
	// Domain is what a device's name is followed by.
	Domain string
}

const longest = 64 << 10

// Handler signs `POST /sign` for who has a key of the control plane's API, any name of a device. Tailscale
// would want that very device to ask; here the certificate is made before its device is.
func (a *Authority) Handler(tailnet Tailnet) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("POST /sign", func(writer http.ResponseWriter, request *http.Request) {
		text, err := io.ReadAll(http.MaxBytesReader(writer, request.Body, longest))
		if err != nil {
			http.Error(writer, err.Error(), http.StatusBadRequest)
			return
		}
		chain, err := a.Sign(text, func(name string) error {
			return tailnet.allows(request.Context(), request.Header.Get("Authorization"), name)
		})
		if err != nil {
			http.Error(writer, err.Error(), http.StatusForbidden)
			return
		}
		_, _ = writer.Write(chain)
	})
	mux.HandleFunc("GET /ca.pem", func(writer http.ResponseWriter, _ *http.Request) { _, _ = writer.Write(a.pem) })
	return mux
}

func (t Tailnet) allows(ctx context.Context, authorization, name string) error {
	device, found := strings.CutSuffix(strings.ToLower(name), "."+t.Domain)
	if !found || device == "" || strings.Contains(device, ".") {
		return fmt.Errorf("%s is not in %s", name, t.Domain)
	}
	ctx, cancel := context.WithTimeout(ctx, 10*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, t.Address+"/api/v1/node", nil)
	if err != nil {
		return err
	}
	request.Header.Set("Authorization", authorization)
	response, err := http.DefaultClient.Do(request)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("the control plane does not know who asks: %s", response.Status)
	}
	return nil
}
