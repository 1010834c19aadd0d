package control

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/yaml"

	"homelab.invalid/lab/longhorn/internal/api"
)

const (
	configMap = "longhorn-default-setting"
	configKey = "default-setting.yaml"
)

// Longhorn's own defaults of what the stand-in obeys or others ask for.
var defaults = map[string]string{
	"allow-recurring-job-while-volume-detached":        "false",
	"allow-volume-creation-with-degraded-availability": "true",
	"auto-cleanup-recurring-job-backup-snapshot":       "true",
	"create-default-disk-labeled-nodes":                "false",
	"default-data-path":                                "/var/lib/longhorn/",
	"default-replica-count":                            `{"v1":"3","v2":"3"}`,
	"deleting-confirmation-flag":                       "false",
	"disable-scheduling-on-cordoned-node":              "true",
	"node-drain-policy":                                "block-if-contains-last-replica",
	"replica-replenishment-wait-interval":              "600",
	"replica-soft-anti-affinity":                       "false",
	"storage-minimal-available-percentage":             "25",
	"storage-over-provisioning-percentage":             "100",
	"storage-reserved-percentage-for-default-disk":     "30",
	"concurrent-replica-rebuild-per-node-limit":        "5",
	"upgrade-checker":                                  "true",
	"allow-collecting-longhorn-usage-metrics":          "true",
}

// settings makes those that are not there, and takes over the chart's whenever they were changed.
func (c *Controller) settings(ctx context.Context) error {
	given, version, err := c.given(ctx)
	if err != nil {
		return err
	}
	have, err := api.List[api.Setting](ctx, c.client, api.Settings)
	if err != nil {
		return err
	}
	held := map[string]api.Setting{}
	for _, setting := range have {
		held[setting.Name] = setting
	}
	wanted := map[string]string{"current-longhorn-version": api.Version}
	for name, value := range defaults {
		wanted[name] = value
	}
	for name, value := range given {
		wanted[name] = value
	}
	for name, value := range wanted {
		mark := map[string]string{api.AnnotationConfig: version}
		setting, found := held[name]
		switch _, ours := given[name]; {
		case !found:
			metadata := metav1.ObjectMeta{Name: name, Annotations: mark}
			if err := c.client.Create(ctx, api.Settings, metadata, map[string]any{"value": value}); err != nil {
				return err
			}
		case ours && setting.Annotations[api.AnnotationConfig] != version, name == "current-longhorn-version":
			change := map[string]any{"value": value, "metadata": map[string]any{"annotations": mark}}
			if err := c.client.Patch(ctx, api.Settings, name, setting, change); err != nil {
				return err
			}
		}
		if err := c.client.PatchStatus(ctx, api.Settings, name, nilUnless(found, setting), map[string]any{"applied": true}); err != nil {
			return err
		}
	}
	return nil
}

// A patch of what was just made is sent without a look at what it was.
func nilUnless(found bool, have any) any {
	if found {
		return have
	}
	return nil
}

// given reads what the chart's values say.
func (c *Controller) given(ctx context.Context) (map[string]string, string, error) {
	found, err := c.client.Kube.CoreV1().ConfigMaps(api.Namespace).Get(ctx, configMap, metav1.GetOptions{})
	if errors.IsNotFound(err) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", err
	}
	return parse(found)
}

func parse(found *corev1.ConfigMap) (map[string]string, string, error) {
	var values map[string]any
	if err := yaml.Unmarshal([]byte(found.Data[configKey]), &values); err != nil {
		return nil, "", fmt.Errorf("ConfigMap %s: %w", configMap, err)
	}
	given := map[string]string{}
	for name, value := range values {
		given[name] = fmt.Sprint(value)
	}
	return given, found.ResourceVersion, nil
}
