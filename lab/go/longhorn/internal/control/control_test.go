package control

import (
	"testing"

	corev1 "k8s.io/api/core/v1"

	"homelab.invalid/lab/longhorn/internal/api"
)

func copyOn(node, healthy, failed string) api.Replica {
	var one api.Replica
	one.Name = "pvc-1-r-" + node
	one.Spec = api.ReplicaSpec{NodeID: node, HealthyAt: healthy, FailedAt: failed}
	return one
}

func TestAVolumeIsAsHealthyAsItsCopies(t *testing.T) {
	good, failed, building := copyOn("a", "t", ""), copyOn("b", "", "t"), copyOn("b", "", "")
	for name, one := range map[string]struct {
		copies []api.Replica
		user   string
		ready  bool
		want   string
	}{
		"both":                  {[]api.Replica{good, copyOn("b", "t", "")}, "a", true, "healthy"},
		"one failed":            {[]api.Replica{good, failed}, "a", true, "degraded"},
		"one is made":           {[]api.Replica{good, building}, "a", true, "degraded"},
		"none is left":          {[]api.Replica{failed, failed}, "a", true, "faulted"},
		"its node is down":      {[]api.Replica{good, failed}, "a", false, "unknown"},
		"nobody uses it":        {[]api.Replica{good, good}, "", true, "unknown"},
		"nobody, and none left": {[]api.Replica{failed}, "", true, "faulted"},
		"it has no copy as yet": {nil, "", true, "unknown"},
	} {
		if got := Robustness(one.copies, 2, one.user, one.ready); got != one.want {
			t.Errorf("%s: %s", name, got)
		}
	}
}

func TestOnlyANodeWithAWholeCopyMayUseAVolume(t *testing.T) {
	volume := &api.Volume{}
	good, failed := copyOn("a", "t", ""), copyOn("b", "", "t")
	copies := []api.Replica{good, failed}
	if why := unfit(volume, copies, "a"); why != "" {
		t.Error(why)
	}
	for _, node := range []string{"b", "c"} {
		if unfit(volume, copies, node) == "" {
			t.Errorf("node %s has no whole copy", node)
		}
	}
	if why := unfit(volume, []api.Replica{copyOn("a", "", ""), copyOn("b", "", "")}, "b"); why != "" {
		t.Errorf("copies that were never used are alike: %s", why)
	}
	volume.Status.RestoreRequired = true
	if unfit(volume, copies, "a") == "" {
		t.Error("it is not restored yet")
	}
}

func TestANodeIsReadyWhenKubernetesAndItsManagerAre(t *testing.T) {
	up := func(ready corev1.ConditionStatus) corev1.Node {
		var node corev1.Node
		node.Status.Conditions = []corev1.NodeCondition{{Type: corev1.NodeReady, Status: ready, Reason: "KubeletNotReady"}}
		return node
	}
	var pod corev1.Pod
	pod.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodReady, Status: corev1.ConditionTrue}}
	down := *pod.DeepCopy()
	down.Status.Conditions[0].Status = corev1.ConditionFalse
	cordoned := up(corev1.ConditionTrue)
	cordoned.Spec.Unschedulable = true
	nodes := map[string]corev1.Node{
		"fit": up(corev1.ConditionTrue), "down": up(corev1.ConditionUnknown), "cordoned": cordoned,
		"podless": up(corev1.ConditionTrue), "broken": up(corev1.ConditionTrue),
	}
	managers := map[string]corev1.Pod{"fit": pod, "down": pod, "cordoned": pod, "broken": down}
	settings := api.SettingValues{"disable-scheduling-on-cordoned-node": "true"}
	for name, want := range map[string]string{
		"fit": "", "down": "KubernetesNodeNotReady", "gone": "KubernetesNodeGone", "podless": "ManagerPodMissing",
		"broken": "ManagerPodDown", "cordoned": "KubernetesNodeCordoned",
	} {
		got := ""
		for _, condition := range judge(name, nodes, managers, settings) {
			if condition.Status == "False" && condition.Reason != "" {
				got = condition.Reason
			}
		}
		if got != want {
			t.Errorf("%s: %q", name, got)
		}
	}
}

func TestTheUsualNumberOfCopiesIsReadInBothForms(t *testing.T) {
	for setting, want := range map[string]int{`{"v1":"2","v2":"3"}`: 2, "1": 1, "": 3} {
		if got := usual(setting); got != want {
			t.Errorf("%q: %d", setting, got)
		}
	}
}

func TestOnlyAVolumeWithoutClaimAndWithoutBytesIsForsaken(t *testing.T) {
	var volume api.Volume
	volume.Name, volume.Annotations = "pvc-1", map[string]string{annotationProvisioned: api.Driver}
	var claim corev1.PersistentVolumeClaim
	claim.UID = "1"
	held := copyOn("a", "", "")
	held.Spec.VolumeName = "pvc-1"
	byHand := volume
	byHand.Annotations = nil
	for name, one := range map[string]struct {
		seen   world
		volume api.Volume
		want   bool
	}{
		"its claim went":        {world{}, volume, true},
		"its claim is there":    {world{claims: []corev1.PersistentVolumeClaim{claim}}, volume, false},
		"it has bytes":          {world{replicas: []api.Replica{held}}, volume, false},
		"it is bound":           {world{bound: map[string]corev1.PersistentVolume{"pvc-1": {}}}, volume, false},
		"somebody else made it": {world{}, byHand, false},
	} {
		if got := forsaken(&one.seen, one.volume); got != one.want {
			t.Errorf("%s: %v", name, got)
		}
	}
}
