package server

import (
	"os"
	"slices"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"
)

// What homelab renders as a HelmChartConfig, with its loop written out.
func rendered(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile("../../../../../templates/gitops/traefik/chart-config.yaml")
	if err != nil {
		t.Fatal(err)
	}
	var kept []string
	for line := range strings.Lines(string(text)) {
		if !strings.HasPrefix(line, "<%") {
			kept = append(kept, strings.Replace(line, "<{ network | yaml }>", "10.42.0.0/16", 1))
		}
	}
	var config struct {
		Spec struct {
			Values string `yaml:"valuesContent"`
		} `yaml:"spec"`
	}
	if err := yaml.Unmarshal([]byte(strings.Join(kept, "")), &config); err != nil {
		t.Fatal(err)
	}
	return config.Spec.Values
}

func arguments(t *testing.T, texts ...string) (traefikValues, []string) {
	t.Helper()
	values, err := readTraefikValues(texts...)
	if err != nil {
		t.Fatal(err)
	}
	return values, values.arguments()
}

func TestTheRenderedChartConfigReachesTraefik(t *testing.T) {
	values, made := arguments(t, "", rendered(t))
	if values.Service.Type != "ClusterIP" {
		t.Errorf("the Service is of type %s", values.Service.Type)
	}
	for _, wanted := range []string{
		"--entryPoints.web.forwardedHeaders.trustedIPs=10.42.0.0/16",
		"--entryPoints.web.http.middlewares=kube-system-edge-https@kubernetescrd",
	} {
		if !slices.Contains(made, wanted) {
			t.Errorf("%s is missing in %q", wanted, made)
		}
	}
}

func TestWithoutAConfigNobodyIsTrustedAndTheServiceIsALoadBalancer(t *testing.T) {
	values, made := arguments(t, "", "")
	if values.Service.Type != "LoadBalancer" {
		t.Errorf("%+v", values.Service)
	}
	for _, argument := range made {
		if strings.Contains(argument, "trustedIPs") || strings.Contains(argument, "middlewares") {
			t.Error(argument)
		}
	}
}

func TestTheSpellingOfOlderChartsIsIgnoredWithoutAWord(t *testing.T) {
	_, made := arguments(t, "ports: {web: {middlewares: [kube-system-edge-https@kubernetescrd]}}")
	if _, plain := arguments(t); !slices.Equal(made, plain) {
		t.Errorf("%q", made)
	}
}

func TestEveryObjectOfTheChartIsOne(t *testing.T) {
	values, _ := arguments(t, rendered(t)+"\nproviders: {kubernetesCRD: {allowCrossNamespace: true}}\n")
	text, err := values.manifest()
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(text, `- "--providers.kubernetescrd.allowCrossNamespace=true"`) {
		t.Error(text)
	}
	var kinds []string
	for decoder := yaml.NewDecoder(strings.NewReader(text)); ; {
		var object struct {
			Kind     string
			Metadata struct{ Name string }
		}
		if decoder.Decode(&object) != nil {
			break
		}
		kinds = append(kinds, object.Kind+"/"+object.Metadata.Name)
	}
	for _, wanted := range []string{"Deployment/traefik", "Service/traefik", "IngressClass/traefik", "Job/helm-install-traefik-crd"} {
		if !slices.Contains(kinds, wanted) {
			t.Errorf("%s is missing in %q", wanted, kinds)
		}
	}
}

func TestValuesThatAreNoneAreRefused(t *testing.T) {
	for _, wrong := range []string{"ports: [", "service: {type: Nonsense}", "ports: {web: {forwardedHeaders: {trustedIPs: 10.42.0.0/16: x}}}"} {
		if _, err := readTraefikValues(wrong); err == nil {
			t.Errorf("%q was accepted", wrong)
		}
	}
}
