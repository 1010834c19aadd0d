package server

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"text/template"

	"go.yaml.in/yaml/v3"

	"homelab.invalid/lab/k3s/internal/version"
)

//go:embed charts/traefik.yaml
var traefikChart string

var traefikTemplate = template.Must(template.New("traefik").Parse(traefikChart))

// As much of the values of k3s's chart (39) as the stand-in follows, by their own names. All others are
// ignored without a word, as k3s's chart does, which has no schema.
type traefikValues struct {
	Deployment struct {
		Replicas int `yaml:"replicas"`
	} `yaml:"deployment"`
	Service struct {
		Type string `yaml:"type"`
	} `yaml:"service"`
	Ports struct {
		Web       entryPoint `yaml:"web"`
		Websecure entryPoint `yaml:"websecure"`
	} `yaml:"ports"`
	Providers struct {
		CRD struct {
			CrossNamespace bool `yaml:"allowCrossNamespace"`
			ExternalName   bool `yaml:"allowExternalNameServices"`
		} `yaml:"kubernetesCRD"`
		Ingress struct {
			ExternalName bool `yaml:"allowExternalNameServices"`
		} `yaml:"kubernetesIngress"`
	} `yaml:"providers"`
	Logs struct {
		General struct {
			Level string `yaml:"level"`
		} `yaml:"general"`
		Access struct {
			Enabled bool `yaml:"enabled"`
		} `yaml:"access"`
	} `yaml:"logs"`
	Arguments []string `yaml:"additionalArguments"`
}

type entryPoint struct {
	Forwarded struct {
		Trusted  []string `yaml:"trustedIPs"`
		Insecure bool     `yaml:"insecure"`
	} `yaml:"forwardedHeaders"`
	HTTP struct {
		Middlewares []string `yaml:"middlewares"`
	} `yaml:"http"`
}

// The chart's own values with each of the texts laid over the ones before.
func readTraefikValues(texts ...string) (traefikValues, error) {
	var values traefikValues
	values.Deployment.Replicas = 1
	values.Service.Type = "LoadBalancer"
	values.Logs.General.Level = "INFO"
	for _, text := range texts {
		if err := yaml.Unmarshal([]byte(text), &values); err != nil {
			return values, fmt.Errorf("valuesContent: %w", err)
		}
	}
	if !slices.Contains([]string{"ClusterIP", "NodePort", "LoadBalancer"}, values.Service.Type) {
		return values, fmt.Errorf("service.type: there is no type %q", values.Service.Type)
	}
	return values, nil
}

// Traefik's command line, as the chart writes it.
func (v traefikValues) arguments() []string {
	arguments := []string{
		"--global.checknewversion=false", "--global.sendanonymoususage=false",
		"--entryPoints.traefik.address=:8080/tcp", "--ping=true",
		"--entryPoints.web.address=:8000/tcp",
		"--entryPoints.websecure.address=:8443/tcp", "--entryPoints.websecure.http.tls=true",
		"--providers.kubernetescrd", "--providers.kubernetesingress",
		"--providers.kubernetesingress.ingressendpoint.publishedservice=kube-system/traefik",
		"--log.level=" + v.Logs.General.Level,
	}
	on := func(is bool, argument string) {
		if is {
			arguments = append(arguments, argument)
		}
	}
	for _, one := range []struct {
		name  string
		point entryPoint
	}{{"web", v.Ports.Web}, {"websecure", v.Ports.Websecure}} {
		prefix := "--entryPoints." + one.name
		trusted, middlewares := one.point.Forwarded.Trusted, one.point.HTTP.Middlewares
		on(len(trusted) > 0, prefix+".forwardedHeaders.trustedIPs="+strings.Join(trusted, ","))
		on(one.point.Forwarded.Insecure, prefix+".forwardedHeaders.insecure")
		on(len(middlewares) > 0, prefix+".http.middlewares="+strings.Join(middlewares, ","))
	}
	on(v.Providers.CRD.CrossNamespace, "--providers.kubernetescrd.allowCrossNamespace=true")
	on(v.Providers.CRD.ExternalName, "--providers.kubernetescrd.allowExternalNameServices=true")
	on(v.Providers.Ingress.ExternalName, "--providers.kubernetesingress.allowExternalNameServices=true")
	on(v.Logs.Access.Enabled, "--accesslog=true")
	return append(arguments, v.Arguments...)
}

// The objects of Traefik, as YAML.
func (v traefikValues) manifest() (string, error) {
	var quoted []string
	for _, argument := range v.arguments() {
		text, err := json.Marshal(argument)
		if err != nil {
			return "", err
		}
		quoted = append(quoted, string(text))
	}
	var made bytes.Buffer
	err := traefikTemplate.Execute(&made, map[string]any{
		"Image":     "lab.local/traefik:" + version.Traefik,
		"Type":      v.Service.Type,
		"Replicas":  v.Deployment.Replicas,
		"Arguments": quoted,
	})
	return made.String(), err
}
