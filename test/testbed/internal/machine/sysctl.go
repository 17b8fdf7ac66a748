package machine

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

// kubeletSysctls are what a kubelet sets for the whole machine.
var kubeletSysctls = []string{
	"vm/overcommit_memory", "vm/panic_on_oom", "kernel/panic", "kernel/panic_on_oops",
	"kernel/keys/root_maxkeys", "kernel/keys/root_maxbytes",
}

func (s State) sysctlFile() string { return filepath.Join(s.Dir, "sysctl.json") }

// SaveSysctls remembers the machine's settings unless they are remembered already.
func (s State) SaveSysctls() error {
	if _, err := os.Stat(s.sysctlFile()); err == nil {
		return nil
	}
	saved := map[string]string{}
	for _, name := range kubeletSysctls {
		if raw, err := os.ReadFile(filepath.Join("/proc/sys", name)); err == nil {
			saved[name] = strings.TrimSpace(string(raw))
		}
	}
	raw, err := json.Marshal(saved)
	if err != nil {
		return fmt.Errorf("encode sysctls: %w", err)
	}
	if err := os.MkdirAll(s.Dir, 0o755); err != nil {
		return fmt.Errorf("create machine state: %w", err)
	}
	if err := os.WriteFile(s.sysctlFile(), raw, 0o644); err != nil {
		return fmt.Errorf("save sysctls: %w", err)
	}
	return nil
}

// RestoreSysctls puts the remembered settings back.
func (s State) RestoreSysctls() error {
	raw, err := os.ReadFile(s.sysctlFile())
	if errors.Is(err, os.ErrNotExist) {
		return nil
	}
	if err != nil {
		return fmt.Errorf("read saved sysctls: %w", err)
	}
	saved := map[string]string{}
	if err := json.Unmarshal(raw, &saved); err != nil {
		return fmt.Errorf("decode saved sysctls: %w", err)
	}
	for name, value := range saved {
		// Not every machine lets root set all of them; the kubelet could not change those either.
		_ = os.WriteFile(filepath.Join("/proc/sys", name), []byte(value), 0o644)
	}
	if err := os.Remove(s.sysctlFile()); err != nil {
		return fmt.Errorf("forget saved sysctls: %w", err)
	}
	return nil
}
