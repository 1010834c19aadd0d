// Command kubernetes is every Kubernetes component in one binary, chosen by the name it is called by or
// by its first argument. One binary shares most of its code: six would be five times the size.
package main

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"k8s.io/component-base/cli"
	_ "k8s.io/component-base/logs/json/register"
	_ "k8s.io/component-base/metrics/prometheus/clientgo"
	_ "k8s.io/component-base/metrics/prometheus/restclient"
	_ "k8s.io/component-base/metrics/prometheus/version"
	kubectl "k8s.io/kubectl/pkg/cmd"
	apiserver "k8s.io/kubernetes/cmd/kube-apiserver/app"
	controllers "k8s.io/kubernetes/cmd/kube-controller-manager/app"
	proxy "k8s.io/kubernetes/cmd/kube-proxy/app"
	scheduler "k8s.io/kubernetes/cmd/kube-scheduler/app"
	kubelet "k8s.io/kubernetes/cmd/kubelet/app"
)

var components = map[string]func() *cobra.Command{
	"kube-apiserver":          apiserver.NewAPIServerCommand,
	"kube-controller-manager": controllers.NewControllerManagerCommand,
	"kube-scheduler":          func() *cobra.Command { return scheduler.NewSchedulerCommand() },
	"kube-proxy":              proxy.NewProxyCommand,
	"kubelet":                 func() *cobra.Command { return kubelet.NewKubeletCommand(context.Background()) },
	"kubectl":                 kubectl.NewDefaultKubectlCommand,
	"crictl":                  newCrictlCommand,
}

func main() {
	component, arguments, found := choose(os.Args)
	if !found {
		names := slices.Sorted(maps.Keys(components))
		fmt.Fprintf(os.Stderr, "usage: %s %s [ARGUMENT]...\n", os.Args[0], strings.Join(names, "|"))
		os.Exit(2)
	}
	// The components read os.Args themselves, kubectl for its plugins too.
	os.Args = arguments
	os.Exit(cli.Run(component()))
}

// The name it was called by wins; a link named kubectl passes its first argument on untouched.
func choose(arguments []string) (func() *cobra.Command, []string, bool) {
	for range 2 {
		if len(arguments) == 0 {
			break
		}
		if component, found := components[filepath.Base(arguments[0])]; found {
			return component, arguments, true
		}
		arguments = arguments[1:]
	}
	return nil, nil, false
}
