// Command k3s stands in for k3s where the real one is not to be had: real Kubernetes, containerd, etcd and
// Flannel behind the part of k3s's contract that this repository relies on. It is not k3s and says so.
package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/signal"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"homelab.invalid/lab/k3s/internal/agent"
	"homelab.invalid/lab/k3s/internal/bundle"
	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/place"
	"homelab.invalid/lab/k3s/internal/process"
	"homelab.invalid/lab/k3s/internal/server"
	"homelab.invalid/lab/k3s/internal/settings"
	"homelab.invalid/lab/k3s/internal/snapshot"
	"homelab.invalid/lab/k3s/internal/version"
)

// How long a part may take to end before it is killed.
const patience = 15 * time.Second

const usage = `usage: k3s server|agent [FLAG]...
       k3s kubectl|crictl|ctr [ARGUMENT]...
       k3s etcd-snapshot save|ls|delete|prune [FLAG]...
       k3s --version
`

func main() {
	name, arguments := filepath.Base(os.Args[0]), os.Args[1:]
	if !tool(name) {
		if len(arguments) == 0 {
			fmt.Fprint(os.Stderr, usage)
			os.Exit(2)
		}
		name, arguments = arguments[0], arguments[1:]
	}
	switch {
	case name == "--version" || name == "-v":
		fmt.Print(version.Banner())
	case name == "--help" || name == "-h" || name == "help":
		fmt.Print(usage)
	case tool(name):
		fail(runTool(name, arguments))
	case name == "server":
		fail(run(name, arguments, startServer))
	case name == "agent":
		fail(run(name, arguments, startAgent))
	case name == "etcd-snapshot":
		fail(runSnapshot(arguments))
	default:
		fmt.Fprintf(os.Stderr, "No help topic for '%s'\n", name)
		os.Exit(3)
	}
}

func fail(err error) {
	if err != nil {
		journal.Fatal(err)
	}
}

func tool(name string) bool { return name == "kubectl" || name == "crictl" || name == "ctr" }

func unpack(data string) (string, error) {
	self, err := os.Executable()
	if err != nil {
		return "", err
	}
	found, err := bundle.Open(self)
	if err != nil {
		return "", err
	}
	return found.Extract(place.Data(data).Bundle())
}

// A part takes this process's place, with its own files and sockets as defaults.
func runTool(name string, arguments []string) error {
	data := os.Getenv("K3S_DATA_DIR")
	if data == "" {
		data = place.DefaultData
	}
	directory, err := unpack(data)
	if err != nil {
		return err
	}
	environment := os.Environ()
	for variable, value := range map[string]string{
		"KUBECONFIG":                 place.Kubeconfig,
		"CONTAINERD_ADDRESS":         place.ContainerdSocket,
		"CONTAINERD_NAMESPACE":       "k8s.io",
		"CONTAINER_RUNTIME_ENDPOINT": "unix://" + place.ContainerdSocket,
	} {
		if os.Getenv(variable) == "" {
			environment = append(environment, variable+"="+value)
		}
	}
	return syscall.Exec(filepath.Join(directory, "bin", name), append([]string{name}, arguments...), environment)
}

func run(command string, arguments []string, start func(*settings.Settings, *process.Group, string) error) error {
	read, err := settings.Read(command, arguments)
	if err != nil {
		return err
	}
	for _, warning := range read.Warnings {
		journal.Warnf("%s", warning)
	}
	if os.Geteuid() != 0 {
		return errors.New("must run as root unless --rootless is specified")
	}
	journal.Infof("Starting k3s %s (stand-in)", version.K3s())
	directory, err := unpack(read.Text("data-dir", place.DefaultData))
	if err != nil {
		return err
	}
	ctx, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	group := process.NewGroup(ctx, directory)
	failed := start(read, group, directory)
	if failed == nil {
		<-group.Context().Done()
		failed = context.Cause(group.Context())
	}
	group.Stop(patience)
	if ctx.Err() != nil {
		journal.Infof("Shutdown: %s ended as asked", command)
		return nil
	}
	return failed
}

func startServer(read *settings.Settings, group *process.Group, directory string) error {
	node, address, err := agent.Identity(read)
	if err != nil {
		return err
	}
	plan, err := server.NewPlan(read, node, address)
	if err != nil {
		return err
	}
	if read.On("cluster-reset") {
		return plan.Reset(group)
	}
	client, err := plan.Start(group)
	if err != nil {
		return err
	}
	// Another datastore than embedded etcd is not k3s's to snapshot.
	if plan.Etcd {
		if err := snapshot.Schedule(group, read, plan.Data, plan.Node, client); err != nil {
			return err
		}
	}
	notify("READY=1")
	journal.Infof("k3s is up and running")
	secret, err := plan.AgentToken()
	if err != nil {
		return err
	}
	member := agent.Plan{
		Data: plan.Data, Settings: read, Node: node, NodeIP: address, Bundle: directory,
		Server: "https://127.0.0.1:6443", Token: secret, OnServer: true,
	}
	return member.Start(group)
}

func startAgent(read *settings.Settings, group *process.Group, directory string) error {
	node, address, err := agent.Identity(read)
	if err != nil {
		return err
	}
	secret, err := read.Secret("token")
	if err != nil {
		return err
	}
	if secret == "" {
		return errors.New("--token is required")
	}
	if read.Text("server", "") == "" {
		return errors.New("--server is required")
	}
	member := agent.Plan{
		Data: place.Data(read.Text("data-dir", place.DefaultData)), Settings: read, Node: node, NodeIP: address,
		Server: read.Text("server", ""), Token: secret, Bundle: directory,
	}
	journal.Infof("Starting k3s agent %s (stand-in)", version.K3s())
	if err := member.Start(group); err != nil {
		return err
	}
	notify("READY=1")
	journal.Infof("k3s agent is up and running")
	return nil
}

// Tells systemd, where it waits.
func notify(state string) {
	socket := os.Getenv("NOTIFY_SOCKET")
	if socket == "" {
		return
	}
	if strings.HasPrefix(socket, "@") {
		socket = "\x00" + socket[1:]
	}
	connection, err := net.DialUnix("unixgram", nil, &net.UnixAddr{Name: socket, Net: "unixgram"})
	if err != nil {
		journal.Warnf("systemd was not told %s: %v", state, err)
		return
	}
	defer connection.Close()
	if _, err := connection.Write([]byte(state)); err != nil {
		journal.Warnf("systemd was not told %s: %v", state, err)
	}
}

func runSnapshot(arguments []string) error {
	verb := "save"
	if len(arguments) > 0 && !strings.HasPrefix(arguments[0], "-") {
		verb, arguments = arguments[0], arguments[1:]
	}
	read, err := settings.Read("etcd-snapshot", arguments)
	if err != nil {
		return err
	}
	directory, err := unpack(read.Text("data-dir", place.DefaultData))
	if err != nil {
		return err
	}
	return snapshot.Run(process.NewGroup(context.Background(), directory), read, verb)
}
