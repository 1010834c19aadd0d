// Drives an API like Tailscale's with Tailscale's own client, and prints what it found as one JSON object.
//
// The secret of the OAuth client is in TS_CLIENT_SECRET. `failed` in the report names the first call that
// went wrong; nothing after it was asked.
package main

import (
	"context"
	"encoding/json"
	"flag"
	"fmt"
	"net/url"
	"os"
	"time"

	tailscale "tailscale.com/client/tailscale/v2"
)

type report struct {
	Failed       string              `json:"failed,omitempty"`
	Devices      []tailscale.Device  `json:"devices"`
	Key          *tailscale.Key      `json:"key"`
	KeyAgain     *tailscale.Key      `json:"keyAgain"`
	KeyDeleted   *tailscale.Key      `json:"keyDeleted"`
	Moved        *tailscale.Device   `json:"moved"`
	DeletedAgain string              `json:"deletedAgain"`
	TagOwners    map[string][]string `json:"tagOwners"`
}

func main() {
	endpoint := flag.String("endpoint", "", "the API's address, without /api/v2")
	client := flag.String("client", "", "the OAuth client's id")
	tag := flag.String("tag", "", "the tag of the key that is made")
	device := flag.String("device", "", "the device that is moved and then deleted")
	address := flag.String("address", "", "the IPv4 address that it is given")
	flag.Parse()

	base, err := url.Parse(*endpoint)
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(64)
	}
	api := &tailscale.Client{
		BaseURL: base,
		Auth:    &tailscale.OAuth{ClientID: *client, ClientSecret: os.Getenv("TS_CLIENT_SECRET")},
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	var found report
	if err := drive(ctx, api, &found, *tag, *device, *address); err != nil {
		found.Failed = err.Error()
	}
	if err := json.NewEncoder(os.Stdout).Encode(found); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func drive(ctx context.Context, api *tailscale.Client, found *report, tag, device, address string) (err error) {
	if found.Devices, err = api.Devices().List(ctx, tailscale.WithFields(tailscale.IncludeFieldsAll)); err != nil {
		return fmt.Errorf("devices: %w", err)
	}
	wanted := tailscale.CreateKeyRequest{ExpirySeconds: 600, Description: "official client"}
	wanted.Capabilities.Devices.Create.Preauthorized = true
	wanted.Capabilities.Devices.Create.Tags = []string{tag}
	if found.Key, err = api.Keys().CreateAuthKey(ctx, wanted); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	if found.KeyAgain, err = api.Keys().Get(ctx, found.Key.ID); err != nil {
		return fmt.Errorf("look at the key: %w", err)
	}
	if err = api.Keys().Delete(ctx, found.Key.ID); err != nil {
		return fmt.Errorf("delete the key: %w", err)
	}
	if found.KeyDeleted, err = api.Keys().Get(ctx, found.Key.ID); err != nil {
		return fmt.Errorf("look at the deleted key: %w", err)
	}
	if err = api.Devices().SetIPv4Address(ctx, device, address); err != nil {
		return fmt.Errorf("move the device: %w", err)
	}
	if found.Moved, err = api.Devices().Get(ctx, device); err != nil {
		return fmt.Errorf("look at the device: %w", err)
	}
	if err = api.Devices().Delete(ctx, device); err != nil {
		return fmt.Errorf("delete the device: %w", err)
	}
	// That it is gone is an answer, and the one that is wanted.
	again := api.Devices().Delete(ctx, device)
	if !tailscale.IsNotFound(again) {
		return fmt.Errorf("delete the device again: %v", again)
	}
	found.DeletedAgain = again.Error()
	policy, err := api.PolicyFile().Get(ctx)
	if err != nil {
		return fmt.Errorf("policy: %w", err)
	}
	found.TagOwners = policy.TagOwners
	return nil
}
