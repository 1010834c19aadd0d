package snapshot

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"homelab.invalid/lab/k3s/internal/objectstore"
)

func TestARecordIsNamedByWhatItTellsOfAndTheDefinitionIsJSON(t *testing.T) {
	bucket := &objectstore.Config{Endpoint: "10.0.0.1:9000", Bucket: "b", Folder: "k3s/lab", Region: "r", Insecure: true}
	at := time.Unix(1764352800, 0)
	here := record{name: "etcd-snapshot-Node-1764352800", location: "file:///x", node: "node", size: 7, created: at}
	there := here
	there.s3, there.location = bucket, "s3://b/k3s/lab/etcd-snapshot-Node-1764352800"
	if !strings.HasPrefix(here.object(), "local-etcd-snapshot-node-1764352800-") || len(here.object()) != len("local-etcd-snapshot-node-1764352800-")+6 {
		t.Errorf("%s", here.object())
	}
	if !strings.HasPrefix(there.object(), "s3-") || there.object() != (record{name: there.name, location: there.location, node: "node", s3: bucket}).object() {
		t.Errorf("%s", there.object())
	}
	text, err := json.Marshal(there.body())
	if err != nil {
		t.Fatal(err)
	}
	for _, wanted := range []string{`"snapshot-storage-node":"s3"`, `"prefix":"k3s/lab"`, `"insecure":true`, `"size":"7"`, `"readyToUse":true`, `"creationTime":"2025-11-28T18:00:00Z"`} {
		if !strings.Contains(strings.ReplaceAll(string(text), "etcd.k3s.cattle.io/", ""), wanted) {
			t.Errorf("%s is not in %s", wanted, text)
		}
	}
	there.failure = "no such key"
	text, _ = json.Marshal(there.body())
	if !strings.Contains(string(text), `"message":"no such key"`) || !strings.Contains(string(text), `"readyToUse":false`) {
		t.Errorf("%s", text)
	}
	if !json.Valid([]byte(definition)) {
		t.Error("the definition is no JSON")
	}
}
