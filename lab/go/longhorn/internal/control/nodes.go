package control

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"

	"homelab.invalid/lab/longhorn/internal/api"
)

// nodes says of each node whether it can be used, and speaks for the disks of those that cannot speak.
func (c *Controller) nodes(ctx context.Context, seen *world) error {
	for i := range seen.nodes {
		node := &seen.nodes[i]
		conditions := node.Status.Conditions
		for _, condition := range judge(node.Name, seen.kubeNodes, seen.managers, seen.settings) {
			conditions = api.With(conditions, condition)
		}
		status := map[string]any{"conditions": conditions}
		if !api.Holds(conditions, "Ready") {
			disks := map[string]any{}
			for name, disk := range node.Status.Disks {
				disks[name] = map[string]any{"conditions": waiting(node.Name, name, disk)}
			}
			status["diskStatus"] = disks
		}
		if err := c.client.PatchStatus(ctx, api.Nodes, node.Name, *node, status); err != nil {
			return err
		}
		node.Status.Conditions = conditions
	}
	return nil
}

func judge(name string, nodes map[string]corev1.Node, managers map[string]corev1.Pod, settings api.SettingValues) []api.Condition {
	ready := api.Condition{Type: "Ready", Status: "False"}
	schedulable := api.Condition{Type: "Schedulable", Status: "True"}
	node, found := nodes[name]
	pod, runs := managers[name]
	switch down := notReady(node); {
	case !found:
		ready.Reason = "KubernetesNodeGone"
		ready.Message = fmt.Sprintf("Kubernetes node missing: node %v has been removed from the cluster", name)
	case down != "":
		ready.Reason = "KubernetesNodeNotReady"
		ready.Message = fmt.Sprintf("Kubernetes node %v not ready: %v", name, down)
	case !runs:
		ready.Reason = "ManagerPodMissing"
		ready.Message = fmt.Sprintf("Manager pod is missing: node %v has no manager pod running on it", name)
	case !api.Runs(pod):
		ready.Reason = "ManagerPodDown"
		ready.Message = fmt.Sprintf("Node %v is down: manager pod %v is not running", name, pod.Name)
	default:
		ready.Status, ready.Message = "True", fmt.Sprintf("Node %v is ready", name)
	}
	if node.Spec.Unschedulable && settings.On("disable-scheduling-on-cordoned-node") {
		schedulable.Status, schedulable.Reason = "False", "KubernetesNodeCordoned"
		schedulable.Message = fmt.Sprintf("Node %v is cordoned", name)
	}
	// The manager's pod says how it mounts; where that is not supported it does not start.
	mounts := api.Condition{Type: "MountPropagation", Status: api.Truth(api.Runs(pod))}
	return []api.Condition{ready, schedulable, mounts}
}

// notReady gives why kubelet's node is not ready; nothing when it is.
func notReady(node corev1.Node) string {
	for _, condition := range node.Status.Conditions {
		if condition.Type == corev1.NodeReady {
			if condition.Status == corev1.ConditionTrue {
				return ""
			}
			return condition.Reason
		}
	}
	return "it says nothing of itself"
}

func waiting(node, name string, disk api.DiskStatus) []api.Condition {
	conditions := disk.Conditions
	for kind, what := range map[string]string{"Ready": "ready", "Schedulable": "schedulable"} {
		conditions = api.With(conditions, api.Condition{
			Type: kind, Status: "False", Reason: "NodeNotReady",
			Message: fmt.Sprintf("Waiting for disk %v (%v) on node %v to be %s", name, disk.Path, node, what),
		})
	}
	return conditions
}
