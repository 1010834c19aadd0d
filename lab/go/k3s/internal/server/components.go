package server

import (
	"context"
	"os"
	"strings"
	"time"

	"homelab.invalid/lab/k3s/internal/api"
	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/place"
	"homelab.invalid/lab/k3s/internal/process"
	"homelab.invalid/lab/k3s/internal/supervisor"
)

func (p *Plan) apiserverArguments(encryption string) []string {
	arguments := []string{
		"--etcd-servers=" + EtcdURL,
		"--etcd-cafile=" + p.Data.TLS("etcd/server-ca.crt"),
		"--etcd-certfile=" + p.Data.TLS("etcd/client.crt"),
		"--etcd-keyfile=" + p.Data.TLS("etcd/client.key"),
		"--bind-address=" + supervisor.Upstream,
		"--secure-port=6443",
		"--permit-port-sharing=true",
		"--advertise-address=" + p.Advertise,
		"--tls-cert-file=" + p.Data.TLS("serving-kube-apiserver.crt"),
		"--tls-private-key-file=" + p.Data.TLS("serving-kube-apiserver.key"),
		"--client-ca-file=" + p.Data.TLS("client-ca.crt"),
		"--kubelet-certificate-authority=" + p.Data.TLS("server-ca.crt"),
		"--kubelet-client-certificate=" + p.Data.TLS("client-kube-apiserver.crt"),
		"--kubelet-client-key=" + p.Data.TLS("client-kube-apiserver.key"),
		"--kubelet-preferred-address-types=InternalIP,ExternalIP,Hostname",
		"--requestheader-client-ca-file=" + p.Data.TLS("request-header-ca.crt"),
		"--requestheader-allowed-names=system:auth-proxy",
		"--requestheader-username-headers=X-Remote-User",
		"--requestheader-group-headers=X-Remote-Group",
		"--requestheader-extra-headers-prefix=X-Remote-Extra-",
		"--proxy-client-cert-file=" + p.Data.TLS("client-auth-proxy.crt"),
		"--proxy-client-key-file=" + p.Data.TLS("client-auth-proxy.key"),
		"--service-account-issuer=https://kubernetes.default.svc." + p.Cluster.ClusterDomain,
		"--api-audiences=https://kubernetes.default.svc." + p.Cluster.ClusterDomain + ",k3s",
		"--service-account-key-file=" + p.Data.TLS("service.key"),
		"--service-account-signing-key-file=" + p.Data.TLS("service.key"),
		"--service-cluster-ip-range=" + p.Cluster.ServiceCIDR,
		"--authorization-mode=Node,RBAC",
		"--enable-admission-plugins=NodeRestriction",
		"--enable-bootstrap-token-auth=true",
		"--anonymous-auth=false",
		"--allow-privileged=true",
		"--profiling=false",
	}
	if encryption != "" {
		arguments = append(arguments, "--encryption-provider-config="+encryption)
	}
	return append(arguments, dashed(p.Settings.Arguments("kube-apiserver-arg"))...)
}

func (p *Plan) controllerArguments() []string {
	arguments := []string{
		"--kubeconfig=" + p.Data.Server("cred", "controller.kubeconfig"),
		"--authentication-kubeconfig=" + p.Data.Server("cred", "controller.kubeconfig"),
		"--authorization-kubeconfig=" + p.Data.Server("cred", "controller.kubeconfig"),
		"--use-service-account-credentials=true",
		"--service-account-private-key-file=" + p.Data.TLS("service.key"),
		"--root-ca-file=" + p.Data.TLS("server-ca.crt"),
		"--cluster-signing-kube-apiserver-client-cert-file=" + p.Data.TLS("client-ca.crt"),
		"--cluster-signing-kube-apiserver-client-key-file=" + p.Data.TLS("client-ca.key"),
		"--cluster-signing-kubelet-client-cert-file=" + p.Data.TLS("client-ca.crt"),
		"--cluster-signing-kubelet-client-key-file=" + p.Data.TLS("client-ca.key"),
		"--cluster-signing-kubelet-serving-cert-file=" + p.Data.TLS("server-ca.crt"),
		"--cluster-signing-kubelet-serving-key-file=" + p.Data.TLS("server-ca.key"),
		"--cluster-signing-legacy-unknown-cert-file=" + p.Data.TLS("server-ca.crt"),
		"--cluster-signing-legacy-unknown-key-file=" + p.Data.TLS("server-ca.key"),
		"--allocate-node-cidrs=true",
		"--cluster-cidr=" + p.Cluster.ClusterCIDR,
		"--service-cluster-ip-range=" + p.Cluster.ServiceCIDR,
		"--controllers=*,tokencleaner",
		"--bind-address=127.0.0.1",
		"--profiling=false",
	}
	return append(append(arguments, p.election()...), dashed(p.Settings.Arguments("kube-controller-manager-arg"))...)
}

func (p *Plan) schedulerArguments() []string {
	arguments := []string{
		"--kubeconfig=" + p.Data.Server("cred", "scheduler.kubeconfig"),
		"--authentication-kubeconfig=" + p.Data.Server("cred", "scheduler.kubeconfig"),
		"--authorization-kubeconfig=" + p.Data.Server("cred", "scheduler.kubeconfig"),
		"--bind-address=127.0.0.1",
		"--profiling=false",
	}
	return append(append(arguments, p.election()...), dashed(p.Settings.Arguments("kube-scheduler-arg"))...)
}

// A server that can never have a sibling elects nobody: after a crash it would wait for its own lease.
func (p *Plan) election() []string {
	if p.Etcd {
		return []string{"--leader-elect=true"}
	}
	return []string{"--leader-elect=false"}
}

func dashed(given []string) []string {
	var arguments []string
	for _, argument := range given {
		arguments = append(arguments, "--"+argument)
	}
	return arguments
}

// Client is k3s's own identity at the API server of this node.
func Client(data place.Data) (*api.Client, error) {
	return api.New("https://"+supervisor.Upstream+":6443",
		data.TLS("server-ca.crt"), data.TLS("client-supervisor.crt"), data.TLS("client-supervisor.key"))
}

func (p *Plan) startAPIServer(group *process.Group, encryption string) (*api.Client, error) {
	if _, err := group.Start(os.Stderr, nil, "kube-apiserver", p.apiserverArguments(encryption)...); err != nil {
		return nil, err
	}
	client, err := Client(p.Data)
	if err != nil {
		return nil, err
	}
	for round := 0; ; round++ {
		err := client.Ready(group.Context())
		if err == nil {
			journal.Infof("Kube API server is now running")
			return client, nil
		}
		if cause := context.Cause(group.Context()); cause != nil {
			return nil, cause
		}
		if round%40 == 39 {
			journal.Infof("Waiting for API server to become available: %v", err)
		}
		time.Sleep(250 * time.Millisecond)
	}
}

// A lease that this machine's own, earlier processes held: they are dead, or this one could not have
// started. Nobody has to wait for it to run out.
func (p *Plan) dropOwnLeases(ctx context.Context, client *api.Client) {
	host, err := os.Hostname()
	if err != nil {
		return
	}
	for _, name := range []string{"kube-controller-manager", "kube-scheduler"} {
		path := "/apis/coordination.k8s.io/v1/namespaces/kube-system/leases/" + name
		var lease struct {
			Spec struct {
				HolderIdentity string `json:"holderIdentity"`
			} `json:"spec"`
		}
		if client.Get(ctx, path, &lease) != nil || !strings.HasPrefix(lease.Spec.HolderIdentity, host+"_") {
			continue
		}
		if err := client.Delete(ctx, path); err != nil {
			journal.Warnf("The lease %s of an earlier start stays: %v", name, err)
		}
	}
}

func (p *Plan) startControllers(group *process.Group, client *api.Client) error {
	p.dropOwnLeases(group.Context(), client)
	if _, err := group.Start(os.Stderr, nil, "kube-controller-manager", p.controllerArguments()...); err != nil {
		return err
	}
	_, err := group.Start(os.Stderr, nil, "kube-scheduler", p.schedulerArguments()...)
	return err
}
