package store

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	_ "golang.org/x/crypto/x509roots/fallback" // the operator's image has no CAs of its own

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

const (
	connectTimeout = 10 * time.Second
	// stallTimeout is how long a connection may take nothing and give nothing.
	stallTimeout = 60 * time.Second
	// answerTimeout is how long a store may think after it was told all. It puts parts together meanwhile.
	answerTimeout = 2 * time.Minute
	// attempts of a request, with up to a second between them.
	attempts = 5
	// identityTimeout bounds the question for the credentials of the workload, where nobody may listen.
	identityTimeout = 5 * time.Second
)

// ErrBadLocation: the location itself makes no sense.
var ErrBadLocation = errors.New("the location cannot be used")

// Connect prepares a place in an S3-compatible store. Nothing is sent yet. The CAs are PEM; none means those of the system.
func Connect(l v1alpha2.S3Location, cas []byte) (*Bucket, error) {
	u, err := url.Parse(l.Endpoint)
	if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" || l.Key == "" || l.Bucket == "" {
		return nil, fmt.Errorf("%w: endpoint %q, bucket %q, key %q", ErrBadLocation, l.Endpoint, l.Bucket, l.Key)
	}
	transport, err := transport(cas)
	if err != nil {
		return nil, err
	}
	core, err := minio.NewCore(u.Host, &minio.Options{
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			&credentials.EnvAWS{}, &credentials.IAM{Client: &http.Client{Transport: transport, Timeout: identityTimeout}, Region: l.Region},
		}),
		Secure: u.Scheme == "https", Transport: transport, Region: l.Region, BucketLookup: lookup(l, u), MaxRetries: attempts,
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %w", ErrBadLocation, err)
	}
	return &Bucket{core: core, bucket: l.Bucket, key: l.Key}, nil
}

// lookup says where the bucket's name goes. It cannot go before an IP address.
func lookup(l v1alpha2.S3Location, u *url.URL) minio.BucketLookupType {
	if l.ForcePathStyle || net.ParseIP(u.Hostname()) != nil {
		return minio.BucketLookupPath
	}
	return minio.BucketLookupDNS
}

func transport(cas []byte) (http.RoundTripper, error) {
	dialer := &net.Dialer{Timeout: connectTimeout}
	t := &http.Transport{
		Proxy: http.ProxyFromEnvironment,
		DialContext: func(ctx context.Context, network, address string) (net.Conn, error) {
			conn, err := dialer.DialContext(ctx, network, address)
			if err != nil {
				return nil, err
			}
			return &watched{conn}, nil
		},
		MaxIdleConnsPerHost: max(uploads, downloads), IdleConnTimeout: stallTimeout, TLSHandshakeTimeout: connectTimeout,
		ResponseHeaderTimeout: answerTimeout, DisableCompression: true,
		TLSClientConfig: &tls.Config{MinVersion: tls.VersionTLS12},
		WriteBufferSize: 64 << 10, ReadBufferSize: 64 << 10,
	}
	if len(cas) > 0 {
		t.TLSClientConfig.RootCAs = x509.NewCertPool()
		if !t.TLSClientConfig.RootCAs.AppendCertsFromPEM(cas) {
			return nil, fmt.Errorf("%w: ca.crt of the store holds no certificate", ErrBadLocation)
		}
	}
	return t, nil
}

// watched is a connection that breaks when it stalls. While an answer is thought about it may be silent for longer.
type watched struct{ net.Conn }

func (w *watched) Write(p []byte) (int, error) {
	if err := errors.Join(w.SetWriteDeadline(deadline(stallTimeout)), w.SetReadDeadline(deadline(answerTimeout))); err != nil {
		return 0, err
	}
	return w.Conn.Write(p)
}

func (w *watched) Read(p []byte) (int, error) {
	if err := w.SetReadDeadline(deadline(answerTimeout)); err != nil {
		return 0, err
	}
	return w.Conn.Read(p)
}

func deadline(d time.Duration) time.Time {
	return time.Now().Add(d) //nolint:forbidigo // the network's own clock
}
