package routes

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
)

// File is a source for labs without a Cloudflare: a snapshot as JSON, read anew each time.
type File string

func (f File) Read(context.Context) (Snapshot, error) {
	var read Snapshot
	text, err := os.ReadFile(string(f))
	if err != nil {
		return read, err
	}
	if err := json.Unmarshal(text, &read); err != nil {
		return read, fmt.Errorf("%s: %w", string(f), err)
	}
	return read, nil
}

// Report tells nobody: a file has no reader that would ask.
func (f File) Report(context.Context, string, []Connection) error { return nil }
