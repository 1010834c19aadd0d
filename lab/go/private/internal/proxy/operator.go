package proxy

import (
	"cmp"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"strings"
	"time"

	"homelab.invalid/lab/private/internal/control"
	"homelab.invalid/lab/private/internal/kube"
)

const (
	every     = 2 * time.Second
	ingresses = "/apis/networking.k8s.io/v1/ingresses"
	classes   = "/apis/tailscale.com/v1alpha1/proxyclasses"
	// A certificate is made anew when so little of its time is left.
	tooOld = 30 * 24 * time.Hour
)

// Operator is the whole of it.
type Operator struct {
	Kube  *kube.Client
	Plane control.Plane
	// Namespace is where proxies are made.
	Namespace string
	// Tag of the proxies' devices.
	Tag string
	// Domain is what a device's name is followed by.
	Domain string
	// Image of the proxies.
	Image string
	// DefaultClass is for Ingresses that name no ProxyClass.
	DefaultClass string
	Log          *slog.Logger

	complaints map[string]string
}

// Run looks at everything again and again until the context ends.
func (o *Operator) Run(ctx context.Context) {
	o.complaints = map[string]string{}
	ticker := time.NewTicker(every)
	defer ticker.Stop()
	for {
		o.say("round", o.round(ctx))
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}

// Each complaint is said once, until it changes.
func (o *Operator) say(about string, err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != o.complaints[about] && text != "" {
		o.Log.Warn("not as it should be", "what", about, "error", text)
	}
	o.complaints[about] = text
}

func (o *Operator) round(ctx context.Context) error {
	known, err := o.classes(ctx)
	if err != nil {
		return err
	}
	var list struct{ Items []Ingress }
	if err := o.Kube.Get(ctx, ingresses, &list); err != nil {
		return err
	}
	for _, ingress := range list.Items {
		ours := ingress.Spec.Class == Class
		held := slices.Contains(ingress.Metadata.Finalizers, Finalizer)
		switch about := ingress.Metadata.Namespace + "/" + ingress.Metadata.Name; {
		// One that was of our class, and is of another now, loses its device, too.
		case held && (!ours || ingress.Deleted()):
			o.say(about, o.remove(ctx, ingress))
		case ours && !ingress.Deleted():
			o.say(about, o.provide(ctx, ingress, known))
		}
	}
	return nil
}

func (o *Operator) classes(ctx context.Context) (map[string]ProxyClass, error) {
	var list struct{ Items []ProxyClass }
	if err := o.Kube.Get(ctx, classes, &list); err != nil {
		return nil, err
	}
	known := map[string]ProxyClass{}
	for _, class := range list.Items {
		if condition := class.judge(); condition != nil {
			path := classes + "/" + class.Metadata.Name + "/status"
			patch := Object{"status": Object{"conditions": []Condition{*condition}}}
			o.say("ProxyClass "+class.Metadata.Name, o.Kube.Merge(ctx, path, patch))
			continue // usable from the next round on
		}
		known[class.Metadata.Name] = class
	}
	return known, nil
}

func (o *Operator) provide(ctx context.Context, ingress Ingress, known map[string]ProxyClass) error {
	backend := ingress.Spec.Backend
	if backend == nil || backend.Service.Port.Number == 0 {
		return errors.New("the stand-in wants a defaultBackend with the number of a port")
	}
	made := design{
		Name: ingress.Proxy(), Namespace: o.Namespace, Hostname: ingress.Hostname(), Image: o.Image,
		LoginServer: o.Plane.Headscale,
		Target:      fmt.Sprintf("http://%s.%s.svc:%d", backend.Service.Name, ingress.Metadata.Namespace, backend.Service.Port.Number),
		Labels: map[string]string{
			"tailscale.com/managed": "true", "tailscale.com/parent-resource": ingress.Metadata.Name,
			"tailscale.com/parent-resource-ns": ingress.Metadata.Namespace, "tailscale.com/parent-resource-type": "ingress",
		},
	}
	if name := cmp.Or(ingress.Metadata.Annotations[ClassAnnotation], o.DefaultClass); name != "" {
		class, found := known[name]
		if !found || !class.usable() {
			return fmt.Errorf("ProxyClass %s is not there, or not yet ready", name)
		}
		made.Env = class.Spec.StatefulSet.Pod.Container.Env
	}
	if !slices.Contains(ingress.Metadata.Finalizers, Finalizer) {
		finalizers := append(slices.Clone(ingress.Metadata.Finalizers), Finalizer)
		if err := o.Kube.Merge(ctx, path(ingress, ""), Object{"metadata": Object{"finalizers": finalizers}}); err != nil {
			return err
		}
	}
	device, err := o.state(ctx, made)
	if err != nil {
		return err
	}
	if made.Certificate, err = o.certificate(ctx, made); err != nil {
		return err
	}
	serve, err := made.serve()
	if err != nil {
		return err
	}
	if err := o.Kube.Apply(ctx, core(o.Namespace, "configmaps", made.Name), serve); err != nil {
		return err
	}
	if err := o.Kube.Apply(ctx, statefulSet(o.Namespace, made.Name), made.statefulSet()); err != nil {
		return err
	}
	return o.tell(ctx, ingress, device)
}

// What the proxy wrote about its device into its Secret. One without a device gets a key first.
func (o *Operator) state(ctx context.Context, made design) (string, error) {
	name := made.Name + "-0"
	var secret struct{ Data map[string][]byte }
	err := o.Kube.Get(ctx, core(o.Namespace, "secrets", name), &secret)
	if err == nil {
		return strings.TrimSuffix(string(secret.Data["device_fqdn"]), "."), nil
	}
	if !errors.Is(err, kube.ErrNotFound) {
		return "", err
	}
	key, err := o.Plane.AuthKey(ctx, o.Tag)
	if err != nil {
		return "", err
	}
	return "", o.Kube.Create(ctx, core(o.Namespace, "secrets", ""), Object{
		"apiVersion": "v1", "kind": "Secret", "metadata": made.metadata(name), "stringData": Object{"authkey": key},
	})
}

// Sees that the proxy has a certificate that lasts; gives its fingerprint.
func (o *Operator) certificate(ctx context.Context, made design) (string, error) {
	name := made.Name + "-tls"
	host := made.Hostname + "." + o.Domain
	var secret struct{ Data map[string][]byte }
	err := o.Kube.Get(ctx, core(o.Namespace, "secrets", name), &secret)
	if err != nil && !errors.Is(err, kube.ErrNotFound) {
		return "", err
	}
	if lasts(secret.Data["tls.crt"], host) {
		return fingerprint(secret.Data["tls.crt"]), nil
	}
	certificate, key, err := o.Plane.Certificate(ctx, host)
	if err != nil {
		return "", err
	}
	return fingerprint(certificate), o.Kube.Apply(ctx, core(o.Namespace, "secrets", name), Object{
		"apiVersion": "v1", "kind": "Secret", "type": "kubernetes.io/tls", "metadata": made.metadata(name),
		"stringData": Object{"tls.crt": string(certificate), "tls.key": string(key)},
	})
}

func lasts(text []byte, host string) bool {
	block, _ := pem.Decode(text)
	if block == nil {
		return false
	}
	read, err := x509.ParseCertificate(block.Bytes)
	return err == nil && read.VerifyHostname(host) == nil && time.Until(read.NotAfter) > tooOld
}

func fingerprint(text []byte) string {
	sum := sha256.Sum256(text)
	return hex.EncodeToString(sum[:8])
}

// Writes the device's name into the Ingress, once it has one.
func (o *Operator) tell(ctx context.Context, ingress Ingress, device string) error {
	told := ingress.Status.LoadBalancer.Ingress
	if device == "" || (len(told) == 1 && told[0].Hostname == device) {
		return nil
	}
	o.Log.Info("device", "ingress", ingress.Metadata.Namespace+"/"+ingress.Metadata.Name, "name", device)
	entry := Object{"hostname": device, "ports": []Object{{"port": 443, "protocol": "TCP"}}}
	return o.Kube.Merge(ctx, path(ingress, "/status"), Object{"status": Object{"loadBalancer": Object{"ingress": []Object{entry}}}})
}

// The device goes first: what is left of a proxy can be found again by its Ingress, a device can't.
func (o *Operator) remove(ctx context.Context, ingress Ingress) error {
	name := ingress.Proxy()
	if err := o.Kube.Delete(ctx, statefulSet(o.Namespace, name)); err != nil {
		return err
	}
	var secret struct{ Data map[string][]byte }
	err := o.Kube.Get(ctx, core(o.Namespace, "secrets", name+"-0"), &secret)
	if err != nil && !errors.Is(err, kube.ErrNotFound) {
		return err
	}
	if err := o.removeDevice(ctx, secret.Data["device_ips"]); err != nil {
		return err
	}
	for _, left := range []string{core(o.Namespace, "configmaps", name), core(o.Namespace, "secrets", name+"-tls"), core(o.Namespace, "secrets", name+"-0")} {
		if err := o.Kube.Delete(ctx, left); err != nil {
			return err
		}
	}
	finalizers := slices.DeleteFunc(slices.Clone(ingress.Metadata.Finalizers), func(one string) bool { return one == Finalizer })
	o.Log.Info("device removed", "ingress", ingress.Metadata.Namespace+"/"+ingress.Metadata.Name)
	return o.Kube.Merge(ctx, path(ingress, ""), Object{"metadata": Object{"finalizers": finalizers}})
}

// By its addresses: no other device ever has them while it is there.
func (o *Operator) removeDevice(ctx context.Context, written []byte) error {
	var addresses []string
	if len(written) == 0 {
		return nil
	}
	if err := json.Unmarshal(written, &addresses); err != nil {
		return fmt.Errorf("device_ips: %w", err)
	}
	devices, err := o.Plane.Devices(ctx)
	if err != nil {
		return err
	}
	for _, device := range devices {
		if slices.ContainsFunc(device.Addresses, func(one string) bool { return slices.Contains(addresses, one) }) {
			return o.Plane.Remove(ctx, device.ID)
		}
	}
	return nil
}

func path(ingress Ingress, rest string) string {
	return fmt.Sprintf("/apis/networking.k8s.io/v1/namespaces/%s/ingresses/%s%s", ingress.Metadata.Namespace, ingress.Metadata.Name, rest)
}
