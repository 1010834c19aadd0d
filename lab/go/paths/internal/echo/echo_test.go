package echo

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"testing"
)

func ask(t *testing.T, app *App, path string) (int, Seen) {
	t.Helper()
	request := httptest.NewRequest(http.MethodGet, path, nil)
	request.Header.Set("X-Forwarded-Proto", "https")
	answer := httptest.NewRecorder()
	app.Handler().ServeHTTP(answer, request)
	var seen Seen
	if path != "/health" {
		if err := json.Unmarshal(answer.Body.Bytes(), &seen); err != nil {
			t.Fatal(err)
		}
	}
	return answer.Code, seen
}

func TestTheAppShowsWhatItGotAndCountsInItsVolume(t *testing.T) {
	folder := t.TempDir()
	if code, _ := ask(t, &App{Folder: folder}, "/health"); code != http.StatusOK {
		t.Error(code)
	}
	_, first := ask(t, &App{Name: "jellyfin", Folder: folder}, "/web/index.html")
	if first.Path != "/web/index.html" || first.Headers.Get("X-Forwarded-Proto") != "https" || first.Volume.Count != 1 {
		t.Errorf("%+v", first)
	}
	// Another process, the same volume.
	if _, second := ask(t, &App{Folder: folder}, "/"); second.Volume.Count != 2 {
		t.Errorf("%+v", second)
	}
}

func TestAVolumeThatCannotBeWrittenIsToldAndIsNoSuccess(t *testing.T) {
	code, seen := ask(t, &App{Folder: "/dev/null"}, "/")
	if code != http.StatusInternalServerError || seen.Volume.Error == "" {
		t.Errorf("%d %+v", code, seen)
	}
}
