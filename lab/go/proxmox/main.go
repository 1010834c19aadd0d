// Drives an emulated Proxmox VE with a client of Go's, over HTTPS with its certificate verified: the life of a
// guest, and the refusals that the client tells apart. What it needs comes as one JSON object on standard input.
// Says `done` at its end; anything that is not as the client expects ends it before.
package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	proxmox "github.com/luthermonson/go-proxmox"
)

type given struct {
	Address        string `json:"address"`
	Authority      string `json:"authority"`
	Node           string `json:"node"`
	Password       string `json:"password"`
	User           string `json:"user"`
	Token          string `json:"token"`
	Secret         string `json:"secret"`
	Onlooker       string `json:"onlooker"`
	OnlookerSecret string `json:"onlooker_secret"`
}

func main() {
	var world given
	if err := json.NewDecoder(os.Stdin).Decode(&world); err != nil {
		fmt.Fprintln(os.Stderr, "standard input holds no JSON object with the world:", err)
		os.Exit(64)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if err := live(ctx, world); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
	fmt.Println("done")
}

func live(ctx context.Context, world given) error {
	if err := doors(ctx, world); err != nil {
		return err
	}
	api := world.client(world.User, world.Secret)
	node, err := api.Node(ctx, world.Node)
	if err != nil {
		return fmt.Errorf("node: %w", err)
	}
	if err := api.NewPool(ctx, "go", ""); err != nil {
		return fmt.Errorf("make the pool: %w", err)
	}
	golden, err := born(ctx, api, node)
	if err != nil {
		return err
	}
	guest, err := cloned(ctx, api, node, golden)
	if err != nil {
		return err
	}
	if err := configured(ctx, guest); err != nil {
		return err
	}
	if err := powered(ctx, guest); err != nil {
		return err
	}
	if err := watched(ctx, world, int(guest.VMID)); err != nil {
		return err
	}
	return buried(ctx, api, node, golden, guest)
}

func (world given) client(user, secret string) *proxmox.Client {
	return proxmox.NewClient("https://"+world.Address+"/api2/json",
		proxmox.WithRootCAFile(world.Authority),
		proxmox.WithAPIToken(user+"!"+world.Token, secret))
}

// doors tries who gets in: a server that nobody vouches for, a wrong secret, a password.
func doors(ctx context.Context, world given) error {
	stranger := proxmox.NewClient("https://"+world.Address+"/api2/json",
		proxmox.WithHTTPClient(&http.Client{Transport: &http.Transport{}}),
		proxmox.WithAPIToken(world.User+"!"+world.Token, world.Secret))
	if _, err := stranger.Version(ctx); err == nil || !strings.Contains(err.Error(), "certificate") {
		return fmt.Errorf("a certificate of an authority that nobody knows was taken: %v", err)
	}
	wrong := world.client(world.User, "00000000-0000-0000-0000-000000000000")
	if _, err := wrong.Version(ctx); !proxmox.IsNotAuthorized(err) {
		return fmt.Errorf("a wrong secret was taken: %v", err)
	}
	person := proxmox.NewClient("https://"+world.Address+"/api2/json",
		proxmox.WithRootCAFile(world.Authority),
		proxmox.WithCredentials(&proxmox.Credentials{Username: "root@pam", Password: world.Password}))
	version, err := person.Version(ctx)
	if err != nil {
		return fmt.Errorf("version by password: %w", err)
	}
	if version.Release == "" || !strings.HasPrefix(version.Version, version.Release) {
		return fmt.Errorf("version: %+v", version)
	}
	return nil
}

// born makes a guest with an ISO image that was uploaded, and a template of it.
func born(ctx context.Context, api *proxmox.Client, node *proxmox.Node) (*proxmox.VirtualMachine, error) {
	storage, err := node.Storage(ctx, "local")
	if err != nil {
		return nil, fmt.Errorf("storage: %w", err)
	}
	upload, err := storage.UploadString("iso", "seed.iso", strings.Repeat("seed", 1024))
	if err := done(ctx, "upload", upload, err); err != nil {
		return nil, err
	}
	iso, err := storage.ISO(ctx, "seed.iso")
	if err != nil || iso.Size != 4096 {
		return nil, fmt.Errorf("the image that was uploaded: %+v, %v", iso, err)
	}
	cluster, err := api.Cluster(ctx)
	if err != nil {
		return nil, fmt.Errorf("cluster: %w", err)
	}
	vmid, err := cluster.NextID(ctx)
	if err != nil {
		return nil, fmt.Errorf("next id: %w", err)
	}
	options := []proxmox.VirtualMachineOption{
		{Name: "name", Value: "golden"}, {Name: "pool", Value: "go"}, {Name: "memory", Value: 256},
		{Name: "scsi0", Value: "local-lvm:1"}, {Name: "ide2", Value: "local:iso/seed.iso,media=cdrom"},
		{Name: "net0", Value: "virtio,bridge=vmbr0"}, {Name: "boot", Value: "order=scsi0"},
	}
	bad := append([]proxmox.VirtualMachineOption{{Name: "bogus", Value: 1}}, options...)
	if _, err := node.NewVirtualMachine(ctx, vmid, bad...); !tells(err, `"bogus":"property is not defined`) {
		return nil, fmt.Errorf("an option that there is not was taken: %v", err)
	}
	created, err := node.NewVirtualMachine(ctx, vmid, options...)
	if err := done(ctx, "create", created, err); err != nil {
		return nil, err
	}
	if _, err := node.NewVirtualMachine(ctx, vmid, options...); !tells(err, "already exists") {
		return nil, fmt.Errorf("a VMID was given twice: %v", err)
	}
	if free, err := cluster.CheckID(ctx, vmid); err != nil || free {
		return nil, fmt.Errorf("VMID %d is free: %v, %v", vmid, free, err)
	}
	golden, err := node.VirtualMachine(ctx, vmid)
	if err != nil {
		return nil, fmt.Errorf("the guest that was made: %w", err)
	}
	template, err := golden.ConvertToTemplate(ctx)
	return golden, done(ctx, "template", template, err)
}

func cloned(
	ctx context.Context, api *proxmox.Client, node *proxmox.Node, golden *proxmox.VirtualMachine,
) (*proxmox.VirtualMachine, error) {
	vmid, task, err := golden.Clone(ctx, &proxmox.VirtualMachineCloneOptions{
		Name: "node1", Full: true, Pool: "go", Description: "one=1;two=a&b",
	})
	if err := done(ctx, "clone", task, err); err != nil {
		return nil, err
	}
	pool, err := api.Pool(ctx, "go")
	if err != nil || len(pool.Members) != 2 {
		return nil, fmt.Errorf("the pool with both guests: %+v, %v", pool, err)
	}
	guest, err := node.VirtualMachine(ctx, vmid)
	if err != nil {
		return nil, fmt.Errorf("the clone: %w", err)
	}
	if guest.Name != "node1" || guest.VirtualMachineConfig.Description != "one=1;two=a&b" {
		return nil, fmt.Errorf("the clone is another: %q, %q", guest.Name, guest.VirtualMachineConfig.Description)
	}
	return guest, nil
}

func configured(ctx context.Context, guest *proxmox.VirtualMachine) error {
	digest := proxmox.VirtualMachineOption{Name: "digest", Value: guest.VirtualMachineConfig.Digest}
	two := proxmox.VirtualMachineOption{Name: "cores", Value: 2}
	if err := guest.ConfigSync(ctx, two, digest); err != nil {
		return fmt.Errorf("configure: %w", err)
	}
	if err := guest.ConfigSync(ctx, two, digest); !tells(err, "checksum mismatch") {
		return fmt.Errorf("an old digest was taken: %v", err)
	}
	tagged, err := guest.AddTag(ctx, "marked")
	if err := done(ctx, "tag", tagged, err); err != nil {
		return err
	}
	resized, err := guest.ResizeDisk(ctx, "scsi0", "2G")
	if err := done(ctx, "resize", resized, err); err != nil {
		return err
	}
	shrunk, err := guest.ResizeDisk(ctx, "scsi0", "1G")
	if err := failed(ctx, "shrink", shrunk, err, "shrinking disks is not supported"); err != nil {
		return err
	}
	snapshot, err := guest.NewSnapshot(ctx, "before")
	if err := done(ctx, "snapshot", snapshot, err); err != nil {
		return err
	}
	snapshots, err := guest.Snapshots(ctx)
	if err != nil || len(snapshots) != 2 {
		return fmt.Errorf("snapshots: %v, %v", snapshots, err)
	}
	forgotten, err := guest.Snapshot("before").Delete(ctx)
	return done(ctx, "forget the snapshot", forgotten, err)
}

func powered(ctx context.Context, guest *proxmox.VirtualMachine) error {
	started, err := guest.Start(ctx)
	if err := done(ctx, "start", started, err); err != nil {
		return err
	}
	if err := guest.Ping(ctx); err != nil || !guest.IsRunning() || guest.CPUs != 2 {
		return fmt.Errorf("the guest that was started: %q, %d cores, %v", guest.Status, guest.CPUs, err)
	}
	again, err := guest.Start(ctx)
	if err := failed(ctx, "start again", again, err, "already running"); err != nil {
		return err
	}
	if _, err := guest.Delete(ctx, nil); !tells(err, "is running - destroy failed") {
		return fmt.Errorf("a running guest was deleted: %v", err)
	}
	down, err := guest.Shutdown(ctx)
	if err := done(ctx, "shut down", down, err); err != nil {
		return err
	}
	if err := guest.Ping(ctx); err != nil || !guest.IsStopped() {
		return fmt.Errorf("the guest that was shut down: %q, %v", guest.Status, err)
	}
	up, err := guest.Start(ctx)
	if err := done(ctx, "start once more", up, err); err != nil {
		return err
	}
	stopped, err := guest.Stop(ctx)
	return done(ctx, "stop", stopped, err)
}

// watched is what somebody may do who may only look.
func watched(ctx context.Context, world given, vmid int) error {
	node := (&proxmox.Node{}).New(world.client(world.Onlooker, world.OnlookerSecret), world.Node)
	guest, err := node.VirtualMachine(ctx, vmid)
	if err != nil {
		return fmt.Errorf("an onlooker looks at the guest: %w", err)
	}
	if _, err := guest.Start(ctx); !proxmox.IsNotAuthorized(err) {
		return fmt.Errorf("an onlooker started the guest: %v", err)
	}
	return nil
}

func buried(
	ctx context.Context, api *proxmox.Client, node *proxmox.Node, golden, guest *proxmox.VirtualMachine,
) error {
	purge := &proxmox.VirtualMachineDeleteOptions{Purge: true, DestroyUnreferencedDisks: true}
	for _, one := range []*proxmox.VirtualMachine{guest, golden} {
		deleted, err := one.Delete(ctx, purge)
		if err := done(ctx, "delete", deleted, err); err != nil {
			return err
		}
	}
	if _, err := node.VirtualMachine(ctx, int(guest.VMID)); !tells(err, "does not exist") {
		return fmt.Errorf("the guest is still there: %v", err)
	}
	storage, err := node.Storage(ctx, "local-lvm")
	if err != nil {
		return fmt.Errorf("storage: %w", err)
	}
	disks, err := storage.GetContent(ctx)
	if err != nil || len(disks) != 0 {
		return fmt.Errorf("%d disks are left: %w", len(disks), err)
	}
	pool, err := api.Pool(ctx, "go")
	if err != nil || len(pool.Members) != 0 {
		return fmt.Errorf("the pool without guests: %+v, %v", pool, err)
	}
	if err := pool.Delete(ctx); err != nil {
		return fmt.Errorf("delete the pool: %w", err)
	}
	unknown := proxmox.UPID("UPID:" + node.Name + ":0000007E:00029D5E:6B02F3A0:qmcreate:100:root@pam:")
	if err := proxmox.NewTask(unknown, api).Ping(ctx); !tells(err, "no such task") {
		return fmt.Errorf("a task that never was: %v", err)
	}
	return nil
}

func tells(err error, text string) bool {
	return err != nil && strings.Contains(err.Error(), text)
}

// ended waits for a task; answers how it ended.
func ended(ctx context.Context, what string, task *proxmox.Task, err error) (string, error) {
	if err != nil {
		return "", fmt.Errorf("%s: %w", what, err)
	}
	if task == nil {
		return "", fmt.Errorf("%s: it left no task", what)
	}
	if err := task.Wait(ctx, 20*time.Millisecond, time.Minute); err != nil {
		return "", fmt.Errorf("%s: its task: %w", what, err)
	}
	return task.ExitStatus, nil
}

func done(ctx context.Context, what string, task *proxmox.Task, err error) error {
	status, err := ended(ctx, what, task, err)
	if err == nil && status != "OK" {
		return fmt.Errorf("%s: its task ended with %q", what, status)
	}
	return err
}

// failed wants a task to end with this text in its status.
func failed(ctx context.Context, what string, task *proxmox.Task, err error, text string) error {
	status, err := ended(ctx, what, task, err)
	if err == nil && !strings.Contains(status, text) {
		return fmt.Errorf("%s: its task ended with %q, not %q", what, status, text)
	}
	return err
}
