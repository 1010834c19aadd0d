// Command pack joins the launcher and its parts to one executable.
package main

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"homelab.invalid/lab/k3s/internal/bundle"
)

// Names under which the one binary with every Kubernetes component is called.
var components = []string{
	"kube-apiserver", "kube-controller-manager", "kube-scheduler", "kube-proxy", "kubelet", "kubectl", "crictl",
}

func main() {
	launcher := flag.String("launcher", "", "the program that the archive goes behind")
	output := flag.String("output", "", "the executable to write")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "usage: pack -launcher FILE -output FILE NAME=FILE...")
		flag.PrintDefaults()
	}
	flag.Parse()
	if err := pack(*launcher, *output, flag.Args()); err != nil {
		fmt.Fprintln(os.Stderr, "pack:", err)
		os.Exit(1)
	}
}

func pack(launcher, output string, arguments []string) error {
	var entries []bundle.Entry
	for _, argument := range arguments {
		name, source, found := strings.Cut(argument, "=")
		if !found {
			return fmt.Errorf("%q is not NAME=FILE", argument)
		}
		if !filepath.IsLocal(name) {
			return fmt.Errorf("%q does not stay below its directory", name)
		}
		entries = append(entries, bundle.Entry{Name: name, Source: source})
	}
	for _, component := range components {
		entries = append(entries, bundle.Entry{Name: "bin/" + component, Target: "kubernetes"})
	}
	slices.SortFunc(entries, func(a, b bundle.Entry) int { return strings.Compare(a.Name, b.Name) })
	return bundle.Write(output, launcher, entries)
}
