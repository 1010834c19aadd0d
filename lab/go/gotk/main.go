// Command gotk writes gotk-components.yaml, what `flux install --export` prints, from sources alone.
//
// flux2's own generator does the work. What it takes from release pages, each controller's CRDs and
// deployment, is built here from the very folders that those release files are built from: config/crd
// and config/manager of the controller's module.
package main

import (
	"flag"
	"fmt"
	"log"
	"os"
	"path/filepath"
	"strings"

	"github.com/fluxcd/flux2/v2/pkg/manifestgen/install"
	"github.com/fluxcd/flux2/v2/pkg/manifestgen/kustomization"
)

func main() {
	log.SetFlags(0)
	flux := flag.String("flux", "", "the sources of github.com/fluxcd/flux2/v2")
	version := flag.String("version", "", "the version of Flux that the labels name, with its v")
	output := flag.String("output", "", "the file to write")
	flag.Usage = func() {
		fmt.Fprintln(os.Stderr, "gotk -flux DIR -version vX.Y.Z -output FILE CONTROLLER=DIR...")
		flag.PrintDefaults()
	}
	flag.Parse()
	scratch, err := os.MkdirTemp("", "gotk")
	if err != nil {
		log.Fatal(err)
	}
	err = write(scratch, *flux, *version, *output, flag.Args())
	os.RemoveAll(scratch)
	if err != nil {
		log.Fatal(err)
	}
}

// write lays out in scratch what a release's manifests.tar.gz holds and lets the generator finish it.
func write(scratch, flux, version, output string, controllers []string) error {
	manifests := filepath.Join(scratch, "manifests")
	if err := os.CopyFS(manifests, os.DirFS(filepath.Join(flux, "manifests"))); err != nil {
		return err
	}
	base := filepath.Join(scratch, "base")
	if err := os.Mkdir(base, 0o755); err != nil {
		return err
	}
	for _, part := range []string{"rbac", "policies"} {
		if err := build(filepath.Join(manifests, part), filepath.Join(base, part+".yaml")); err != nil {
			return err
		}
	}
	var names []string
	for _, controller := range controllers {
		name, sources, found := strings.Cut(controller, "=")
		if !found {
			return fmt.Errorf("%q is no CONTROLLER=DIR", controller)
		}
		names = append(names, name)
		if err := component(scratch, name, sources, filepath.Join(manifests, "bases", name)); err != nil {
			return err
		}
		if err := build(filepath.Join(manifests, "bases", name), filepath.Join(base, name+".yaml")); err != nil {
			return err
		}
	}
	options := install.MakeDefaultOptions()
	options.Version = version
	options.Components = names
	manifest, err := install.Generate(options, base)
	if err != nil {
		return err
	}
	return os.WriteFile(output, []byte(manifest.Content), 0o644)
}

// component puts a controller's CRDs and deployment beside flux2's patches for it and lets those name
// the files in place of the release's URLs.
func component(scratch, name, sources, folder string) error {
	copied := filepath.Join(scratch, name)
	if err := os.CopyFS(copied, os.DirFS(filepath.Join(sources, "config"))); err != nil {
		return err
	}
	for config, kind := range map[string]string{"crd": "crds", "manager": "deployment"} {
		file := filepath.Join(folder, fmt.Sprintf("%s.%s.yaml", name, kind))
		if err := build(filepath.Join(copied, config), file); err != nil {
			return err
		}
	}
	path := filepath.Join(folder, "kustomization.yaml")
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	lines := strings.Split(string(text), "\n")
	for index, line := range lines {
		if resource, found := strings.CutPrefix(strings.TrimSpace(line), "- https://"); found {
			lines[index] = "- " + resource[strings.LastIndex(resource, "/")+1:]
		}
	}
	return os.WriteFile(path, []byte(strings.Join(lines, "\n")), 0o644)
}

// build is `kustomize build`.
func build(folder, file string) error {
	text, err := kustomization.Build(folder)
	if err != nil {
		return fmt.Errorf("%s: %w", folder, err)
	}
	return os.WriteFile(file, text, 0o644)
}
