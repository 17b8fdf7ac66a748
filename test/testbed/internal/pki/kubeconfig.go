package pki

import (
	"encoding/base64"
	"fmt"
	"os"
	"path/filepath"
)

const kubeconfigTemplate = `apiVersion: v1
kind: Config
clusters:
- name: testbed
  cluster:
    server: %s
    certificate-authority-data: %s
users:
- name: %[3]s
  user:
    client-certificate-data: %[4]s
    client-key-data: %[5]s
contexts:
- name: testbed
  context: {cluster: testbed, user: %[3]s}
current-context: testbed
`

// Kubeconfig issues the client certificate of a request and writes a kubeconfig with it.
func (a *Authority) Kubeconfig(r Request, server, file string) error {
	if err := a.Issue(r); err != nil {
		return err
	}
	var data [3]string
	for i, f := range []string{"ca.crt", r.Name + ".crt", r.Name + ".key"} {
		raw, err := os.ReadFile(filepath.Join(a.dir, f))
		if err != nil {
			return fmt.Errorf("read for kubeconfig: %w", err)
		}
		data[i] = base64.StdEncoding.EncodeToString(raw)
	}
	content := fmt.Sprintf(kubeconfigTemplate, server, data[0], r.Name, data[1], data[2])
	if old, err := os.ReadFile(file); err == nil && string(old) == content {
		return nil
	}
	if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
		return fmt.Errorf("write kubeconfig: %w", err)
	}
	return nil
}
