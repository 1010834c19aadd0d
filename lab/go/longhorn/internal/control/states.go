package control

import (
	"cmp"
	"log"
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"homelab.invalid/lab/longhorn/internal/api"
)

func stateOf(one api.Replica, user string, ready bool) string {
	switch {
	case !ready:
		return "unknown"
	case one.Spec.FailedAt != "":
		return "error"
	case user != "":
		return "running"
	}
	return "stopped"
}

// status is what a volume shows of itself.
func (c *Controller) status(seen *world, volume *api.Volume, copies []api.Replica, user string) map[string]any {
	state := "detached"
	if user != "" {
		state = "attached"
	}
	robust := Robustness(copies, volume.Spec.NumberOfReplicas, user, user == "" || seen.ready(user))
	status := map[string]any{
		"state": state, "currentNodeID": user, "robustness": robust, "ownerID": user, "currentImage": api.Image,
		"kubernetesStatus": kubernetes(seen, volume),
	}
	if robust == "degraded" && volume.Status.Robustness != "degraded" {
		status["lastDegradedAt"] = api.Now()
		log.Printf("volume %s became degraded", volume.Name)
	}
	if robust == "healthy" && volume.Status.Robustness != "healthy" {
		log.Printf("volume %s became healthy", volume.Name)
	}
	for _, backup := range seen.backups {
		if backup.Status.VolumeName == volume.Name && backup.Status.State == "Completed" && backup.Status.BackupCreatedAt >= volume.Status.LastBackupAt {
			volume.Status.LastBackupAt = backup.Status.BackupCreatedAt
			status["lastBackup"], status["lastBackupAt"] = backup.Name, backup.Status.BackupCreatedAt
		}
	}
	return status
}

// Robustness is Longhorn's word for how safe a volume's data is.
func Robustness(copies []api.Replica, wanted int, user string, ready bool) string {
	good, failed := 0, 0
	for _, one := range copies {
		if one.Good() {
			good++
		} else if one.Spec.FailedAt != "" {
			failed++
		}
	}
	switch {
	case len(copies) > 0 && failed == len(copies):
		return "faulted"
	case user == "" || !ready:
		return "unknown"
	case good >= wanted:
		return "healthy"
	case good > 0:
		return "degraded"
	}
	return "unknown"
}

// kubernetes says which claim and pods use a volume.
func kubernetes(seen *world, volume *api.Volume) api.KubernetesStatus {
	status := volume.Status.Kubernetes
	bound, found := seen.bound[volume.Name]
	if !found {
		return api.KubernetesStatus{LastPVCRefAt: status.LastPVCRefAt, LastPodRefAt: status.LastPodRefAt}
	}
	status.PVName, status.PVStatus, status.Workloads = bound.Name, string(bound.Status.Phase), nil
	if claim := bound.Spec.ClaimRef; claim != nil {
		status.Namespace, status.PVCName = claim.Namespace, claim.Name
	}
	if bound.Status.Phase == corev1.VolumeReleased {
		status.LastPVCRefAt = cmp.Or(status.LastPVCRefAt, api.Now())
	}
	for _, pod := range seen.pods {
		if pod.Namespace != status.Namespace || !uses(pod, status.PVCName) {
			continue
		}
		workload := api.Workload{PodName: pod.Name, PodStatus: string(pod.Status.Phase)}
		if owner := metav1.GetControllerOf(&pod); owner != nil {
			workload.WorkloadName, workload.WorkloadType = owner.Name, owner.Kind
		}
		status.Workloads = append(status.Workloads, workload)
	}
	return status
}

func uses(pod corev1.Pod, claim string) bool {
	return slices.ContainsFunc(pod.Spec.Volumes, func(volume corev1.Volume) bool {
		return volume.PersistentVolumeClaim != nil && volume.PersistentVolumeClaim.ClaimName == claim
	})
}
