package supervisor

import (
	"net/http"
	"net/http/httptest"
	"testing"

	"homelab.invalid/lab/k3s/internal/api"
	"homelab.invalid/lab/k3s/internal/place"
)

func TestWhatATokenMayAskFor(t *testing.T) {
	w := newWorld(t)
	handler := &Handler{
		Data: place.Data(w.directory), ServerCA: w.server, ClientCA: w.client,
		Passwords: Passwords{Server: "of-servers", Agent: "of-agents"},
		Client:    func() *api.Client { return nil },
		Rest:      http.NotFoundHandler(),
	}
	for _, asked := range []struct {
		path, user, password string
		wanted               int
	}{
		{"/cacerts", "", "", 200},
		{"/ping", "", "", 200},
		{"/v1-k3s/config", "", "", 401},
		{"/v1-k3s/config", "node", "wrong", 401},
		{"/v1-k3s/config", "node", "of-agents", 200},
		{"/v1-k3s/config", "", "of-agents", 200},
		{"/v1-k3s/config", "server", "of-agents", 401},
		{"/v1-k3s/server-ca.crt", "server", "of-servers", 200},
		{"/v1-k3s/server-bootstrap", "node", "of-agents", 403},
		{"/v1-k3s/server-bootstrap", "server", "of-servers", 200},
		{"/v1-k3s/client-kube-proxy.crt", "node", "of-agents", 200},
		// Names are checked against the datastore, which is not up yet.
		{"/v1-k3s/client-kubelet.crt", "node", "of-agents", 503},
		{"/v1-k3s/readyz", "node", "of-agents", 503},
		{"/v1-k3s/anything", "node", "of-agents", 404},
	} {
		request := httptest.NewRequest(http.MethodGet, asked.path, nil)
		if asked.password != "" {
			request.SetBasicAuth(asked.user, asked.password)
		}
		answer := httptest.NewRecorder()
		handler.ServeHTTP(answer, request)
		if answer.Code != asked.wanted {
			t.Errorf("%s as %s:%s gave %d, wanted %d", asked.path, asked.user, asked.password, answer.Code, asked.wanted)
		}
	}
}
