// Package csi is the node's half of the CSI driver. The other half (provisioning, attaching) is the
// leader's, straight on Kubernetes' objects.
package csi

import (
	"context"
	"errors"
	"fmt"
	"log"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"golang.org/x/sys/unix"
	"google.golang.org/grpc"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	registration "k8s.io/kubelet/pkg/apis/pluginregistration/v1"

	"homelab.invalid/lab/longhorn/internal/api"
)

// Volumes knows the copies of this node.
type Volumes interface {
	// Source gives the folder of a volume that this node may use.
	Source(ctx context.Context, volume string) (string, error)
	// Flush carries what was written last to the other copies.
	Flush(ctx context.Context, volume string) error
}

type server struct {
	csi.UnimplementedIdentityServer
	csi.UnimplementedNodeServer
	node    string
	version string
	volumes Volumes
}

// Serve answers kubelet below its folder until the context ends.
func Serve(ctx context.Context, kubelet, node string, volumes Volumes) error {
	socket := filepath.Join(kubelet, "plugins", api.Driver, "csi.sock")
	registrar := filepath.Join(kubelet, "plugins_registry", api.Driver+"-reg.sock")
	one := &server{node: node, version: api.Version, volumes: volumes}
	ended := make(chan error, 2)
	driver, registry := grpc.NewServer(), grpc.NewServer()
	csi.RegisterIdentityServer(driver, one)
	csi.RegisterNodeServer(driver, one)
	registration.RegisterRegistrationServer(registry, registrarServer{socket: socket})
	// kubelet asks the driver as soon as it sees the registration.
	for _, listener := range []struct {
		path   string
		server *grpc.Server
	}{{socket, driver}, {registrar, registry}} {
		listening, err := listen(listener.path)
		if err != nil {
			return err
		}
		go func() { ended <- listener.server.Serve(listening) }()
	}
	defer os.Remove(registrar)
	defer registry.Stop()
	defer driver.GracefulStop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case err := <-ended:
		return err
	}
}

func listen(path string) (net.Listener, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o750); err != nil {
		return nil, err
	}
	// One that a dead process left.
	if err := os.Remove(path); err != nil && !os.IsNotExist(err) {
		return nil, err
	}
	return net.Listen("unix", path)
}

type registrarServer struct {
	registration.UnimplementedRegistrationServer
	socket string
}

func (r registrarServer) GetInfo(context.Context, *registration.InfoRequest) (*registration.PluginInfo, error) {
	return &registration.PluginInfo{
		Type: registration.CSIPlugin, Name: api.Driver, Endpoint: r.socket, SupportedVersions: []string{"1.0.0"},
	}, nil
}

func (r registrarServer) NotifyRegistrationStatus(_ context.Context, said *registration.RegistrationStatus) (*registration.RegistrationStatusResponse, error) {
	if said.PluginRegistered {
		log.Printf("kubelet has registered %s", api.Driver)
	} else {
		log.Printf("kubelet has not registered %s: %s", api.Driver, said.Error)
	}
	return &registration.RegistrationStatusResponse{}, nil
}

func (s *server) GetPluginInfo(context.Context, *csi.GetPluginInfoRequest) (*csi.GetPluginInfoResponse, error) {
	return &csi.GetPluginInfoResponse{Name: api.Driver, VendorVersion: s.version}, nil
}

func (s *server) GetPluginCapabilities(context.Context, *csi.GetPluginCapabilitiesRequest) (*csi.GetPluginCapabilitiesResponse, error) {
	return &csi.GetPluginCapabilitiesResponse{}, nil
}

func (s *server) Probe(context.Context, *csi.ProbeRequest) (*csi.ProbeResponse, error) {
	return &csi.ProbeResponse{}, nil
}

func (s *server) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: s.node}, nil
}

func (s *server) NodeGetCapabilities(context.Context, *csi.NodeGetCapabilitiesRequest) (*csi.NodeGetCapabilitiesResponse, error) {
	return &csi.NodeGetCapabilitiesResponse{}, nil
}

func (s *server) NodePublishVolume(ctx context.Context, request *csi.NodePublishVolumeRequest) (*csi.NodePublishVolumeResponse, error) {
	source, err := s.volumes.Source(ctx, request.VolumeId)
	if err != nil {
		return nil, status.Error(codes.FailedPrecondition, err.Error())
	}
	target := request.TargetPath
	mounted, err := isMounted(target)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if mounted {
		return &csi.NodePublishVolumeResponse{}, nil
	}
	if err := os.MkdirAll(target, 0o750); err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if err := unix.Mount(source, target, "", unix.MS_BIND, ""); err != nil {
		return nil, status.Errorf(codes.Internal, "mount %s at %s: %v", source, target, err)
	}
	if request.Readonly {
		if err := unix.Mount("", target, "", unix.MS_BIND|unix.MS_REMOUNT|unix.MS_RDONLY, ""); err != nil {
			return nil, status.Error(codes.Internal, errors.Join(err, unix.Unmount(target, 0)).Error())
		}
	}
	log.Printf("%s is mounted at %s", request.VolumeId, target)
	return &csi.NodePublishVolumeResponse{}, nil
}

func (s *server) NodeUnpublishVolume(ctx context.Context, request *csi.NodeUnpublishVolumeRequest) (*csi.NodeUnpublishVolumeResponse, error) {
	mounted, err := isMounted(request.TargetPath)
	if err != nil {
		return nil, status.Error(codes.Internal, err.Error())
	}
	if mounted {
		if err := unix.Unmount(request.TargetPath, 0); err != nil {
			return nil, status.Errorf(codes.Internal, "unmount %s: %v", request.TargetPath, err)
		}
	}
	if err := os.Remove(request.TargetPath); err != nil && !os.IsNotExist(err) {
		return nil, status.Error(codes.Internal, err.Error())
	}
	// Nobody writes any more: the other copies become like this one before another node may use them.
	ctx, cancel := context.WithTimeout(ctx, time.Minute)
	defer cancel()
	if err := s.volumes.Flush(ctx, request.VolumeId); err != nil {
		return nil, status.Errorf(codes.Unavailable, "the last bytes of %s: %v", request.VolumeId, err)
	}
	log.Printf("%s is unmounted from %s", request.VolumeId, request.TargetPath)
	return &csi.NodeUnpublishVolumeResponse{}, nil
}

// isMounted is whether something is mounted exactly there.
func isMounted(path string) (bool, error) {
	text, err := os.ReadFile("/proc/self/mountinfo")
	if err != nil {
		return false, fmt.Errorf("mountinfo: %w", err)
	}
	for line := range strings.Lines(string(text)) {
		if fields := strings.Fields(line); len(fields) > 4 && fields[4] == path {
			return true, nil
		}
	}
	return false, nil
}
