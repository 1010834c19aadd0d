package snapshot

import (
	"context"
	"crypto/sha256"
	_ "embed"
	"encoding/hex"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"homelab.invalid/lab/k3s/internal/api"
	"homelab.invalid/lab/k3s/internal/journal"
	"homelab.invalid/lab/k3s/internal/objectstore"
)

const (
	recordsPath = "/apis/k3s.cattle.io/v1/etcdsnapshotfiles"
	kindsPath   = "/apis/apiextensions.k8s.io/v1/customresourcedefinitions"
	storageNode = "etcd.k3s.cattle.io/snapshot-storage-node"
	// How long a failure is remembered.
	failureKept = 24 * time.Hour
	// Another server may have uploaded what this one does not see yet.
	uploadSettles = time.Minute
)

//go:embed etcdsnapshotfiles.json
var definition string

// Record is what an ETCDSnapshotFile says of a snapshot, or of a failure to take one.
type record struct {
	name     string
	location string
	// Who took it; `s3` where an upload failed before anything was sent, as k3s writes it.
	node    string
	s3      *objectstore.Config
	size    int64
	created time.Time
	failure string
}

// The name that k3s derives: the same snapshot has the same one at each look.
func (r record) object() string {
	digest := sha256.Sum256([]byte(r.node + r.location))
	place := "local-"
	if r.s3 != nil {
		place = "s3-"
	}
	return place + strings.ToLower(r.name) + "-" + hex.EncodeToString(digest[:])[:6]
}

func (r record) body() api.Object {
	stored := r.node
	spec := api.Object{"snapshotName": r.name, "nodeName": r.node, "location": r.location}
	if r.s3 != nil {
		stored = "s3"
		place := api.Object{"endpoint": r.s3.Endpoint, "bucket": r.s3.Bucket, "region": r.s3.Region, "prefix": r.s3.Folder}
		if r.s3.Insecure {
			place["insecure"] = true
		}
		if r.s3.SkipVerify {
			place["skipSSLVerify"] = true
		}
		if r.s3.EndpointCA != "" {
			place["endpointCA"] = r.s3.EndpointCA
		}
		spec["s3"] = place
	}
	created := r.created.UTC().Format(time.RFC3339)
	status := api.Object{"creationTime": created, "readyToUse": r.failure == "", "size": strconv.FormatInt(r.size, 10)}
	if r.failure != "" {
		status["error"] = api.Object{"time": created, "message": r.failure}
	}
	return api.Object{
		"apiVersion": "k3s.cattle.io/v1", "kind": "ETCDSnapshotFile",
		"metadata": api.Object{"name": r.object(), "labels": api.Object{storageNode: stored}},
		"spec":     spec, "status": status,
	}
}

// Writes one down; one that is there is brought up to date.
func write(ctx context.Context, client *api.Client, r record) error {
	err := client.Create(ctx, recordsPath, r.body())
	if !api.AlreadyExists(err) {
		return err
	}
	body := r.body()
	return client.Merge(ctx, recordsPath+"/"+r.object(), api.Object{"spec": body["spec"], "status": body["status"]})
}

// Has the API know ETCDSnapshotFiles.
func define(ctx context.Context, client *api.Client) error {
	err := client.CreateText(ctx, kindsPath, definition)
	if api.AlreadyExists(err) {
		return nil
	}
	return err
}

// Waits until the API serves what it was told of.
func served(ctx context.Context, client *api.Client) {
	var list struct{}
	for ctx.Err() == nil && client.Get(ctx, recordsPath+"?limit=1", &list) != nil {
		select {
		case <-ctx.Done():
		case <-time.After(250 * time.Millisecond):
		}
	}
}

type written struct {
	Metadata struct {
		Name              string    `json:"name"`
		CreationTimestamp time.Time `json:"creationTimestamp"`
	} `json:"metadata"`
	Spec struct {
		SnapshotName string         `json:"snapshotName"`
		S3           map[string]any `json:"s3"`
	} `json:"spec"`
	Status struct {
		Error *struct {
			Time time.Time `json:"time"`
		} `json:"error"`
	} `json:"status"`
}

// Brings the records to what is on the disk and in the bucket. Failures are kept for a day, and what was
// uploaded a moment ago is not missed yet.
func (s store) reconcile(ctx context.Context, deleted []string) {
	if s.client == nil {
		return
	}
	journal.Infof("Reconciling ETCDSnapshotFile resources")
	defer journal.Infof("Reconciliation of ETCDSnapshotFile resources complete")
	there, nodes := map[string]record{}, []string{s.node}
	files, err := s.files()
	if err != nil {
		journal.Errorf("Failed to list local snapshots: %v", err)
		return
	}
	for _, file := range files {
		found := s.local(file.Name(), file.Size())
		there[found.object()] = found
	}
	if s.bucket != nil {
		remote, err := s.listBucket(ctx)
		if err != nil {
			journal.Errorf("Error retrieving S3 snapshots for reconciliation: %v", err)
		} else {
			nodes = append(nodes, "s3")
			for _, found := range remote {
				there[found.object()] = found
			}
		}
	}
	var list struct {
		Items []written `json:"items"`
	}
	selector := url.QueryEscape(storageNode + " in (" + strings.Join(nodes, ",") + ")")
	if err := s.client.Get(ctx, recordsPath+"?labelSelector="+selector, &list); err != nil {
		journal.Errorf("Failed to list ETCDSnapshotFiles: %v", err)
		return
	}
	for _, item := range list.Items {
		if _, found := there[item.Metadata.Name]; found {
			delete(there, item.Metadata.Name)
			continue
		}
		if !slices.Contains(deleted, item.Spec.SnapshotName) {
			if failure := item.Status.Error; failure != nil && time.Since(failure.Time) < failureKept {
				continue
			}
			if item.Status.Error == nil && item.Spec.S3 != nil && time.Since(item.Metadata.CreationTimestamp) < uploadSettles {
				continue
			}
		}
		journal.Infof("Deleting ETCDSnapshotFile for %s", item.Spec.SnapshotName)
		if err := s.client.Delete(ctx, recordsPath+"/"+item.Metadata.Name); err != nil {
			journal.Errorf("Failed to delete ETCDSnapshotFile: %v", err)
		}
	}
	for _, missing := range there {
		journal.Infof("Creating ETCDSnapshotFile for %s", missing.name)
		if err := write(ctx, s.client, missing); err != nil {
			journal.Errorf("Failed to create ETCDSnapshotFile: %v", err)
		}
	}
}
