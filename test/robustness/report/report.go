// Package report keeps what became of the faults of the robustness tests, and writes docs/reference/robustness.md from it.
package report

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
)

// Result is what became of one fault.
type Result struct {
	Seed       uint64 `json:"seed"`
	Fault      string `json:"fault"`
	World      string `json:"world"`
	At         string `json:"at,omitempty"`
	RecoveryMS int64  `json:"recoveryMS"`           // from the end of the cause until the cluster was whole
	GapMS      int64  `json:"gapMS"`                // the longest time without an acknowledged write
	Crash      string `json:"crash,omitempty"`      // where an operator died
	Linear     string `json:"linear,omitempty"`     // porcupine's verdict
	Operations int    `json:"operations,omitempty"` // on registers, that it was about
	Acked      int    `json:"acked,omitempty"`      // journalled writes since the fault before
	Error      string `json:"error,omitempty"`
}

// Sitting is one run of the tests.
type Sitting struct {
	Tier    string            `json:"tier,omitempty"` // OnTestbed, or processes
	Began   string            `json:"began"`
	Seconds int               `json:"seconds"`
	Commit  string            `json:"commit,omitempty"` // of this repository: what a seed stands for may change with it
	Worlds  int               `json:"worlds"`           // side by side
	Seed    uint64            `json:"seed"`
	Count   int               `json:"count"`
	Load    string            `json:"load,omitempty"`  // of the machine, at the end
	Kinds   map[string]string `json:"kinds,omitempty"` // what the faults do

	Results []Result `json:"-"`
}

// OnTestbed is the tier of real kubelets; that of processes has no name.
const OnTestbed = "testbed"

// Catch is a seeded bug and what caught it.
type Catch struct {
	Bug     string `json:"bug"`
	Breaks  string `json:"breaks"`
	By      string `json:"by"`
	Said    string `json:"said"`
	Command string `json:"command"`
	Seconds int    `json:"seconds"`
}

// Commit is what is checked out now, empty if nobody knows.
func Commit() string {
	head, err := exec.Command("git", "rev-parse", "--short", "HEAD").Output()
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(head))
}

// Save adds a sitting to a folder: a line about the sitting, with the load of the machine, and one for each fault.
func Save(folder, name string, s Sitting) error {
	if load, err := os.ReadFile("/proc/loadavg"); err == nil {
		s.Load = strings.Join(strings.Fields(string(load))[:3], " ")
	}
	if err := os.MkdirAll(folder, 0o755); err != nil {
		return fmt.Errorf("keep results: %w", err)
	}
	f, err := os.Create(filepath.Join(folder, name+".jsonl"))
	if err != nil {
		return fmt.Errorf("keep results: %w", err)
	}
	e := json.NewEncoder(f)
	err = e.Encode(s)
	for _, r := range s.Results {
		err = errors.Join(err, e.Encode(r))
	}
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("keep results: %w", err)
	}
	return nil
}

// Load reads all sittings of a folder, in the order of their names.
func Load(folder string) ([]Sitting, error) {
	names, err := filepath.Glob(filepath.Join(folder, "*.jsonl"))
	if err != nil {
		return nil, fmt.Errorf("find results: %w", err)
	}
	slices.Sort(names)
	sittings := make([]Sitting, len(names))
	for i, name := range names {
		if err := load(name, &sittings[i]); err != nil {
			return nil, fmt.Errorf("read %s: %w", name, err)
		}
	}
	return sittings, nil
}

func load(name string, s *Sitting) error {
	f, err := os.Open(name)
	if err != nil {
		return err
	}
	defer func() { _ = f.Close() }()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for first := true; lines.Scan(); first = false {
		if first {
			if err := json.Unmarshal(lines.Bytes(), s); err != nil {
				return err
			}
			continue
		}
		var r Result
		if err := json.Unmarshal(lines.Bytes(), &r); err != nil {
			return err
		}
		s.Results = append(s.Results, r)
	}
	return lines.Err()
}

// LoadCatches reads what the suite of seeded bugs wrote; a file that is not there holds none.
func LoadCatches(name string) ([]Catch, error) {
	text, err := os.ReadFile(name)
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("read catches: %w", err)
	}
	var catches []Catch
	if err := json.Unmarshal(text, &catches); err != nil {
		return nil, fmt.Errorf("read catches: %w", err)
	}
	return catches, nil
}
