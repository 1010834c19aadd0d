package outpost

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

func ask(change func(*http.Request)) *http.Response {
	request := httptest.NewRequest(http.MethodGet, Path, nil)
	request.Header.Set("X-Forwarded-Proto", "https")
	request.Header.Set("X-Forwarded-Host", "app.lab.example")
	request.Header.Set("X-Forwarded-Uri", "/web?a=b")
	change(request)
	answer := httptest.NewRecorder()
	Handler().ServeHTTP(answer, request)
	return answer.Result()
}

func TestAStrangerIsSentToLogInAndBackAsTheRequestCame(t *testing.T) {
	answer := ask(func(*http.Request) {})
	wanted := "https://app.lab.example/outpost.goauthentik.io/start?rd=https%3A%2F%2Fapp.lab.example%2Fweb%3Fa%3Db"
	if answer.StatusCode != http.StatusFound || answer.Header.Get("Location") != wanted {
		t.Errorf("%d %s", answer.StatusCode, answer.Header.Get("Location"))
	}
}

func TestWhoHasTheCookiePassesByName(t *testing.T) {
	answer := ask(func(request *http.Request) { request.AddCookie(&http.Cookie{Name: Cookie, Value: "ann"}) })
	if answer.StatusCode != http.StatusOK || answer.Header.Get("X-authentik-username") != "ann" {
		t.Errorf("%d %v", answer.StatusCode, answer.Header)
	}
}
