// Package proxy makes a device of the tailnet for each Ingress of class `tailscale`, in place of Tailscale's
// operator.
package proxy

import "strings"

// Names that the real operator uses, too.
const (
	Class           = "tailscale"
	ClassAnnotation = "tailscale.com/proxy-class"
	Finalizer       = "tailscale.com/finalizer"
	Ready           = "ProxyClassReady"
)

// Meta is what every object has.
type Meta struct {
	Name              string            `json:"name"`
	Namespace         string            `json:"namespace"`
	UID               string            `json:"uid"`
	Generation        int64             `json:"generation"`
	Annotations       map[string]string `json:"annotations"`
	Finalizers        []string          `json:"finalizers"`
	DeletionTimestamp *string           `json:"deletionTimestamp"`
}

// Variable of a container.
type Variable struct {
	Name  string `json:"name"`
	Value string `json:"value"`
}

// ProxyClass says how proxies run; as much of it as the stand-in follows.
type ProxyClass struct {
	Metadata Meta `json:"metadata"`
	Spec     struct {
		StatefulSet struct {
			Pod struct {
				Container struct {
					Env []Variable `json:"env"`
				} `json:"tailscaleContainer"`
			} `json:"pod"`
		} `json:"statefulSet"`
	} `json:"spec"`
	Status struct {
		Conditions []Condition `json:"conditions"`
	} `json:"status"`
}

// Condition of an object.
type Condition struct {
	Type               string `json:"type"`
	Status             string `json:"status"`
	Reason             string `json:"reason"`
	Message            string `json:"message"`
	ObservedGeneration int64  `json:"observedGeneration"`
	LastTransitionTime string `json:"lastTransitionTime"`
}

// Ingress, as much of it as the stand-in follows.
type Ingress struct {
	Metadata Meta `json:"metadata"`
	Spec     struct {
		Class   string   `json:"ingressClassName"`
		Backend *Backend `json:"defaultBackend"`
		TLS     []struct {
			Hosts []string `json:"hosts"`
		} `json:"tls"`
	} `json:"spec"`
	Status struct {
		LoadBalancer struct {
			Ingress []struct {
				Hostname string `json:"hostname"`
			} `json:"ingress"`
		} `json:"loadBalancer"`
	} `json:"status"`
}

// Backend is where an Ingress leads.
type Backend struct {
	Service struct {
		Name string `json:"name"`
		Port struct {
			Number int    `json:"number"`
			Name   string `json:"name"`
		} `json:"port"`
	} `json:"service"`
}

// Hostname of the device: the first label of the first host, else namespace, name and kind.
func (i Ingress) Hostname() string {
	if len(i.Spec.TLS) > 0 && len(i.Spec.TLS[0].Hosts) > 0 {
		label, _, _ := strings.Cut(i.Spec.TLS[0].Hosts[0], ".")
		return label
	}
	return i.Metadata.Namespace + "-" + i.Metadata.Name + "-ingress"
}

// Proxy is the name of what is made for the Ingress: a StatefulSet and, with endings, its Secrets.
func (i Ingress) Proxy() string {
	short, _, _ := strings.Cut(i.Metadata.UID, "-")
	name := i.Metadata.Name
	if len(name) > 40 {
		name = name[:40]
	}
	return "ts-" + name + "-" + short
}

// Deleted tells whether somebody asked for its end.
func (i Ingress) Deleted() bool { return i.Metadata.DeletionTimestamp != nil }
