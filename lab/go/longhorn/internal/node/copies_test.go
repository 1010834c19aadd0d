package node

import (
	"testing"

	"homelab.invalid/lab/longhorn/internal/api"
)

func TestANodeThatComesBackLateChangesNoOther(t *testing.T) {
	own := func(healthy, failed string) api.Replica {
		var one api.Replica
		one.Spec = api.ReplicaSpec{NodeID: "a", HealthyAt: healthy, FailedAt: failed}
		return one
	}
	used := func(node string) api.Volume {
		var volume api.Volume
		volume.Status.CurrentNodeID = node
		return volume
	}
	if !leads(used("a"), own("t", "")) || !leads(used("a"), own("", "t")) {
		t.Error("whoever uses it leads")
	}
	if leads(used("b"), own("t", "")) {
		t.Error("another node uses it")
	}
	if leads(used(""), own("", "t")) || leads(used(""), own("", "")) {
		t.Error("its copy is not whole")
	}
	if !leads(used(""), own("t", "")) {
		t.Error("nobody uses it, and its copy is whole")
	}
}
