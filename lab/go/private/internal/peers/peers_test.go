package peers

import (
	"slices"
	"testing"
)

func TestWhoIsOnlineIsCalledByTheFirstAddress(t *testing.T) {
	found := online([]byte(`{"Self": {"Online": true, "TailscaleIPs": ["100.64.0.9"]}, "Peer": {
		"a": {"Online": true, "TailscaleIPs": ["100.64.0.2", "fd7a::2"]}, "b": {"Online": false, "TailscaleIPs": ["100.64.0.3"]},
		"c": {"Online": true, "TailscaleIPs": null}, "d": {"Online": true, "TailscaleIPs": ["100.64.0.1"]}}}`))
	if !slices.Equal(found, []string{"100.64.0.1", "100.64.0.2"}) {
		t.Errorf("%q", found)
	}
	if online([]byte("not up yet")) != nil {
		t.Error("peers out of nothing")
	}
}
