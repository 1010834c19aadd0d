package backup

import "testing"

func TestTargetsAreReadAsLonghornReadsThem(t *testing.T) {
	for text, want := range map[string]Target{
		"s3://homelab@us-east-1/longhorn/lab/": {"homelab", "us-east-1", "longhorn/lab"},
		"s3://homelab@us-east-1/":              {"homelab", "us-east-1", ""},
		"s3://homelab/backups":                 {"homelab", "", "backups"},
	} {
		if got, err := ParseTarget(text); err != nil || got != want {
			t.Errorf("%s: %+v, %v", text, got, err)
		}
	}
	for _, text := range []string{"nfs://server/share", "s3://homelab@us-east-1", "s3:///x/"} {
		if got, err := ParseTarget(text); err == nil {
			t.Errorf("%s: %+v", text, got)
		}
	}
}

func TestABackupsAddressLeadsBackToIt(t *testing.T) {
	target := Target{"homelab", "us-east-1", "longhorn/lab"}
	text := target.URL("pvc-1", "backup-1")
	if text != "s3://homelab@us-east-1/longhorn/lab/?backup=backup-1&volume=pvc-1" {
		t.Fatal(text)
	}
	got, volume, backup, err := ParseURL(text)
	if err != nil || got != target || volume != "pvc-1" || backup != "backup-1" {
		t.Fatalf("%+v %s %s %v", got, volume, backup, err)
	}
	for _, text := range []string{target.String(), target.URL("../x", "b"), target.URL("", "b")} {
		if _, _, _, err := ParseURL(text); err == nil {
			t.Error(text)
		}
	}
}

func TestFilesLieWhereLonghornWouldLookForThem(t *testing.T) {
	// SHA-512 of `pvc-1` begins with these digits: `printf pvc-1 | sha512sum`.
	want := "longhorn/lab/backupstore/volumes/7e/ed/pvc-1/backups/backup_backup-1.cfg"
	if got := (Target{"b", "r", "longhorn/lab"}).config("pvc-1", "backup-1"); got != want {
		t.Fatal(got)
	}
}
