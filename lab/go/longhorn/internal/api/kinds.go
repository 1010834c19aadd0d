// Package api holds the parts of Longhorn's objects (longhorn.io/v1beta2) that the stand-in reads and
// writes, and a client for them.
package api

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
)

const (
	// Namespace is where everything of Longhorn's stands.
	Namespace = "longhorn-system"
	// Driver is the name of the CSI driver, and of the provisioner.
	Driver = "driver.longhorn.io"
	// Finalizer holds an object until what it stands for is gone.
	Finalizer = "longhorn.io"
	// DefaultTarget is the one backup target that the stand-in knows.
	DefaultTarget = "default"
	// Image is what the objects name as the engine's.
	Image = "lab.local/longhorn:1"
	// Version is the one of the Longhorn that is stood in for.
	Version = "v1.12.1"
	// Port is where managers answer each other.
	Port = 9500
)

// Labels and annotations that Longhorn's own programs use.
const (
	LabelVolume       = "longhornvolume"
	LabelBackupVolume = "backup-volume"
	LabelBackupTarget = "backup-target"
	LabelJob          = "RecurringJob"
	PrefixJob         = "recurring-job.longhorn.io/"
	PrefixGroup       = "recurring-job-group.longhorn.io/"
	Enabled           = "enabled"
	// AnnotationConfig remembers which version of the chart's settings was taken over.
	AnnotationConfig = "longhorn.io/configmap-resource-version"
)

// Of the stand-in alone.
const (
	// AnnotationThenBackup marks a snapshot whose job wants a backup of it.
	AnnotationThenBackup = "stand-in.longhorn.io/then-backup"
	// AnnotationLastRun is when a job last ran.
	AnnotationLastRun = "stand-in.longhorn.io/last-run"
)

func resource(plural string) schema.GroupVersionResource {
	return schema.GroupVersionResource{Group: "longhorn.io", Version: "v1beta2", Resource: plural}
}

// Kind is one of Longhorn's.
type Kind struct {
	Name     string
	Resource schema.GroupVersionResource
}

var (
	Nodes             = Kind{"Node", resource("nodes")}
	Volumes           = Kind{"Volume", resource("volumes")}
	Replicas          = Kind{"Replica", resource("replicas")}
	Engines           = Kind{"Engine", resource("engines")}
	Settings          = Kind{"Setting", resource("settings")}
	BackupTargets     = Kind{"BackupTarget", resource("backuptargets")}
	BackupVolumes     = Kind{"BackupVolume", resource("backupvolumes")}
	Backups           = Kind{"Backup", resource("backups")}
	Snapshots         = Kind{"Snapshot", resource("snapshots")}
	RecurringJobs     = Kind{"RecurringJob", resource("recurringjobs")}
	SystemBackups     = Kind{"SystemBackup", resource("systembackups")}
	VolumeAttachments = Kind{"VolumeAttachment", resource("volumeattachments")}
)

// Meta is what every object has.
type Meta struct {
	metav1.TypeMeta   `json:",inline"`
	metav1.ObjectMeta `json:"metadata"`
}

type Condition struct {
	Type               string `json:"type"`
	Status             string `json:"status"`
	Reason             string `json:"reason"`
	Message            string `json:"message"`
	LastProbeTime      string `json:"lastProbeTime"`
	LastTransitionTime string `json:"lastTransitionTime"`
}

type Node struct {
	Meta   `json:",inline"`
	Spec   NodeSpec   `json:"spec"`
	Status NodeStatus `json:"status"`
}

type NodeSpec struct {
	Name            string          `json:"name"`
	AllowScheduling bool            `json:"allowScheduling"`
	Disks           map[string]Disk `json:"disks"`
}

type Disk struct {
	Path            string `json:"path"`
	Type            string `json:"diskType"`
	AllowScheduling bool   `json:"allowScheduling"`
	StorageReserved int64  `json:"storageReserved"`
}

type NodeStatus struct {
	Conditions []Condition           `json:"conditions"`
	Disks      map[string]DiskStatus `json:"diskStatus"`
}

type DiskStatus struct {
	Conditions       []Condition      `json:"conditions"`
	Name             string           `json:"diskName"`
	Path             string           `json:"diskPath"`
	Type             string           `json:"diskType"`
	UUID             string           `json:"diskUUID"`
	FileSystem       string           `json:"filesystemType"`
	Available        int64            `json:"storageAvailable"`
	Maximum          int64            `json:"storageMaximum"`
	Scheduled        int64            `json:"storageScheduled"`
	ScheduledReplica map[string]int64 `json:"scheduledReplica"`
}

type Volume struct {
	Meta   `json:",inline"`
	Spec   VolumeSpec   `json:"spec"`
	Status VolumeStatus `json:"status"`
}

type VolumeSpec struct {
	Size             string `json:"size"`
	NumberOfReplicas int    `json:"numberOfReplicas"`
	NodeID           string `json:"nodeID"`
	FromBackup       string `json:"fromBackup"`
	AccessMode       string `json:"accessMode"`
	BackupTargetName string `json:"backupTargetName"`
}

type VolumeStatus struct {
	State            string           `json:"state"`
	Robustness       string           `json:"robustness"`
	CurrentNodeID    string           `json:"currentNodeID"`
	RestoreRequired  bool             `json:"restoreRequired"`
	RestoreInitiated bool             `json:"restoreInitiated"`
	LastDegradedAt   string           `json:"lastDegradedAt"`
	LastBackup       string           `json:"lastBackup"`
	LastBackupAt     string           `json:"lastBackupAt"`
	Conditions       []Condition      `json:"conditions"`
	Kubernetes       KubernetesStatus `json:"kubernetesStatus"`
}

type KubernetesStatus struct {
	Namespace    string     `json:"namespace"`
	PVName       string     `json:"pvName"`
	PVStatus     string     `json:"pvStatus"`
	PVCName      string     `json:"pvcName"`
	LastPVCRefAt string     `json:"lastPVCRefAt"`
	LastPodRefAt string     `json:"lastPodRefAt"`
	Workloads    []Workload `json:"workloadsStatus"`
}

type Workload struct {
	PodName      string `json:"podName"`
	PodStatus    string `json:"podStatus"`
	WorkloadName string `json:"workloadName"`
	WorkloadType string `json:"workloadType"`
}

type Replica struct {
	Meta   `json:",inline"`
	Spec   ReplicaSpec   `json:"spec"`
	Status ReplicaStatus `json:"status"`
}

type ReplicaSpec struct {
	VolumeName    string `json:"volumeName"`
	VolumeSize    string `json:"volumeSize"`
	NodeID        string `json:"nodeID"`
	DiskID        string `json:"diskID"`
	DiskPath      string `json:"diskPath"`
	DataDirectory string `json:"dataDirectoryName"`
	EngineName    string `json:"engineName"`
	Active        bool   `json:"active"`
	HealthyAt     string `json:"healthyAt"`
	FailedAt      string `json:"failedAt"`
}

type ReplicaStatus struct {
	CurrentState string `json:"currentState"`
}

// Good is whether it holds all that was written; so is none of a volume that was never used.
func (r *Replica) Good() bool { return r.Spec.HealthyAt != "" && r.Spec.FailedAt == "" }

type Engine struct {
	Meta `json:",inline"`
	Spec struct {
		VolumeName string `json:"volumeName"`
		NodeID     string `json:"nodeID"`
	} `json:"spec"`
	Status struct {
		Modes map[string]string `json:"replicaModeMap"`
	} `json:"status"`
}

type Setting struct {
	Meta   `json:",inline"`
	Value  string `json:"value"`
	Status struct {
		Applied bool `json:"applied"`
	} `json:"status"`
}

type BackupTarget struct {
	Meta `json:",inline"`
	Spec struct {
		URL              string `json:"backupTargetURL"`
		CredentialSecret string `json:"credentialSecret"`
		PollInterval     string `json:"pollInterval"`
		SyncRequestedAt  string `json:"syncRequestedAt"`
	} `json:"spec"`
	Status struct {
		Available    bool        `json:"available"`
		Conditions   []Condition `json:"conditions"`
		LastSyncedAt string      `json:"lastSyncedAt"`
	} `json:"status"`
}

type Backup struct {
	Meta `json:",inline"`
	Spec struct {
		SnapshotName string            `json:"snapshotName"`
		Labels       map[string]string `json:"labels"`
	} `json:"spec"`
	Status BackupStatus `json:"status"`
}

type BackupStatus struct {
	OwnerID           string            `json:"ownerID,omitempty"`
	State             string            `json:"state,omitempty"`
	Error             string            `json:"error,omitempty"`
	Progress          int               `json:"progress,omitempty"`
	URL               string            `json:"url,omitempty"`
	Size              string            `json:"size,omitempty"`
	NewlyUploaded     string            `json:"newlyUploadDataSize,omitempty"`
	SnapshotName      string            `json:"snapshotName,omitempty"`
	SnapshotCreatedAt string            `json:"snapshotCreatedAt,omitempty"`
	BackupCreatedAt   string            `json:"backupCreatedAt,omitempty"`
	BackupTargetName  string            `json:"backupTargetName,omitempty"`
	CompressionMethod string            `json:"compressionMethod,omitempty"`
	Labels            map[string]string `json:"labels,omitempty"`
	LastSyncedAt      string            `json:"lastSyncedAt,omitempty"`
	VolumeName        string            `json:"volumeName,omitempty"`
	VolumeSize        string            `json:"volumeSize,omitempty"`
	VolumeCreated     string            `json:"volumeCreated,omitempty"`
}

type BackupVolume struct {
	Meta `json:",inline"`
	Spec struct {
		VolumeName string `json:"volumeName"`
	} `json:"spec"`
	Status struct {
		LastBackupName string `json:"lastBackupName"`
	} `json:"status"`
}

type Snapshot struct {
	Meta `json:",inline"`
	Spec struct {
		Volume string            `json:"volume"`
		Labels map[string]string `json:"labels"`
	} `json:"spec"`
	Status SnapshotStatus `json:"status"`
}

type SnapshotStatus struct {
	OwnerID      string            `json:"ownerID,omitempty"`
	ReadyToUse   bool              `json:"readyToUse,omitempty"`
	CreationTime string            `json:"creationTime,omitempty"`
	Checksum     string            `json:"checksum,omitempty"`
	Error        string            `json:"error,omitempty"`
	Labels       map[string]string `json:"labels,omitempty"`
	Size         int64             `json:"size,omitempty"`
	RestoreSize  int64             `json:"restoreSize,omitempty"`
	UserCreated  bool              `json:"userCreated,omitempty"`
}

type RecurringJob struct {
	Meta `json:",inline"`
	Spec struct {
		Name   string            `json:"name"`
		Task   string            `json:"task"`
		Cron   string            `json:"cron"`
		Groups []string          `json:"groups"`
		Retain int               `json:"retain"`
		Labels map[string]string `json:"labels"`
	} `json:"spec"`
	Status struct {
		ExecutionCount int `json:"executionCount"`
	} `json:"status"`
}

type SystemBackup struct {
	Meta   `json:",inline"`
	Status struct {
		State string `json:"state"`
	} `json:"status"`
}
