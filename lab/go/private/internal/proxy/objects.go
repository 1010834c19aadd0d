package proxy

import (
	"encoding/json"
	"fmt"
)

// Object is any Kubernetes object.
type Object = map[string]any

// What a proxy is made from.
type design struct {
	Name      string
	Namespace string
	Hostname  string
	// Target is the address of the Service, up to the port.
	Target      string
	LoginServer string
	Image       string
	Labels      map[string]string
	Env         []Variable
	// Changes when the certificate does, so that the pod starts anew.
	Certificate string
}

func (d design) metadata(name string) Object {
	return Object{"name": name, "namespace": d.Namespace, "labels": d.Labels}
}

// Tailscale's own `serve` hands TCP on as it came; HTTPS ends beside it, since Headscale's tailnet has no
// certificates to give.
func (d design) serve() (Object, error) {
	text, err := json.Marshal(Object{"TCP": Object{"443": Object{"TCPForward": "127.0.0.1:8443", "ProxyProtocol": 1}}})
	return Object{
		"apiVersion": "v1", "kind": "ConfigMap", "metadata": d.metadata(d.Name),
		"data": Object{"serve-config": string(text)},
	}, err
}

func (d design) statefulSet() Object {
	env := []Object{
		{"name": "TS_KUBE_SECRET", "value": d.Name + "-0"},
		{"name": "TS_HOSTNAME", "value": d.Hostname},
		{"name": "TS_USERSPACE", "value": "true"},
		{"name": "TS_AUTH_ONCE", "value": "true"},
		{"name": "TS_ACCEPT_DNS", "value": "false"},
		{"name": "TS_SERVE_CONFIG", "value": "/etc/tailscaled/serve-config"},
		{"name": "TS_EXTRA_ARGS", "value": "--login-server=" + d.LoginServer},
		{"name": "TS_TAILSCALED_EXTRA_ARGS", "value": "--no-logs-no-support"},
		{"name": "TS_ENABLE_HEALTH_CHECK", "value": "true"},
		{"name": "TS_LOCAL_ADDR_PORT", "value": "0.0.0.0:9002"},
		// The lab's relay speaks plain HTTP.
		{"name": "TS_DEBUG_USE_DERP_HTTP", "value": "1"},
		{"name": "POD_NAME", "valueFrom": Object{"fieldRef": Object{"fieldPath": "metadata.name"}}},
		{"name": "POD_UID", "valueFrom": Object{"fieldRef": Object{"fieldPath": "metadata.uid"}}},
	}
	for _, one := range d.Env {
		env = append(env, Object{"name": one.Name, "value": one.Value})
	}
	restricted := Object{"allowPrivilegeEscalation": false, "capabilities": Object{"drop": []string{"ALL"}}}
	pod := Object{
		"serviceAccountName": "proxies",
		"containers": []Object{
			{
				"name": "tailscale", "image": d.Image, "imagePullPolicy": "IfNotPresent", "env": env,
				"command":         []string{"/usr/local/bin/containerboot"},
				"readinessProbe":  Object{"httpGet": Object{"path": "/healthz", "port": 9002}, "periodSeconds": 3},
				"resources":       Object{"requests": Object{"cpu": "10m", "memory": "48Mi"}},
				"securityContext": restricted,
				"volumeMounts": []Object{
					{"name": "serve", "mountPath": "/etc/tailscaled", "readOnly": true},
					{"name": "tmp", "mountPath": "/tmp"},
				},
			},
			{
				"name": "https", "image": d.Image, "imagePullPolicy": "IfNotPresent",
				"command":         []string{"/usr/local/bin/front", "-target", d.Target},
				"resources":       Object{"requests": Object{"cpu": "5m", "memory": "16Mi"}},
				"securityContext": restricted,
				"volumeMounts": []Object{
					{"name": "certificate", "mountPath": "/certificate", "readOnly": true},
					{"name": "tmp", "mountPath": "/tmp"}, // tailscaled's socket is there
				},
			},
		},
		"volumes": []Object{
			{"name": "serve", "configMap": Object{"name": d.Name}},
			{"name": "certificate", "secret": Object{"secretName": d.Name + "-tls"}},
			{"name": "tmp", "emptyDir": Object{}},
		},
	}
	labels := map[string]string{"app": d.Name}
	for name, value := range d.Labels {
		labels[name] = value
	}
	return Object{
		"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": d.metadata(d.Name),
		"spec": Object{
			"replicas": 1, "serviceName": d.Name,
			"selector": Object{"matchLabels": Object{"app": d.Name}},
			"template": Object{
				"metadata": Object{"labels": labels, "annotations": Object{"homelab-lab/certificate": d.Certificate}},
				"spec":     pod,
			},
		},
	}
}

func core(namespace, kind, name string) string {
	return fmt.Sprintf("/api/v1/namespaces/%s/%s/%s", namespace, kind, name)
}

func statefulSet(namespace, name string) string {
	return fmt.Sprintf("/apis/apps/v1/namespaces/%s/statefulsets/%s", namespace, name)
}
