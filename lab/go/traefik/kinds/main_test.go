package main

import "testing"

func TestEachDefinitionIsADocumentWithAName(t *testing.T) {
	text := "---\napiVersion: apiextensions.k8s.io/v1\nkind: CustomResourceDefinition\nmetadata:\n  annotations:\n    a: b\n  name: a.traefik.io\nspec: {}\n" +
		"\n---\nkind: CustomResourceDefinition\nmetadata:\n  name: b.traefik.io\n\n---\n"
	found := documents([]byte(text))
	if len(found) != 2 {
		t.Fatalf("%q", found)
	}
	for index, wanted := range []string{"a.traefik.io", "b.traefik.io"} {
		if got := name.FindSubmatch(found[index]); got == nil || string(got[1]) != wanted {
			t.Errorf("%q", found[index])
		}
	}
}
