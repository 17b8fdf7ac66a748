package controlplane

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"time"

	"github.com/cozystack/etcd-operator/test/testbed/internal/layout"
	"github.com/cozystack/etcd-operator/test/testbed/internal/network"
)

// Client asks the API server the few things the launcher wants to know.
type Client struct {
	http *http.Client
}

// NodeState is what a node says about itself.
type NodeState struct {
	Name      string
	Ready     bool
	Heartbeat time.Time
	Version   string
	Images    []string
}

// NewClient returns a client with the administrator's certificate.
func NewClient(l layout.Layout) (*Client, error) {
	cert, err := tls.LoadX509KeyPair(l.PKI("admin.crt"), l.PKI("admin.key"))
	if err != nil {
		return nil, fmt.Errorf("load the administrator's certificate: %w", err)
	}
	ca, err := os.ReadFile(l.PKI("ca.crt"))
	if err != nil {
		return nil, fmt.Errorf("load the authority: %w", err)
	}
	pool := x509.NewCertPool()
	if !pool.AppendCertsFromPEM(ca) {
		return nil, errors.New("load the authority: it has no certificate")
	}
	config := &tls.Config{Certificates: []tls.Certificate{cert}, RootCAs: pool, MinVersion: tls.VersionTLS12}
	transport := &http.Transport{TLSClientConfig: config}
	return &Client{http: &http.Client{Transport: transport, Timeout: 5 * time.Second}}, nil
}

func (c *Client) do(ctx context.Context, method, path string) ([]byte, error) {
	req, err := http.NewRequestWithContext(ctx, method, network.APIServer+path, nil)
	if err != nil {
		return nil, fmt.Errorf("make request: %w", err)
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, fmt.Errorf("ask the API server: %w", err)
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, fmt.Errorf("read the API server's answer: %w", err)
	}
	if resp.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("ask the API server to %s %s: it says %s", method, path, resp.Status)
	}
	return body, nil
}

// Delete deletes the object at a path.
func (c *Client) Delete(ctx context.Context, path string) error {
	_, err := c.do(ctx, http.MethodDelete, path)
	return err
}

// Ready returns nil once the API server is ready.
func (c *Client) Ready(ctx context.Context) error {
	_, err := c.do(ctx, http.MethodGet, "/readyz")
	return err
}

// Exists says whether there is an object at a path.
func (c *Client) Exists(ctx context.Context, path string) bool {
	_, err := c.do(ctx, http.MethodGet, path)
	return err == nil
}

// Nodes returns the state of all registered nodes.
func (c *Client) Nodes(ctx context.Context) (map[string]NodeState, error) {
	raw, err := c.do(ctx, http.MethodGet, "/api/v1/nodes")
	if err != nil {
		return nil, err
	}
	return parseNodes(raw)
}

func parseNodes(raw []byte) (map[string]NodeState, error) {
	var list struct {
		Items []struct {
			Metadata struct{ Name string }
			Status   struct {
				NodeInfo   struct{ KubeletVersion string }
				Conditions []struct {
					Type, Status      string
					LastHeartbeatTime time.Time
				}
				Images []struct{ Names []string }
			}
		}
	}
	if err := json.Unmarshal(raw, &list); err != nil {
		return nil, fmt.Errorf("decode nodes: %w", err)
	}
	nodes := map[string]NodeState{}
	for _, item := range list.Items {
		n := NodeState{Name: item.Metadata.Name, Version: item.Status.NodeInfo.KubeletVersion}
		for _, c := range item.Status.Conditions {
			if c.Type == "Ready" {
				n.Ready, n.Heartbeat = c.Status == "True", c.LastHeartbeatTime
			}
		}
		for _, i := range item.Status.Images {
			n.Images = append(n.Images, i.Names...)
		}
		nodes[n.Name] = n
	}
	return nodes, nil
}
