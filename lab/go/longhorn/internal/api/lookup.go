package api

import (
	"context"
	"strconv"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Managers gives the pod of each node's manager.
func (c *Client) Managers(ctx context.Context) (map[string]corev1.Pod, error) {
	list, err := c.Kube.CoreV1().Pods(Namespace).List(ctx, metav1.ListOptions{LabelSelector: "app=longhorn-manager"})
	if err != nil {
		return nil, err
	}
	pods := map[string]corev1.Pod{}
	for _, pod := range list.Items {
		if other, found := pods[pod.Spec.NodeName]; !found || !Runs(other) {
			pods[pod.Spec.NodeName] = pod
		}
	}
	return pods, nil
}

// Runs is whether a pod is ready.
func Runs(pod corev1.Pod) bool {
	for _, condition := range pod.Status.Conditions {
		if condition.Type == corev1.PodReady {
			return condition.Status == corev1.ConditionTrue && pod.DeletionTimestamp == nil
		}
	}
	return false
}

// Settings are Longhorn's, by name.
type SettingValues map[string]string

// ReadSettings gives them all.
func ReadSettings(ctx context.Context, c *Client) (SettingValues, error) {
	list, err := List[Setting](ctx, c, Settings)
	if err != nil {
		return nil, err
	}
	values := SettingValues{}
	for _, setting := range list {
		values[setting.Name] = setting.Value
	}
	return values, nil
}

// On is whether a setting is switched on.
func (s SettingValues) On(name string) bool { return s[name] == "true" }

// Number is a setting's, or another where it is none.
func (s SettingValues) Number(name string, otherwise int64) int64 {
	if number, err := strconv.ParseInt(s[name], 10, 64); err == nil {
		return number
	}
	return otherwise
}
