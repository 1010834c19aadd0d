package ingress

import "testing"

func parse(t *testing.T, rules ...Rule) *Table {
	t.Helper()
	table, err := Parse(Configuration{Ingress: rules})
	if err != nil {
		t.Fatal(err)
	}
	return table
}

func TestTheFirstRuleThatMatchesWins(t *testing.T) {
	table := parse(t,
		Rule{Hostname: "app.lab.example", Path: "^/api", Service: "http://api"},
		Rule{Hostname: "app.lab.example", Service: "http://app:8080"},
		Rule{Hostname: "*.lab.example", Service: "https://rest"},
		Rule{Service: "http_status:404"},
	)
	for _, one := range []struct{ host, path, wanted string }{
		{"app.lab.example", "/api/1", "http://api"},
		{"APP.lab.example", "/", "http://app:8080"},
		{"a.b.lab.example", "/", "https://rest"},
		{"lab.example", "/", ""},
	} {
		found := table.Find(one.host, one.path)
		if one.wanted == "" {
			if found.Status != 404 {
				t.Errorf("%s: %+v", one.host, found)
			}
		} else if found.URL == nil || found.URL.String() != one.wanted {
			t.Errorf("%s%s: %+v", one.host, one.path, found)
		}
	}
}

func TestATunnelThatWasToldNothingAnswers503(t *testing.T) {
	if found := parse(t).Find("app.lab.example", "/"); found.Status != 503 {
		t.Errorf("%+v", found)
	}
}

func TestWhatCloudflaredRefusesIsRefused(t *testing.T) {
	all := Rule{Service: "http_status:404"}
	for name, rules := range map[string][]Rule{
		"no rule for the rest": {{Hostname: "a.example", Service: "http://a"}},
		"a rule after all":     {all, all},
		"a star in the middle": {{Hostname: "a.*.example", Service: "http://a"}, all},
		"a path in a service":  {{Hostname: "a.example", Service: "http://a/b"}, all},
		"an unknown scheme":    {{Hostname: "a.example", Service: "ssh://a"}, all},
		"a status of letters":  {{Service: "http_status:none"}},
		"a broken path":        {{Hostname: "a.example", Path: "(", Service: "http://a"}, all},
	} {
		if _, err := Parse(Configuration{Ingress: rules}); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}
