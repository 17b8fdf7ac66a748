package controlplane

import (
	"crypto/rand"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
)

// The S3 server is two processes over the same buckets, as one serves either HTTP or HTTPS.
const (
	s3Plain   = "s3"
	s3TLS     = "s3-tls"
	s3Address = network.HostIP + ":9000"
	s3TLSAddr = network.HostIP + ":9443"
	s3Region  = "us-east-1"
)

// S3URL and S3TLSURL are where Pods and this machine reach the S3 server.
const (
	S3URL    = "http://" + s3Address
	S3TLSURL = "https://" + s3TLSAddr
)

// The names in the file of credentials are those that clients of S3 know; the last one is the testbed's own.
const s3Credentials = `AWS_ACCESS_KEY_ID=testbed
AWS_SECRET_ACCESS_KEY=%s
AWS_REGION=` + s3Region + `
AWS_ENDPOINT_URL=` + S3URL + `
AWS_CA_BUNDLE=%s
TESTBED_S3_TLS_URL=` + S3TLSURL + `
`

func s3Args(l layout.Layout) []string {
	return []string{"--port", s3Address, "--region", s3Region, "posix", l.Buckets()}
}

func s3TLSArgs(l layout.Layout) []string {
	return []string{
		"--port", s3TLSAddr, "--cert", l.PKI("s3.crt"), "--key", l.PKI("s3.key"), "--region", s3Region, "posix", l.Buckets(),
	}
}

// s3Env makes the folder of the buckets, and credentials unless there are some, and hands the credentials over where
// the list of processes does not show them.
func s3Env(l layout.Layout) ([]string, error) {
	if err := os.MkdirAll(l.Buckets(), 0o755); err != nil {
		return nil, fmt.Errorf("create folder of buckets: %w", err)
	}
	raw, err := os.ReadFile(l.S3Credentials())
	if errors.Is(err, os.ErrNotExist) {
		raw = fmt.Appendf(nil, s3Credentials, rand.Text(), l.PKI("ca.crt"))
		err = os.WriteFile(l.S3Credentials(), raw, 0o600)
	}
	if err != nil {
		return nil, fmt.Errorf("keep the credentials of the S3 server: %w", err)
	}
	var env []string
	for line := range strings.Lines(string(raw)) {
		name, value, _ := strings.Cut(strings.TrimSpace(line), "=")
		switch name {
		case "AWS_ACCESS_KEY_ID":
			env = append(env, "ROOT_ACCESS_KEY_ID="+value)
		case "AWS_SECRET_ACCESS_KEY":
			env = append(env, "ROOT_SECRET_ACCESS_KEY="+value)
		}
	}
	if len(env) != 2 {
		return nil, fmt.Errorf("read the credentials of the S3 server from %s: it has none", filepath.Base(l.S3Credentials()))
	}
	return env, nil
}
