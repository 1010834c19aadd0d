package settings

// Kind is how values of a flag add up.
type Kind int

const (
	// Text keeps the last value.
	Text Kind = iota
	// Switch is true when named without a value.
	Switch
	// List keeps every value.
	List
)

// Flag is a setting, by command line, file or environment.
type Flag struct {
	Name string
	// Short is the one-letter form, if there is one.
	Short string
	// Also is a second name of it.
	Also string
	Kind Kind
	// Environment names the variable that gives the value when nothing else does.
	Environment string
	// Idle flags are k3s's own, accepted here without any effect.
	Idle bool
}

// Node flags are common to servers and agents.
var node = []Flag{
	{Name: "config", Short: "c", Environment: "K3S_CONFIG_FILE"},
	{Name: "debug", Kind: Switch, Environment: "K3S_DEBUG", Idle: true},
	{Name: "v", Idle: true},
	{Name: "data-dir", Short: "d", Environment: "K3S_DATA_DIR"},
	{Name: "token", Short: "t", Environment: "K3S_TOKEN"},
	{Name: "token-file", Environment: "K3S_TOKEN_FILE"},
	{Name: "server", Short: "s", Environment: "K3S_URL"},
	{Name: "node-name", Environment: "K3S_NODE_NAME"},
	{Name: "with-node-id", Kind: Switch, Idle: true},
	{Name: "node-ip", Short: "i", Kind: List},
	{Name: "node-external-ip", Kind: List},
	{Name: "flannel-iface"},
	{Name: "flannel-conf", Idle: true},
	{Name: "resolv-conf", Environment: "K3S_RESOLV_CONF"},
	{Name: "node-label", Kind: List},
	{Name: "node-taint", Kind: List},
	{Name: "kubelet-arg", Kind: List},
	{Name: "kube-proxy-arg", Kind: List},
	{Name: "protect-kernel-defaults", Kind: Switch, Idle: true},
	{Name: "selinux", Kind: Switch, Idle: true},
	{Name: "lb-server-port", Idle: true},
	{Name: "pause-image", Idle: true},
	{Name: "private-registry", Idle: true},
	{Name: "snapshotter", Idle: true},
	{Name: "prefer-bundled-bin", Kind: Switch, Idle: true},
}

var server = []Flag{
	{Name: "cluster-init", Kind: Switch, Environment: "K3S_CLUSTER_INIT"},
	{Name: "cluster-reset", Kind: Switch, Environment: "K3S_CLUSTER_RESET"},
	{Name: "cluster-reset-restore-path"},
	{Name: "agent-token", Environment: "K3S_AGENT_TOKEN"},
	{Name: "agent-token-file", Environment: "K3S_AGENT_TOKEN_FILE"},
	{Name: "bind-address"},
	{Name: "advertise-address"},
	{Name: "https-listen-port", Idle: true},
	{Name: "tls-san", Kind: List},
	{Name: "tls-san-security", Kind: Switch, Idle: true},
	{Name: "cluster-cidr", Kind: List},
	{Name: "service-cidr", Kind: List},
	{Name: "cluster-dns", Kind: List},
	{Name: "cluster-domain"},
	{Name: "flannel-backend"},
	{Name: "flannel-external-ip", Kind: Switch, Idle: true},
	{Name: "flannel-ipv6-masq", Kind: Switch, Idle: true},
	{Name: "egress-selector-mode", Idle: true},
	{Name: "disable", Kind: List},
	{Name: "disable-network-policy", Kind: Switch, Idle: true},
	{Name: "disable-helm-controller", Kind: Switch, Idle: true},
	{Name: "disable-cloud-controller", Kind: Switch, Idle: true},
	{Name: "disable-kube-proxy", Kind: Switch},
	{Name: "embedded-registry", Kind: Switch, Idle: true},
	{Name: "secrets-encryption", Kind: Switch},
	{Name: "write-kubeconfig", Short: "o", Environment: "K3S_KUBECONFIG_OUTPUT"},
	{Name: "write-kubeconfig-mode", Environment: "K3S_KUBECONFIG_MODE"},
	{Name: "write-kubeconfig-group", Idle: true},
	{Name: "kube-apiserver-arg", Kind: List},
	{Name: "kube-controller-manager-arg", Kind: List},
	{Name: "kube-scheduler-arg", Kind: List},
	{Name: "etcd-arg", Kind: List},
	{Name: "etcd-expose-metrics", Kind: Switch, Idle: true},
	{Name: "etcd-disable-snapshots", Kind: Switch},
	{Name: "etcd-snapshot-name"},
	{Name: "etcd-snapshot-dir"},
	{Name: "etcd-snapshot-schedule-cron"},
	{Name: "etcd-snapshot-retention"},
	{Name: "etcd-snapshot-compress", Kind: Switch, Idle: true},
	{Name: "etcd-s3", Kind: Switch},
	{Name: "etcd-s3-endpoint"},
	{Name: "etcd-s3-endpoint-ca"},
	{Name: "etcd-s3-skip-ssl-verify", Kind: Switch},
	{Name: "etcd-s3-access-key", Environment: "AWS_ACCESS_KEY_ID"},
	{Name: "etcd-s3-secret-key", Environment: "AWS_SECRET_ACCESS_KEY"},
	{Name: "etcd-s3-bucket"},
	{Name: "etcd-s3-region"},
	{Name: "etcd-s3-folder"},
	{Name: "etcd-s3-insecure", Kind: Switch},
	{Name: "etcd-s3-timeout"},
	{Name: "etcd-s3-config-secret", Idle: true},
	{Name: "etcd-s3-retention"},
	{Name: "etcd-s3-bucket-lookup-type"},
	{Name: "etcd-s3-session-token", Idle: true},
	{Name: "etcd-s3-proxy", Idle: true},
}

// The names after `k3s etcd-snapshot save`.
var snapshot = []Flag{
	{Name: "config", Short: "c", Environment: "K3S_CONFIG_FILE"},
	{Name: "data-dir", Short: "d", Environment: "K3S_DATA_DIR"},
	{Name: "name"},
	{Name: "etcd-snapshot-dir"},
	{Name: "dir"},
	{Name: "etcd-snapshot-retention"},
	{Name: "snapshot-retention"},
	{Name: "node-name", Environment: "K3S_NODE_NAME"},
	{Name: "etcd-snapshot-compress", Also: "snapshot-compress", Kind: Switch, Idle: true},
	{Name: "etcd-s3", Also: "s3", Kind: Switch},
	{Name: "etcd-s3-endpoint", Also: "s3-endpoint"},
	{Name: "etcd-s3-endpoint-ca", Also: "s3-endpoint-ca"},
	{Name: "etcd-s3-skip-ssl-verify", Also: "s3-skip-ssl-verify", Kind: Switch},
	{Name: "etcd-s3-access-key", Also: "s3-access-key", Environment: "AWS_ACCESS_KEY_ID"},
	{Name: "etcd-s3-secret-key", Also: "s3-secret-key", Environment: "AWS_SECRET_ACCESS_KEY"},
	{Name: "etcd-s3-bucket", Also: "s3-bucket"},
	{Name: "etcd-s3-bucket-lookup-type", Also: "s3-bucket-lookup-type"},
	{Name: "etcd-s3-region", Also: "s3-region"},
	{Name: "etcd-s3-folder", Also: "s3-folder"},
	{Name: "etcd-s3-insecure", Also: "s3-insecure", Kind: Switch},
	{Name: "etcd-s3-timeout", Also: "s3-timeout"},
	{Name: "etcd-s3-retention", Also: "s3-retention"},
	{Name: "etcd-server", Short: "s", Idle: true},
	{Name: "etcd-token", Short: "t", Idle: true},
	{Name: "output", Short: "o"},
}

func flagsOf(command string) []Flag {
	switch command {
	case "server":
		return append(append([]Flag{}, node...), server...)
	case "etcd-snapshot":
		return snapshot
	}
	return node
}
