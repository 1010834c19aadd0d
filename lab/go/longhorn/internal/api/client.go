package api

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"

	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/client-go/dynamic"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// Client reaches Kubernetes as the pod's service account.
type Client struct {
	Kube    kubernetes.Interface
	dynamic dynamic.Interface
}

// InCluster makes a client of the pod's own service account.
func InCluster() (*Client, error) {
	config, err := rest.InClusterConfig()
	if err != nil {
		return nil, err
	}
	// A pass asks for a dozen lists at once.
	config.QPS, config.Burst = 50, 100
	kube, err := kubernetes.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	other, err := dynamic.NewForConfig(config)
	if err != nil {
		return nil, err
	}
	return &Client{Kube: kube, dynamic: other}, nil
}

func (c *Client) of(kind Kind) dynamic.ResourceInterface {
	return c.dynamic.Resource(kind.Resource).Namespace(Namespace)
}

func decode[T any](from map[string]any) (T, error) {
	var into T
	text, err := json.Marshal(from)
	if err != nil {
		return into, err
	}
	return into, json.Unmarshal(text, &into)
}

// List gives all objects of a kind.
func List[T any](ctx context.Context, c *Client, kind Kind) ([]T, error) {
	list, err := c.of(kind).List(ctx, metav1.ListOptions{})
	if err != nil {
		return nil, fmt.Errorf("list %s: %w", kind.Resource.Resource, err)
	}
	result := make([]T, 0, len(list.Items))
	for _, item := range list.Items {
		object, err := decode[T](item.Object)
		if err != nil {
			return nil, fmt.Errorf("%s %s: %w", kind.Name, item.GetName(), err)
		}
		result = append(result, object)
	}
	return result, nil
}

// Get gives one object; nil when it is not there.
func Get[T any](ctx context.Context, c *Client, kind Kind, name string) (*T, error) {
	item, err := c.of(kind).Get(ctx, name, metav1.GetOptions{})
	if errors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	object, err := decode[T](item.Object)
	return &object, err
}

// Create makes an object of metadata and other fields; that it is there already is no error.
func (c *Client) Create(ctx context.Context, kind Kind, metadata metav1.ObjectMeta, fields map[string]any) error {
	metadata.Namespace = Namespace
	object := map[string]any{
		"apiVersion": kind.Resource.GroupVersion().String(),
		"kind":       kind.Name,
		"metadata":   metadata,
	}
	for name, value := range fields {
		object[name] = value
	}
	plain, err := decode[map[string]any](object)
	if err != nil {
		return err
	}
	delete(plain["metadata"].(map[string]any), "creationTimestamp")
	_, err = c.of(kind).Create(ctx, &unstructured.Unstructured{Object: plain}, metav1.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	return err
}

// Patch changes the fields that are given, below metadata and spec, unless `have` has them so already.
func (c *Client) Patch(ctx context.Context, kind Kind, name string, have any, change map[string]any) error {
	return c.patch(ctx, kind, name, have, change)
}

// PatchStatus changes the fields of the status that are given, unless `have` has them so already.
func (c *Client) PatchStatus(ctx context.Context, kind Kind, name string, have any, status any) error {
	return c.patch(ctx, kind, name, have, map[string]any{"status": status}, "status")
}

func (c *Client) patch(ctx context.Context, kind Kind, name string, have, change any, below ...string) error {
	text, err := json.Marshal(change)
	if err != nil {
		return err
	}
	if have != nil && covers(have, text) {
		return nil
	}
	_, err = c.of(kind).Patch(ctx, name, types.MergePatchType, text, metav1.PatchOptions{}, below...)
	if errors.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("patch %s %s: %w", kind.Name, name, err)
	}
	return nil
}

// Delete asks for an object's end; that it is gone already is no error.
func (c *Client) Delete(ctx context.Context, kind Kind, name string) error {
	err := c.of(kind).Delete(ctx, name, metav1.DeleteOptions{})
	if errors.IsNotFound(err) {
		return nil
	}
	return err
}

// Release gives up an object's finalizers: what it stood for is gone.
func (c *Client) Release(ctx context.Context, kind Kind, name string) error {
	return c.patch(ctx, kind, name, nil, map[string]any{"metadata": map[string]any{"finalizers": nil}})
}

// covers is whether a merge patch would change nothing.
func covers(have any, patch []byte) bool {
	text, err := json.Marshal(have)
	if err != nil {
		return false
	}
	var before, change any
	if json.Unmarshal(text, &before) != nil || json.Unmarshal(patch, &change) != nil {
		return false
	}
	return within(before, change)
}

func within(have, want any) bool {
	wanted, isMap := want.(map[string]any)
	if !isMap {
		return reflect.DeepEqual(have, want)
	}
	held, isMap := have.(map[string]any)
	if !isMap {
		return false
	}
	for key, value := range wanted {
		there, found := held[key]
		if value == nil && !found {
			continue
		}
		if !found || !within(there, value) {
			return false
		}
	}
	return true
}
