// Package outpost answers as Authentik's embedded outpost does when Traefik asks about a request: who has its
// cookie passes, everybody else is sent to log in.
package outpost

import (
	"fmt"
	"net/http"
	"net/url"
)

const (
	// Path that Traefik's ForwardAuth asks.
	Path = "/outpost.goauthentik.io/auth/traefik"
	// Cookie of a session; its value is who it is.
	Cookie = "authentik_proxy_lab"
)

// Handler answers ForwardAuth.
func Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc(Path, func(writer http.ResponseWriter, request *http.Request) {
		if cookie, err := request.Cookie(Cookie); err == nil && cookie.Value != "" {
			writer.Header().Set("X-authentik-username", cookie.Value)
			return
		}
		// As the request came, in the words of who asks: a wrong X-Forwarded-Proto sends people to http://.
		base := fmt.Sprintf("%s://%s", request.Header.Get("X-Forwarded-Proto"), request.Header.Get("X-Forwarded-Host"))
		back := url.QueryEscape(base + request.Header.Get("X-Forwarded-Uri"))
		writer.Header().Set("Location", base+"/outpost.goauthentik.io/start?rd="+back)
		writer.WriteHeader(http.StatusFound)
	})
	return mux
}
