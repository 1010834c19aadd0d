// Package echo is the lab's app: it shows a request as the app gets it, and proves that its volume keeps what
// is written.
package echo

import (
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
)

// App serves like the program whose image it stands for.
type App struct {
	// Name is what it says it is.
	Name string
	// Folder is the volume.
	Folder string
	lock   sync.Mutex
}

// Seen is a request as the app gets it.
type Seen struct {
	App     string      `json:"app"`
	Method  string      `json:"method"`
	Host    string      `json:"host"`
	Path    string      `json:"path"`
	Remote  string      `json:"remote"`
	Headers http.Header `json:"headers"`
	Volume  Volume      `json:"volume"`
}

// Volume is what happened to a file in it.
type Volume struct {
	File string `json:"file"`
	// Requests that were counted in the file since it was made; it outlives the pod.
	Count int    `json:"count"`
	Error string `json:"error,omitempty"`
}

// Handler answers `/health` as Jellyfin does, and everything else with what was seen.
func (a *App) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/health", func(writer http.ResponseWriter, _ *http.Request) {
		writer.Header().Set("Content-Type", "text/plain")
		fmt.Fprint(writer, "Healthy")
	})
	mux.HandleFunc("/", func(writer http.ResponseWriter, request *http.Request) {
		seen := Seen{
			App: a.Name, Method: request.Method, Host: request.Host, Path: request.URL.Path,
			Remote: request.RemoteAddr, Headers: request.Header, Volume: a.count(),
		}
		writer.Header().Set("Content-Type", "application/json")
		if seen.Volume.Error != "" {
			writer.WriteHeader(http.StatusInternalServerError)
		}
		encoder := json.NewEncoder(writer)
		encoder.SetIndent("", "  ")
		_ = encoder.Encode(seen)
	})
	return mux
}

// Adds one to a number in the volume and reads it back.
func (a *App) count() Volume {
	a.lock.Lock()
	defer a.lock.Unlock()
	made := Volume{File: filepath.Join(a.Folder, "homelab-lab-count")}
	before, err := number(made.File)
	if err == nil {
		err = os.WriteFile(made.File, []byte(strconv.Itoa(before+1)+"\n"), 0o600)
	}
	if err == nil {
		made.Count, err = number(made.File)
	}
	if err != nil {
		made.Error = err.Error()
	}
	return made
}

func number(file string) (int, error) {
	text, err := os.ReadFile(file)
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, err
	}
	return strconv.Atoi(strings.TrimSpace(string(text)))
}
