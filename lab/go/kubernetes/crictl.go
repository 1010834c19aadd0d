package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"
	cri "k8s.io/cri-api/pkg/apis"
	runtime "k8s.io/cri-api/pkg/apis/runtime/v1"
	remote "k8s.io/cri-client/pkg"
	"k8s.io/klog/v2"
)

const (
	callTimeout = 10 * time.Second
	// Enough of an identifier to tell two apart, as crictl shows it.
	shortIdentifier = 13
)

// Crictl is the command line of the container runtime interface: the verbs that people look at a node
// with, in the real one's words and columns. Its own module is not to be had with a checksum.
type crictl struct {
	endpoint, output string
	quiet, all       bool
}

func newCrictlCommand() *cobra.Command {
	asked := &crictl{}
	root := &cobra.Command{Use: "crictl", Short: "client for CRI (a subset of the real one)", SilenceUsage: true}
	fallback := os.Getenv("CONTAINER_RUNTIME_ENDPOINT")
	if fallback == "" {
		fallback = "unix:///run/k3s/containerd/containerd.sock"
	}
	root.PersistentFlags().StringVarP(&asked.endpoint, "runtime-endpoint", "r", fallback, "endpoint of the runtime service")
	for _, verb := range []struct {
		use, short string
		run        func(context.Context, []string) error
	}{
		{"version", "Display runtime version information", asked.version},
		{"info", "Display information of the container runtime", asked.info},
		{"images", "List images", asked.images},
		{"pods", "List pods", asked.pods},
		{"ps", "List containers", asked.containers},
		{"rmi IMAGE-ID...", "Remove one or more images", asked.remove},
	} {
		command := &cobra.Command{Use: verb.use, Short: verb.short, RunE: func(command *cobra.Command, arguments []string) error {
			ctx, cancel := context.WithTimeout(context.Background(), callTimeout)
			defer cancel()
			return verb.run(ctx, arguments)
		}}
		command.Flags().StringVarP(&asked.output, "output", "o", "table", "One of: table|json")
		command.Flags().BoolVarP(&asked.quiet, "quiet", "q", false, "Only display IDs")
		command.Flags().BoolVarP(&asked.all, "all", "a", false, "Show all containers, not only running ones")
		root.AddCommand(command)
	}
	return root
}

func (c *crictl) runtime() (cri.RuntimeService, error) {
	logger := klog.Background()
	return remote.NewRemoteRuntimeService(c.endpoint, callTimeout, nil, &logger)
}

func (c *crictl) store() (cri.ImageManagerService, error) {
	logger := klog.Background()
	return remote.NewRemoteImageService(c.endpoint, callTimeout, nil, &logger)
}

func (c *crictl) version(ctx context.Context, _ []string) error {
	service, err := c.runtime()
	if err != nil {
		return err
	}
	found, err := service.Version(ctx, "")
	if err != nil {
		return err
	}
	fmt.Printf("Version:  %s\nRuntimeName:  %s\nRuntimeVersion:  %s\nRuntimeApiVersion:  %s\n",
		found.Version, found.RuntimeName, found.RuntimeVersion, found.RuntimeApiVersion)
	return nil
}

func (c *crictl) info(ctx context.Context, _ []string) error {
	service, err := c.runtime()
	if err != nil {
		return err
	}
	found, err := service.Status(ctx, true)
	if err != nil {
		return err
	}
	config := map[string]json.RawMessage{}
	for name, text := range found.Info {
		config[name] = json.RawMessage(text)
		if !json.Valid(config[name]) {
			config[name], _ = json.Marshal(text)
		}
	}
	config["status"], err = json.Marshal(found.Status)
	if err != nil {
		return err
	}
	return printJSON(config)
}

func (c *crictl) images(ctx context.Context, _ []string) error {
	service, err := c.store()
	if err != nil {
		return err
	}
	found, err := service.ListImages(ctx, nil)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(map[string]any{"images": found})
	}
	var rows [][]string
	for _, image := range found {
		names := image.RepoTags
		if len(names) == 0 {
			names = []string{"<none>:<none>"}
		}
		for _, name := range names {
			colon := strings.LastIndex(name, ":")
			rows = append(rows, []string{name[:colon], name[colon+1:], short(strings.TrimPrefix(image.Id, "sha256:")), size(image.Size)})
		}
	}
	return c.table([]string{"IMAGE", "TAG", "IMAGE ID", "SIZE"}, rows, 2)
}

func (c *crictl) pods(ctx context.Context, _ []string) error {
	service, err := c.runtime()
	if err != nil {
		return err
	}
	found, err := service.ListPodSandbox(ctx, nil)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(map[string]any{"items": found})
	}
	var rows [][]string
	for _, pod := range found {
		state := "NotReady"
		if pod.State == runtime.PodSandboxState_SANDBOX_READY {
			state = "Ready"
		}
		rows = append(rows, []string{short(pod.Id), age(pod.CreatedAt), state, pod.Metadata.Name, pod.Metadata.Namespace, fmt.Sprint(pod.Metadata.Attempt)})
	}
	return c.table([]string{"POD ID", "CREATED", "STATE", "NAME", "NAMESPACE", "ATTEMPT"}, rows, 0)
}

func (c *crictl) containers(ctx context.Context, _ []string) error {
	service, err := c.runtime()
	if err != nil {
		return err
	}
	filter := &runtime.ContainerFilter{State: &runtime.ContainerStateValue{State: runtime.ContainerState_CONTAINER_RUNNING}}
	if c.all {
		filter = nil
	}
	found, err := service.ListContainers(ctx, filter)
	if err != nil {
		return err
	}
	if c.output == "json" {
		return printJSON(map[string]any{"containers": found})
	}
	var rows [][]string
	for _, container := range found {
		state := strings.TrimPrefix(container.State.String(), "CONTAINER_")
		state = state[:1] + strings.ToLower(state[1:])
		rows = append(rows, []string{
			short(container.Id), short(strings.TrimPrefix(container.ImageRef, "sha256:")), age(container.CreatedAt), state,
			container.Metadata.Name, fmt.Sprint(container.Metadata.Attempt), short(container.PodSandboxId), container.Labels["io.kubernetes.pod.name"],
		})
	}
	return c.table([]string{"CONTAINER", "IMAGE", "CREATED", "STATE", "NAME", "ATTEMPT", "POD ID", "POD"}, rows, 0)
}

func (c *crictl) remove(ctx context.Context, images []string) error {
	if len(images) == 0 {
		return errors.New("wanted at least one image")
	}
	service, err := c.store()
	if err != nil {
		return err
	}
	for _, image := range images {
		if err := service.RemoveImage(ctx, &runtime.ImageSpec{Image: image}); err != nil {
			return err
		}
		fmt.Println("Deleted:", image)
	}
	return nil
}

func (c *crictl) table(head []string, rows [][]string, identifier int) error {
	slices.SortFunc(rows, slices.Compare)
	if c.quiet {
		for _, row := range rows {
			fmt.Println(row[identifier])
		}
		return nil
	}
	table := tabwriter.NewWriter(os.Stdout, 0, 0, 6, ' ', 0)
	for _, row := range append([][]string{head}, rows...) {
		if _, err := io.WriteString(table, strings.Join(row, "\t")+"\n"); err != nil {
			return err
		}
	}
	return table.Flush()
}

func printJSON(value any) error {
	encoder := json.NewEncoder(os.Stdout)
	encoder.SetIndent("", "  ")
	return encoder.Encode(value)
}

func short(identifier string) string {
	return identifier[:min(shortIdentifier, len(identifier))]
}

func age(nanoseconds int64) string {
	return time.Since(time.Unix(0, nanoseconds)).Round(time.Second).String() + " ago"
}

func size(bytes uint64) string { return fmt.Sprintf("%.3gMB", float64(bytes)/1e6) }
