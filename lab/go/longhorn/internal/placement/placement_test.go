package placement

import (
	"testing"

	"homelab.invalid/lab/longhorn/internal/api"
)

const gib = int64(1) << 30

var limits = Limits{OverProvisioning: 100, MinimalAvailable: 25}

func node(name string, scheduled int64, ready bool) api.Node {
	fit := []api.Condition{{Type: "Ready", Status: api.Truth(ready)}, {Type: "Schedulable", Status: "True"}}
	node := api.Node{}
	node.Name = name
	node.Spec = api.NodeSpec{AllowScheduling: true, Disks: map[string]api.Disk{
		"disk": {Path: "/var/lib/longhorn/", AllowScheduling: true, StorageReserved: 3 * gib},
	}}
	node.Status = api.NodeStatus{Conditions: fit, Disks: map[string]api.DiskStatus{
		"disk": {Conditions: fit, UUID: "uuid-" + name, Maximum: 10 * gib, Available: 9 * gib, Scheduled: scheduled},
	}}
	return node
}

func names(places []Place) []string {
	var names []string
	for _, place := range places {
		names = append(names, place.Node)
	}
	return names
}

func TestTwoCopiesAreNeverOnOneNode(t *testing.T) {
	places, why := Choose([]api.Node{node("a", 0, true)}, nil, 2, gib, limits)
	if len(places) != 1 || why != NodesUnavailable {
		t.Fatalf("%v, %q", places, why)
	}
	places, _ = Choose([]api.Node{node("a", 0, true), node("b", 0, true)}, []string{"a"}, 1, gib, limits)
	if got := names(places); len(got) != 1 || got[0] != "b" {
		t.Fatalf("%v", got)
	}
}

func TestTheNodesWithTheLeastOnThemComeFirst(t *testing.T) {
	nodes := []api.Node{node("a", 4*gib, true), node("b", 1*gib, true), node("c", 2*gib, true)}
	places, why := Choose(nodes, nil, 2, gib, limits)
	if got := names(places); why != "" || len(got) != 2 || got[0] != "b" || got[1] != "c" {
		t.Fatalf("%v, %q", got, why)
	}
	if places[0].UUID != "uuid-b" || places[0].Path != "/var/lib/longhorn/" {
		t.Fatalf("%+v", places[0])
	}
}

func TestANodeThatIsDownOrCordonedTakesNone(t *testing.T) {
	cordoned := node("b", 0, true)
	cordoned.Status.Conditions[1].Status = "False"
	off := node("c", 0, true)
	off.Spec.AllowScheduling = false
	places, why := Choose([]api.Node{node("a", 0, false), cordoned, off}, nil, 1, gib, limits)
	if len(places) != 0 || why != NodesUnavailable {
		t.Fatalf("%v, %q", places, why)
	}
}

func TestReservedSpaceAndWhatIsScheduledAreCounted(t *testing.T) {
	disk := node("a", 6*gib, true)
	fits := func(size int64) bool {
		fits, _ := Fits(size, disk.Spec.Disks["disk"], disk.Status.Disks["disk"], limits)
		return fits
	}
	if !fits(gib) || fits(gib+1) {
		t.Fatal("seven of ten GiB may be scheduled, six are")
	}
	full := disk.Status.Disks["disk"]
	full.Available = 25 * gib / 10
	if fits, why := Fits(1, disk.Spec.Disks["disk"], full, limits); fits || why == "" {
		t.Fatal("a quarter is kept free")
	}
	_, why := Choose([]api.Node{disk}, nil, 1, 2*gib, limits)
	if why != NoStorage {
		t.Fatalf("%q", why)
	}
}
