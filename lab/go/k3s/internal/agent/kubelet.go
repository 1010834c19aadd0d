package agent

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"

	"homelab.invalid/lab/k3s/internal/place"
	"homelab.invalid/lab/k3s/internal/process"
	"homelab.invalid/lab/k3s/internal/server"
	"homelab.invalid/lab/k3s/internal/supervisor"
)

// The address at which this node's own parts reach the API.
func (p *Plan) apiURL() string {
	if p.OnServer {
		return "https://127.0.0.1:6443"
	}
	return "https://" + BalancerAddress
}

func (p *Plan) kubeconfigs() error {
	for file, name := range map[string]string{
		"kubelet": "client-kubelet", "kubeproxy": "client-kube-proxy", "k3scontroller": "client-k3s-controller",
	} {
		err := server.WriteKubeconfig(p.Data.Agent(file+".kubeconfig"), p.apiURL(),
			p.Data.Agent("server-ca.crt"), p.Data.Agent(name+".crt"), p.Data.Agent(name+".key"))
		if err != nil {
			return err
		}
	}
	return nil
}

// JSON is YAML, and a map can't be indented wrongly.
func (p *Plan) kubeletConfig(cluster supervisor.Cluster, resolver string) map[string]any {
	type object = map[string]any
	config := object{
		"apiVersion": "kubelet.config.k8s.io/v1beta1",
		"kind":       "KubeletConfiguration",
		"authentication": object{
			"anonymous": object{"enabled": false},
			"webhook":   object{"enabled": true, "cacheTTL": "2m0s"},
			"x509":      object{"clientCAFile": p.Data.Agent("client-ca.crt")},
		},
		"authorization":            object{"mode": "Webhook"},
		"tlsCertFile":              p.Data.Agent("serving-kubelet.crt"),
		"tlsPrivateKeyFile":        p.Data.Agent("serving-kubelet.key"),
		"containerRuntimeEndpoint": "unix://" + place.ContainerdSocket,
		"clusterDNS":               []string{cluster.ClusterDNS},
		"clusterDomain":            cluster.ClusterDomain,
		"resolvConf":               resolver,
		"staticPodPath":            p.Data.Agent("pod-manifests"),
		"cgroupDriver":             "cgroupfs",
		"failSwapOn":               false,
		"failCgroupV1":             false,
		"serializeImagePulls":      false,
		"evictionHard":             object{"imagefs.available": "5%", "nodefs.available": "5%"},
		"evictionMinimumReclaim":   object{"imagefs.available": "10%", "nodefs.available": "10%"},
	}
	if systemdCgroup() {
		config["cgroupDriver"] = "systemd"
	}
	if Container() {
		// The disk under a container's root can't be told from the device: kubelet would find no
		// filesystem to measure and evict everybody.
		config["localStorageCapacityIsolation"] = false
	}
	return config
}

func (p *Plan) startKubelet(group *process.Group, cluster supervisor.Cluster) error {
	resolver, err := p.resolver()
	if err != nil {
		return err
	}
	text, err := json.MarshalIndent(p.kubeletConfig(cluster, resolver), "", "  ")
	if err != nil {
		return err
	}
	path := p.Data.Agent("etc", "kubelet.conf.d", "00-k3s-defaults.conf")
	if err := writeFile(path, text, 0o600); err != nil {
		return err
	}
	for _, directory := range []string{p.Data.Agent("pod-manifests"), place.KubeletRoot, p.cniDirectory()} {
		if err := os.MkdirAll(directory, 0o755); err != nil {
			return err
		}
	}
	labels := append([]string{"node.kubernetes.io/instance-type=k3s"}, p.Settings.List("node-label")...)
	arguments := []string{
		"--config=" + path,
		"--kubeconfig=" + p.Data.Agent("kubelet.kubeconfig"),
		"--hostname-override=" + p.Node,
		"--node-ip=" + p.NodeIP,
		"--root-dir=" + place.KubeletRoot,
		"--cert-dir=" + filepath.Join(place.KubeletRoot, "pki"),
		"--node-labels=" + strings.Join(labels, ","),
	}
	if taints := p.Settings.List("node-taint"); len(taints) > 0 {
		arguments = append(arguments, "--register-with-taints="+strings.Join(taints, ","))
	}
	for _, given := range p.Settings.Arguments("kubelet-arg") {
		arguments = append(arguments, "--"+given)
	}
	_, err = group.Start(os.Stderr, nil, "kubelet", arguments...)
	return err
}

func (p *Plan) startProxy(group *process.Group, cluster supervisor.Cluster) error {
	arguments := []string{
		"--kubeconfig=" + p.Data.Agent("kubeproxy.kubeconfig"),
		"--hostname-override=" + p.Node,
		"--proxy-mode=iptables",
		"--cluster-cidr=" + cluster.ClusterCIDR,
		"--healthz-bind-address=127.0.0.1",
		// k3s leaves the kernel's own limits alone.
		"--conntrack-max-per-core=0",
		"--conntrack-tcp-timeout-established=0s",
		"--conntrack-tcp-timeout-close-wait=0s",
	}
	for _, given := range p.Settings.Arguments("kube-proxy-arg") {
		arguments = append(arguments, "--"+given)
	}
	_, err := group.Start(os.Stderr, nil, "kube-proxy", arguments...)
	return err
}
