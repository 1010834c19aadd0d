package objectstore

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path"
	"sort"
	"strconv"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"

	"homelab.invalid/lab/k3s/internal/journal"
)

// Who took a snapshot is kept with the object itself.
const nodeKey = "K3s-Node-Name"

// Client is one configuration's.
type Client struct {
	minio  *minio.Client
	config Config
}

// Object is a snapshot in the bucket.
type Object struct {
	Name    string
	Key     string
	Node    string
	Size    int64
	Created time.Time
}

// Open makes a client and looks whether the bucket is there, as k3s does before each use.
func Open(ctx context.Context, config Config) (*Client, error) {
	scheme := "https://"
	if config.Insecure {
		scheme = "http://"
	}
	journal.Infof("Attempting to create new S3 client for endpoint=%q bucket=%q folder=%q", scheme+config.Endpoint, config.Bucket, config.Folder)
	if config.Bucket == "" {
		return nil, errors.New("s3 bucket name was not set")
	}
	transport := http.DefaultTransport.(*http.Transport).Clone()
	transport.DisableCompression = true
	if config.SkipVerify {
		transport.TLSClientConfig = &tls.Config{InsecureSkipVerify: true}
	} else if config.EndpointCA != "" {
		roots, err := authorities(config.EndpointCA)
		if err != nil {
			return nil, err
		}
		transport.TLSClientConfig = &tls.Config{RootCAs: roots}
	}
	lookup := minio.BucketLookupAuto
	switch strings.ToLower(config.Lookup) {
	case "dns":
		lookup = minio.BucketLookupDNS
	case "path":
		lookup = minio.BucketLookupPath
	}
	opened, err := minio.New(config.Endpoint, &minio.Options{
		Creds:        credentials.NewStaticV4(config.AccessKey, config.SecretKey, ""),
		Secure:       !config.Insecure,
		Region:       config.Region,
		Transport:    transport,
		BucketLookup: lookup,
	})
	if err != nil {
		return nil, err
	}
	journal.Infof("Checking if S3 bucket %s exists", config.Bucket)
	ctx, cancel := context.WithTimeout(ctx, config.Timeout)
	defer cancel()
	exists, err := opened.BucketExists(ctx, config.Bucket)
	if err != nil {
		return nil, fmt.Errorf("failed to test for existence of bucket %s: %w", config.Bucket, err)
	}
	if !exists {
		return nil, fmt.Errorf("bucket %s does not exist", config.Bucket)
	}
	journal.Infof("S3 bucket %s exists", config.Bucket)
	return &Client{minio: opened, config: config}, nil
}

func authorities(paths string) (*x509.CertPool, error) {
	pool, loaded := x509.NewCertPool(), false
	for file := range strings.SplitSeq(paths, " ") {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		loaded = pool.AppendCertsFromPEM(text) || loaded
	}
	if !loaded {
		return nil, errors.New("no certificates loaded from etcd-s3-endpoint-ca")
	}
	return pool, nil
}

// Location of a snapshot by its name.
func (c *Client) Location(name string) string {
	return fmt.Sprintf("s3://%s/%s", c.config.Bucket, path.Join(c.config.Folder, name))
}

// Upload puts a local file into the folder and gives its size.
func (c *Client) Upload(ctx context.Context, file string) (int64, error) {
	key := path.Join(c.config.Folder, path.Base(file))
	journal.Infof("Uploading snapshot to s3://%s/%s", c.config.Bucket, key)
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	sent, err := c.minio.FPutObject(ctx, c.config.Bucket, key, file, minio.PutObjectOptions{
		NumThreads:   2,
		ContentType:  "application/octet-stream",
		UserMetadata: map[string]string{nodeKey: c.config.NodeName},
	})
	return sent.Size, err
}

// List gives the folder's snapshots, the newest last.
func (c *Client) List(ctx context.Context, prefix string) ([]Object, error) {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	options := minio.ListObjectsOptions{Prefix: path.Join(c.config.Folder, prefix), Recursive: true}
	var found []Object
	for seen := range c.minio.ListObjects(ctx, c.config.Bucket, options) {
		if seen.Err != nil {
			return nil, seen.Err
		}
		if seen.Size == 0 {
			continue
		}
		object := Object{Name: path.Base(seen.Key), Key: seen.Key, Size: seen.Size, Created: taken(path.Base(seen.Key), seen.LastModified)}
		told, err := c.minio.StatObject(ctx, c.config.Bucket, seen.Key, minio.StatObjectOptions{})
		if err != nil {
			journal.Warnf("Failed to get object metadata: %v", err)
		} else {
			object.Node = told.UserMetadata[nodeKey]
		}
		found = append(found, object)
	}
	sort.SliceStable(found, func(a, b int) bool { return found[a].Created.Before(found[b].Created) })
	return found, nil
}

// A name ends with the second in which the snapshot was taken.
func taken(name string, otherwise time.Time) time.Time {
	seconds, err := strconv.ParseInt(name[strings.LastIndexByte(name, '-')+1:], 10, 64)
	if err != nil {
		return otherwise
	}
	return time.Unix(seconds, 0)
}

// Prune deletes all but the newest of those whose name begins so, of all nodes together, as k3s does.
func (c *Client) Prune(ctx context.Context, prefix string) ([]string, error) {
	if c.config.Retention < 1 {
		return nil, nil
	}
	journal.Infof("Applying snapshot retention=%d to snapshots stored in s3://%s/%s", c.config.Retention, c.config.Bucket, path.Join(c.config.Folder, prefix))
	found, err := c.List(ctx, prefix)
	if err != nil || len(found) <= c.config.Retention {
		return nil, err
	}
	var deleted []string
	for _, old := range found[:len(found)-c.config.Retention] {
		journal.Infof("Removing S3 snapshot: s3://%s/%s", c.config.Bucket, old.Key)
		if err := c.Delete(ctx, old.Name); err != nil {
			return deleted, err
		}
		deleted = append(deleted, old.Name)
	}
	return deleted, nil
}

// Delete removes one snapshot; see NotFound.
func (c *Client) Delete(ctx context.Context, name string) error {
	ctx, cancel := context.WithTimeout(ctx, c.config.Timeout)
	defer cancel()
	key := path.Join(c.config.Folder, name)
	if _, err := c.minio.StatObject(ctx, c.config.Bucket, key, minio.StatObjectOptions{}); err != nil {
		return err
	}
	return c.minio.RemoveObject(ctx, c.config.Bucket, key, minio.RemoveObjectOptions{})
}

// NotFound tells whether there was no such snapshot.
func NotFound(err error) bool {
	return minio.ToErrorResponse(err).StatusCode == http.StatusNotFound
}
