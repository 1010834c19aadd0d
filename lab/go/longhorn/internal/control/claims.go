package control

import (
	"context"
	"fmt"
	"log"
	"slices"
	"strconv"
	"strings"

	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	"k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"homelab.invalid/lab/longhorn/internal/api"
)

const (
	annotationProvisioner = "volume.kubernetes.io/storage-provisioner"
	annotationProvisioned = "pv.kubernetes.io/provisioned-by"
	hostname              = "kubernetes.io/hostname"
	// Of volumes that are made for a claim; its UID follows.
	claimPrefix = "pvc-"
	// Longhorn's sizes are multiples of it.
	unit = 2 << 20
)

// claims makes a volume of each claim of a class of ours, and ends those whose claim went.
func (c *Controller) claims(ctx context.Context, seen *world) error {
	for i := range seen.claims {
		claim := &seen.claims[i]
		if claim.Spec.VolumeName != "" || claim.DeletionTimestamp != nil || claim.Annotations[annotationProvisioner] != api.Driver {
			continue
		}
		if err := c.provision(ctx, seen, claim); err != nil {
			c.events.Eventf(claim, corev1.EventTypeWarning, "ProvisioningFailed",
				"failed to provision volume with StorageClass %q: %v", *claim.Spec.StorageClassName, err)
		}
	}
	for _, volume := range seen.volumes {
		if forsaken(seen, volume) {
			if err := c.client.Delete(ctx, api.Volumes, volume.Name); err != nil {
				return err
			}
		}
	}
	for handle, volume := range seen.bound {
		released := volume.Status.Phase == corev1.VolumeReleased && volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete
		if !released || volume.Annotations[annotationProvisioned] != api.Driver || len(seen.attachments[handle]) > 0 {
			continue
		}
		if err := c.client.Delete(ctx, api.Volumes, handle); err != nil {
			return err
		}
		// Its object goes once its bytes are gone.
		if seen.volume(handle) == nil {
			err := c.client.Kube.CoreV1().PersistentVolumes().Delete(ctx, volume.Name, metav1.DeleteOptions{})
			if err != nil && !errors.IsNotFound(err) {
				return err
			}
		}
	}
	return nil
}

// forsaken is whether a volume was made for a claim that went before the volume had any place.
func forsaken(seen *world, volume api.Volume) bool {
	claim, ours := strings.CutPrefix(volume.Name, claimPrefix)
	_, bound := seen.bound[volume.Name]
	_, provisioned := volume.Annotations[annotationProvisioned]
	if !ours || !provisioned || bound || len(seen.copies(volume.Name)) > 0 {
		return false
	}
	return !slices.ContainsFunc(seen.claims, func(one corev1.PersistentVolumeClaim) bool { return string(one.UID) == claim })
}

func (c *Controller) provision(ctx context.Context, seen *world, claim *corev1.PersistentVolumeClaim) error {
	class, err := c.client.Kube.StorageV1().StorageClasses().Get(ctx, *claim.Spec.StorageClassName, metav1.GetOptions{})
	if err != nil {
		return err
	}
	if err := refuse(claim); err != nil {
		return err
	}
	name := claimPrefix + string(claim.UID)
	volume := seen.volume(name)
	if volume == nil {
		c.events.Eventf(claim, corev1.EventTypeNormal, "Provisioning",
			"External provisioner is provisioning volume for claim \"%s/%s\"", claim.Namespace, claim.Name)
		return c.client.Create(ctx, api.Volumes,
			metav1.ObjectMeta{
				Name: name, Finalizers: []string{api.Finalizer}, Labels: map[string]string{api.LabelVolume: name},
				Annotations: map[string]string{annotationProvisioned: api.Driver},
			},
			map[string]any{"spec": spec(claim, class)})
	}
	copies := seen.copies(name)
	if len(copies) == 0 {
		for _, condition := range volume.Status.Conditions {
			if condition.Type == "Scheduled" && condition.Status == "False" {
				return fmt.Errorf("volume %s is not scheduled: %s: %s", name, condition.Reason, condition.Message)
			}
		}
		return nil
	}
	made, err := c.client.Kube.CoreV1().PersistentVolumes().Create(ctx, persistent(claim, class, volume, copies), metav1.CreateOptions{})
	if errors.IsAlreadyExists(err) {
		return nil
	}
	if err != nil {
		return err
	}
	log.Printf("claim %s/%s: volume %s", claim.Namespace, claim.Name, made.Name)
	c.events.Eventf(claim, corev1.EventTypeNormal, "ProvisioningSucceeded", "Successfully provisioned volume %s", made.Name)
	return nil
}

// refuse says what the stand-in cannot do.
func refuse(claim *corev1.PersistentVolumeClaim) error {
	if claim.Spec.VolumeMode != nil && *claim.Spec.VolumeMode == corev1.PersistentVolumeBlock {
		return fmt.Errorf("the lab's stand-in has no block devices: volumeMode Filesystem alone")
	}
	for _, mode := range claim.Spec.AccessModes {
		if mode != corev1.ReadWriteOnce && mode != corev1.ReadWriteOncePod {
			return fmt.Errorf("the lab's stand-in shares no volumes between nodes: no %s", mode)
		}
	}
	if claim.Spec.DataSource != nil || claim.Spec.DataSourceRef != nil {
		return fmt.Errorf("the lab's stand-in knows no data source: a class with the parameter fromBackup restores")
	}
	return nil
}

func spec(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass) map[string]any {
	bytes := claim.Spec.Resources.Requests.Storage().Value()
	bytes = (bytes + unit - 1) / unit * unit
	parameters := class.Parameters
	spec := map[string]any{
		"size": strconv.FormatInt(bytes, 10), "frontend": "blockdev", "dataEngine": "v1", "accessMode": "rwo",
		"image": api.Image, "fromBackup": parameters["fromBackup"], "dataLocality": "disabled",
		"backupTargetName": api.DefaultTarget, "nodeID": "", "staleReplicaTimeout": 30,
	}
	if replicas, err := strconv.Atoi(parameters["numberOfReplicas"]); err == nil {
		spec["numberOfReplicas"] = replicas
	}
	return spec
}

func persistent(claim *corev1.PersistentVolumeClaim, class *storagev1.StorageClass, volume *api.Volume, copies []api.Replica) *corev1.PersistentVolume {
	var nodes []string
	for _, one := range copies {
		nodes = append(nodes, one.Spec.NodeID)
	}
	policy := corev1.PersistentVolumeReclaimDelete
	if class.ReclaimPolicy != nil {
		policy = *class.ReclaimPolicy
	}
	attributes := map[string]string{}
	for key, value := range class.Parameters {
		attributes[key] = value
	}
	filesystem := class.Parameters["fsType"]
	if filesystem == "" {
		filesystem = "ext4"
	}
	return &corev1.PersistentVolume{
		ObjectMeta: metav1.ObjectMeta{Name: volume.Name, Annotations: map[string]string{annotationProvisioned: api.Driver}},
		Spec: corev1.PersistentVolumeSpec{
			Capacity:    corev1.ResourceList{corev1.ResourceStorage: *claim.Spec.Resources.Requests.Storage()},
			AccessModes: claim.Spec.AccessModes,
			ClaimRef: &corev1.ObjectReference{
				APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: claim.Namespace, Name: claim.Name, UID: claim.UID,
			},
			PersistentVolumeReclaimPolicy: policy,
			StorageClassName:              class.Name,
			MountOptions:                  class.MountOptions,
			VolumeMode:                    claim.Spec.VolumeMode,
			PersistentVolumeSource: corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{
				Driver: api.Driver, VolumeHandle: volume.Name, FSType: filesystem, VolumeAttributes: attributes,
			}},
			// The stand-in's files can be used where they are, and nowhere else.
			NodeAffinity: &corev1.VolumeNodeAffinity{Required: &corev1.NodeSelector{NodeSelectorTerms: []corev1.NodeSelectorTerm{{
				MatchExpressions: []corev1.NodeSelectorRequirement{{Key: hostname, Operator: corev1.NodeSelectorOpIn, Values: nodes}},
			}}}},
		},
	}
}
