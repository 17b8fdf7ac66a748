package snapshot

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"strconv"
	"time"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

const (
	progressPatience = time.Second
	mostProgress     = 4096 // bytes of an answer
)

// AskAgent asks the agent at an IP address how far it is.
func AskAgent(ctx context.Context, ip string) (*v1alpha2.SnapshotProgress, error) {
	ctx, cancel := context.WithTimeout(ctx, progressPatience)
	defer cancel()
	url := "http://" + net.JoinHostPort(ip, strconv.Itoa(task.ProgressPort)) + "/progress"
	request, err := http.NewRequestWithContext(ctx, http.MethodGet, url, http.NoBody)
	if err != nil {
		return nil, fmt.Errorf("ask for progress: %w", err)
	}
	response, err := agents.Do(request)
	if err != nil {
		return nil, fmt.Errorf("ask for progress: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	progress := &v1alpha2.SnapshotProgress{}
	if err := json.NewDecoder(io.LimitReader(response.Body, mostProgress)).Decode(progress); err != nil {
		return nil, fmt.Errorf("read progress: %w", err)
	}
	return progress, nil
}

// agents come and go: no connection to one is kept, and none may send the operator elsewhere.
var agents = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
}
