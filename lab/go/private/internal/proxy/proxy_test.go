package proxy

import (
	"encoding/json"
	"strings"
	"testing"
)

func read[T any](t *testing.T, text string) T {
	t.Helper()
	var made T
	if err := json.Unmarshal([]byte(text), &made); err != nil {
		t.Fatal(err)
	}
	return made
}

const class = `{"metadata": {"name": "tailnet", "generation": 2}, "spec": {"statefulSet": {"pod": {"tailscaleContainer":
	{"env": [{"name": "TS_DEBUG_MTU", "value": "1280"}]}}}}`

func TestAProxyClassIsJudgedOnceAGeneration(t *testing.T) {
	fresh := read[ProxyClass](t, class+`}`)
	condition := fresh.judge()
	if condition == nil || condition.Status != "True" || condition.ObservedGeneration != 2 || fresh.usable() {
		t.Fatalf("%+v", condition)
	}
	fresh.Status.Conditions = []Condition{*condition}
	if fresh.judge() != nil || !fresh.usable() {
		t.Error("it is judged again though nothing changed")
	}
	fresh.Metadata.Generation = 3
	if fresh.judge() == nil || fresh.usable() {
		t.Error("another generation has the old one's word")
	}
}

func TestAProxyClassThatTakesTheOperatorsOwnSettingsIsNotValid(t *testing.T) {
	for _, name := range []string{"TS_KUBE_SECRET", "no name"} {
		var made ProxyClass
		made.Spec.StatefulSet.Pod.Container.Env = []Variable{{Name: name}}
		if condition := made.judge(); condition.Status != "False" || condition.Reason != "ProxyClassInvalid" {
			t.Errorf("%s: %+v", name, condition)
		}
	}
}

func TestTheDevicesNameIsTheHostsFirstLabel(t *testing.T) {
	for text, wanted := range map[string]string{
		`{"spec": {"tls": [{"hosts": ["jellyfin"]}]}}`:                    "jellyfin",
		`{"spec": {"tls": [{"hosts": ["grafana.tail1234.ts.net"]}]}}`:     "grafana",
		`{"metadata": {"namespace": "media", "name": "app"}, "spec": {}}`: "media-app-ingress",
	} {
		if found := read[Ingress](t, text).Hostname(); found != wanted {
			t.Errorf("%s: %s", text, found)
		}
	}
}

func TestTwoIngressesOfANameHaveProxiesOfTheirOwn(t *testing.T) {
	name := func(uid string) string {
		return read[Ingress](t, `{"metadata": {"name": "jellyfin-private", "uid": "`+uid+`"}}`).Proxy()
	}
	if name("aaaa-1") == name("bbbb-1") || name("aaaa-1") != "ts-jellyfin-private-aaaa" {
		t.Error(name("aaaa-1"))
	}
}

func TestTheProxyClassesVariablesReachTailscaledAlone(t *testing.T) {
	made := design{Name: "ts-a", Namespace: "tailscale", Image: "i", Env: []Variable{{"TS_DEBUG_MTU", "1280"}}}
	text, err := json.Marshal(made.statefulSet())
	if err != nil {
		t.Fatal(err)
	}
	set := read[struct {
		Spec struct {
			Template struct {
				Spec struct {
					Containers []struct {
						Name string
						Env  []Variable
					}
				}
			}
		}
	}](t, string(text))
	for _, container := range set.Spec.Template.Spec.Containers {
		has := false
		for _, one := range container.Env {
			has = has || one == Variable{"TS_DEBUG_MTU", "1280"}
		}
		if has != (container.Name == "tailscale") {
			t.Errorf("%s: %v", container.Name, has)
		}
	}
	if strings.Contains(string(text), "authkey") {
		t.Error("the key is in the pod's own description")
	}
}
