package etcd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// notDecided is what etcd tells for the version of a cluster that has not agreed on one yet.
const notDecided = "not_decided"

// ClusterVersion implements Reader. No call of gRPC tells it: it is asked for on the client port over HTTP, where nobody has to log in.
func (c *client) ClusterVersion(ctx context.Context) (string, error) {
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, c.session.target.Endpoint+"/version", http.NoBody)
	if err != nil {
		return "", fmt.Errorf("ask for the version: %w", err)
	}
	transport := &http.Transport{DisableKeepAlives: true, TLSClientConfig: c.session.target.TLS.Clone()}
	if connect := c.session.adapter.Connect; connect != nil {
		transport.DialContext = func(ctx context.Context, _, address string) (net.Conn, error) { return connect(ctx, address) }
	}
	asker := &http.Client{
		Transport:     transport,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}
	answer, err := asker.Do(request)
	if err != nil {
		return "", fmt.Errorf("ask for the version: %w: %w", ErrUnreachable, err)
	}
	defer answer.Body.Close()
	if answer.StatusCode != http.StatusOK {
		return "", fmt.Errorf("ask for the version: %w: %s", ErrNoVersion, answer.Status)
	}
	return clusterVersionIn(io.LimitReader(answer.Body, 4096))
}

func clusterVersionIn(body io.Reader) (string, error) {
	var told struct {
		Cluster *string `json:"etcdcluster"`
	}
	if err := json.NewDecoder(body).Decode(&told); err != nil {
		return "", fmt.Errorf("read the version: %w: %w", ErrNoVersion, err)
	}
	switch {
	case told.Cluster == nil:
		return "", fmt.Errorf("read the version: %w: etcdcluster is missing", ErrNoVersion)
	case *told.Cluster == notDecided:
		return "", nil
	}
	return *told.Cluster, nil
}

// downgradeIn is the target of a downgrade. etcd keeps that of the last one when it is over.
func downgradeIn(info *etcdserverpb.DowngradeInfo) string {
	if !info.GetEnabled() {
		return ""
	}
	return info.GetTargetVersion()
}

// ValidateDowngrade implements Downgrader.
func (c *client) ValidateDowngrade(ctx context.Context, version string) error {
	return c.read(ctx, downgrade(clientv3.DowngradeValidate, version))
}

// EnableDowngrade implements Downgrader.
func (c *client) EnableDowngrade(ctx context.Context, version string) error {
	return c.change(ctx, downgrade(clientv3.DowngradeEnable, version))
}

// CancelDowngrade implements Downgrader.
func (c *client) CancelDowngrade(ctx context.Context) error {
	err := c.change(ctx, downgrade(clientv3.DowngradeCancel, ""))
	if errors.Is(err, ErrNotDowngrading) { // 3.5 says so, others do not
		return nil
	}
	return err
}

func downgrade(action clientv3.DowngradeAction, version string) func(context.Context, *clientv3.Client) error {
	return func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.Downgrade(ctx, action, version)
		return err
	}
}
