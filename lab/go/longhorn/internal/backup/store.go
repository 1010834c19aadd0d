package backup

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/url"
	"os"
	"path"
	"strings"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"homelab.invalid/lab/longhorn/internal/api"
)

// VolumeConfig is `volume.cfg`, in the fields and the spelling of Longhorn's.
type VolumeConfig struct {
	Name              string
	Size              int64 `json:",string"`
	Labels            map[string]string
	CreatedTime       string
	LastBackupName    string
	LastBackupAt      string
	BlockCount        int64 `json:",string"`
	CompressionMethod string
	StorageClassName  string
	DataEngine        string
}

// Config is `backup_<name>.cfg`, in the fields and the spelling of Longhorn's.
type Config struct {
	Name              string
	VolumeName        string
	SnapshotName      string
	SnapshotCreatedAt string
	CreatedTime       string
	Size              int64 `json:",string"`
	Labels            map[string]string
	// Sha256 is the stand-in's own: that of the archive.
	Parameters            map[string]string
	IsIncremental         bool
	CompressionMethod     string
	NewlyUploadedDataSize int64 `json:",string"`
	SingleFile            struct{ FilePath string }
}

// Sha256 names the archive's hash among the parameters.
const Sha256 = "StandInArchiveSha256"

// Store is a target that was opened.
type Store struct {
	Target
	client *minio.Client
}

// Open opens a target with what a Secret says.
func Open(ctx context.Context, client *api.Client, address, secret string) (*Store, error) {
	target, err := ParseTarget(address)
	if err != nil {
		return nil, err
	}
	found, err := client.Kube.CoreV1().Secrets(api.Namespace).Get(ctx, secret, metav1.GetOptions{})
	if err != nil {
		return nil, fmt.Errorf("failed to get the credential secret: %w", err)
	}
	value := func(key string) string { return string(found.Data[key]) }
	endpoint := value("AWS_ENDPOINTS")
	if endpoint == "" {
		endpoint = "https://s3." + target.Region + ".amazonaws.com"
	}
	parsed, err := url.Parse(endpoint)
	if err != nil || parsed.Host == "" {
		return nil, fmt.Errorf("AWS_ENDPOINTS of secret %s is no URL", secret)
	}
	lookup := minio.BucketLookupPath
	if value("VIRTUAL_HOSTED_STYLE") == "true" {
		lookup = minio.BucketLookupDNS
	}
	opened, err := minio.New(parsed.Host, &minio.Options{
		Creds:        credentials.NewStaticV4(value("AWS_ACCESS_KEY_ID"), value("AWS_SECRET_ACCESS_KEY"), ""),
		Secure:       parsed.Scheme == "https",
		Region:       target.Region,
		BucketLookup: lookup,
		// What is not there is asked for again at the next poll.
		MaxRetries: 2,
	})
	if err != nil {
		return nil, err
	}
	return &Store{target, opened}, nil
}

// Check sees whether the target can be listed.
func (s *Store) Check(ctx context.Context) error {
	ctx, cancel := context.WithTimeout(ctx, 20*time.Second)
	defer cancel()
	for object := range s.client.ListObjects(ctx, s.Bucket, minio.ListObjectsOptions{Prefix: s.Prefix, MaxKeys: 1}) {
		return object.Err
	}
	return ctx.Err()
}

// Put writes a backup: its archive, then what describes it, then the volume's own description.
func (s *Store) Put(ctx context.Context, archive string, config Config, volume VolumeConfig) error {
	name := s.archive(config.VolumeName, config.Name)
	if _, err := s.client.FPutObject(ctx, s.Bucket, name, archive, minio.PutObjectOptions{ContentType: "application/gzip"}); err != nil {
		return err
	}
	config.SingleFile.FilePath = name
	if err := s.write(ctx, s.config(config.VolumeName, config.Name), config); err != nil {
		return err
	}
	return s.write(ctx, s.volumeConfig(volume.Name), volume)
}

func (s *Store) write(ctx context.Context, name string, value any) error {
	text, err := json.Marshal(value)
	if err != nil {
		return err
	}
	_, err = s.client.PutObject(ctx, s.Bucket, name, bytes.NewReader(text), int64(len(text)), minio.PutObjectOptions{})
	return err
}

func (s *Store) read(ctx context.Context, name string, into any) error {
	object, err := s.client.GetObject(ctx, s.Bucket, name, minio.GetObjectOptions{})
	if err != nil {
		return err
	}
	defer object.Close()
	if err := json.NewDecoder(object).Decode(into); err != nil {
		return fmt.Errorf("%s: %w", name, err)
	}
	return nil
}

// Fetch writes a backup's archive into a file, and gives what describes it.
func (s *Store) Fetch(ctx context.Context, volume, backup string, into *os.File) (Config, error) {
	var config Config
	if err := s.read(ctx, s.config(volume, backup), &config); err != nil {
		return config, err
	}
	object, err := s.client.GetObject(ctx, s.Bucket, s.archive(volume, backup), minio.GetObjectOptions{})
	if err != nil {
		return config, err
	}
	defer object.Close()
	_, err = io.Copy(into, object)
	return config, err
}

// Delete deletes a backup: what describes it first, so that nothing describes what is gone.
func (s *Store) Delete(ctx context.Context, volume, backup string) error {
	for _, name := range []string{s.config(volume, backup), s.archive(volume, backup)} {
		if err := s.client.RemoveObject(ctx, s.Bucket, name, minio.RemoveObjectOptions{}); err != nil {
			return err
		}
	}
	return nil
}

// List gives every backup that is described there, by its volume's description.
func (s *Store) List(ctx context.Context) (map[string][]Config, map[string]VolumeConfig, error) {
	backups, volumes := map[string][]Config{}, map[string]VolumeConfig{}
	prefix := path.Join(s.Prefix, "backupstore/volumes") + "/"
	for object := range s.client.ListObjects(ctx, s.Bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if object.Err != nil {
			return nil, nil, object.Err
		}
		folder, file := path.Split(object.Key)
		switch {
		case file == "volume.cfg":
			var volume VolumeConfig
			if err := s.read(ctx, object.Key, &volume); err != nil {
				return nil, nil, err
			}
			volumes[volume.Name] = volume
		case strings.HasSuffix(folder, "/backups/") && strings.HasPrefix(file, "backup_"):
			var config Config
			if err := s.read(ctx, object.Key, &config); err != nil {
				return nil, nil, err
			}
			backups[config.VolumeName] = append(backups[config.VolumeName], config)
		}
	}
	return backups, volumes, nil
}
