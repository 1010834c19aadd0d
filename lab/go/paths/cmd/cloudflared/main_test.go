package main

import (
	"strings"
	"testing"
)

func TestTheRenderedCommandLineIsUnderstood(t *testing.T) {
	line := "--no-autoupdate tunnel --metrics 0.0.0.0:2000 --protocol http2 run"
	made, words, err := read(strings.Fields(line))
	if err != nil || strings.Join(words, " ") != "tunnel run" || made.metrics != "0.0.0.0:2000" || made.protocol != "http2" {
		t.Errorf("%+v, %q, %v", made, words, err)
	}
}

func TestWithoutATokenItSaysSoInCloudflaredsWords(t *testing.T) {
	t.Setenv("TUNNEL_TOKEN", "nonsense")
	err := run([]string{"tunnel", "run"})
	if err == nil || err.Error() != "Provided Tunnel token is not valid." {
		t.Errorf("%v", err)
	}
}

func TestWhatItCannotDoIsRefused(t *testing.T) {
	for _, line := range []string{"tunnel run --protocol quic", "tunnel list", "access login"} {
		if err := run(strings.Fields(line)); err == nil || !strings.HasPrefix(err.Error(), "the lab's cloudflared ") {
			t.Errorf("%s: %v", line, err)
		}
	}
}
