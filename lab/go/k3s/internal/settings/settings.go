// Package settings reads what k3s is told: config.yaml, config.yaml.d, the command line, the environment.
//
// The rules are k3s's own: files become flags in front of the command line's; a later file's key replaces
// an earlier one's unless it ends in `+`; of a flag with one value the last one counts, so the command
// line wins. A server skips a key that it doesn't know, with a warning; an agent refuses it.
package settings

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"

	"homelab.invalid/lab/k3s/internal/place"
)

// Settings of one command.
type Settings struct {
	values map[string][]string
	// Positional arguments, in order.
	Rest []string
	// Warnings for the journal.
	Warnings []string
	// Given is the command line as k3s keeps it in a node's annotation: files and arguments, in order.
	Given []string
}

// Read parses the arguments after the command's name, together with the configuration files.
func Read(command string, arguments []string) (*Settings, error) {
	known := map[string]Flag{}
	for _, flag := range flagsOf(command) {
		known[flag.Name] = flag
		if flag.Short != "" {
			known[flag.Short] = flag
		}
		if flag.Also != "" {
			known[flag.Also] = flag
		}
	}
	read := &Settings{values: map[string][]string{}}
	filed, err := fromFiles(configFile(arguments))
	if err != nil {
		return nil, err
	}
	// Only a server (and a snapshot of one) shares its file with other commands.
	if command != "agent" {
		filed = read.strip(filed, known)
	}
	read.Given = append(filed, arguments...)
	if err := read.parse(read.Given, known); err != nil {
		return nil, err
	}
	for _, flag := range flagsOf(command) {
		value := os.Getenv(flag.Environment)
		if flag.Environment != "" && value != "" && len(read.values[flag.Name]) == 0 {
			read.values[flag.Name] = []string{value}
		}
		if flag.Idle && len(read.values[flag.Name]) > 0 {
			read.warn("The stand-in accepts --%s and does nothing with it", flag.Name)
		}
	}
	return read, nil
}

func (s *Settings) warn(format string, values ...any) {
	s.Warnings = append(s.Warnings, fmt.Sprintf(format, values...))
}

func (s *Settings) strip(arguments []string, known map[string]Flag) []string {
	var kept []string
	for _, argument := range arguments {
		name, _, _ := strings.Cut(strings.TrimLeft(argument, "-"), "=")
		if _, found := known[name]; found {
			kept = append(kept, argument)
		} else {
			option, _, _ := strings.Cut(argument, "=")
			s.warn("Unknown flag %s found in config.yaml, skipping", option)
		}
	}
	return kept
}

func (s *Settings) parse(arguments []string, known map[string]Flag) error {
	for index := 0; index < len(arguments); index++ {
		argument := arguments[index]
		if !strings.HasPrefix(argument, "-") || argument == "-" {
			s.Rest = append(s.Rest, argument)
			continue
		}
		name, value, given := strings.Cut(strings.TrimLeft(argument, "-"), "=")
		flag, found := known[name]
		if !found {
			return fmt.Errorf("flag provided but not defined: -%s", name)
		}
		if !given && flag.Kind == Switch {
			value, given = "true", true
		}
		if !given {
			index++
			if index == len(arguments) {
				return fmt.Errorf("flag needs an argument: -%s", name)
			}
			value = arguments[index]
		}
		if flag.Kind == Switch && value != "true" && value != "false" {
			return fmt.Errorf("invalid boolean value %q for -%s", value, name)
		}
		if flag.Kind == List {
			s.values[flag.Name] = append(s.values[flag.Name], value)
		} else {
			s.values[flag.Name] = []string{value}
		}
	}
	return nil
}

// Text gives the value of a flag, or the fallback.
func (s *Settings) Text(name, fallback string) string {
	if values := s.values[name]; len(values) > 0 && values[len(values)-1] != "" {
		return values[len(values)-1]
	}
	return fallback
}

// On tells whether a switch is set.
func (s *Settings) On(name string) bool { return s.Text(name, "false") == "true" }

// List gives the values of a flag; each may hold several, separated by commas.
func (s *Settings) List(name string) []string {
	var all []string
	for _, value := range s.values[name] {
		for part := range strings.SplitSeq(value, ",") {
			if part = strings.TrimSpace(part); part != "" {
				all = append(all, part)
			}
		}
	}
	return all
}

// Arguments gives the values of a flag whose values may hold commas of their own.
func (s *Settings) Arguments(name string) []string { return s.values[name] }

// Secret gives a value that may stand in a file instead: name, or name + "-file".
func (s *Settings) Secret(name string) (string, error) {
	if value := s.Text(name, ""); value != "" {
		return value, nil
	}
	path := s.Text(name+"-file", "")
	if path == "" {
		return "", nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return "", fmt.Errorf("--%s-file: %w", name, err)
	}
	return strings.TrimSpace(string(text)), nil
}

func configFile(arguments []string) string {
	if path := os.Getenv("K3S_CONFIG_FILE"); path != "" {
		return path
	}
	for index, argument := range arguments {
		name, value, given := strings.Cut(argument, "=")
		if name != "--config" && name != "-c" {
			continue
		}
		if given {
			return value
		}
		if index+1 < len(arguments) {
			return arguments[index+1]
		}
	}
	return place.ConfigFile
}

// The files' keys as flags, in the order in which a key was first seen.
func fromFiles(first string) ([]string, error) {
	files, err := filesOf(first)
	if err != nil {
		return nil, err
	}
	var order []string
	values := map[string][]string{}
	seen := map[string]bool{}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var document yaml.Node
		if err := yaml.Unmarshal(text, &document); err != nil {
			return nil, fmt.Errorf("%s: %w", file, err)
		}
		if len(document.Content) == 0 {
			continue
		}
		mapping := document.Content[0]
		if mapping.Kind != yaml.MappingNode {
			return nil, fmt.Errorf("%s: wanted keys and values", file)
		}
		for index := 0; index < len(mapping.Content); index += 2 {
			key, appends := strings.CutSuffix(mapping.Content[index].Value, "+")
			if !seen[key] {
				seen[key] = true
				order = append(order, key)
			}
			found, err := scalars(mapping.Content[index+1])
			if err != nil {
				return nil, fmt.Errorf("%s: %s: %w", file, key, err)
			}
			if appends {
				values[key] = append(values[key], found...)
			} else {
				values[key] = found
			}
		}
	}
	var flags []string
	for _, key := range order {
		dashes := "--"
		if len(key) == 1 {
			dashes = "-"
		}
		for _, value := range values[key] {
			flags = append(flags, dashes+key+"="+value)
		}
	}
	return flags, nil
}

func filesOf(first string) ([]string, error) {
	var files []string
	if _, err := os.Stat(first); err == nil {
		files = append(files, first)
	} else if !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	entries, err := os.ReadDir(first + ".d")
	if err != nil && !errors.Is(err, os.ErrNotExist) {
		return nil, err
	}
	for _, entry := range entries {
		ending := strings.ToLower(filepath.Ext(entry.Name()))
		if !entry.IsDir() && (ending == ".yaml" || ending == ".yml") {
			files = append(files, filepath.Join(first+".d", entry.Name()))
		}
	}
	return files, nil
}

func scalars(value *yaml.Node) ([]string, error) {
	switch value.Kind {
	case yaml.ScalarNode:
		return []string{value.Value}, nil
	case yaml.SequenceNode:
		var all []string
		for _, item := range value.Content {
			if item.Kind != yaml.ScalarNode {
				return nil, errors.New("wanted a list of plain values")
			}
			all = append(all, item.Value)
		}
		return all, nil
	case yaml.AliasNode:
		return scalars(value.Alias)
	}
	return nil, errors.New("wanted a plain value or a list of them")
}
