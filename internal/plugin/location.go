package plugin

import (
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"
	corev1 "k8s.io/api/core/v1"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// place is a location as flags say it.
type place struct {
	endpoint, region, credentials, ca, serviceAccount string
	pathStyle                                         bool
	pathStyleSet                                      func() bool
}

func (p *place) addFlags(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.StringVar(&p.endpoint, "endpoint", "",
		"URL of the S3 store, for example https://s3.example.com:9000 (default: Amazon's of --region)")
	flags.StringVar(&p.region, "region", "", "Region of the bucket (default: asked of the store)")
	flags.StringVar(&p.credentials, "credentials", "",
		"Secret with AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (default: the identity of the workload)")
	flags.StringVar(&p.ca, "ca", "", "Secret whose ca.crt is to be trusted instead of the system's CAs")
	flags.StringVar(&p.serviceAccount, "service-account", "", "ServiceAccount whose identity in the cloud is used")
	flags.BoolVar(&p.pathStyle, "path-style", false,
		"Put the bucket into the path instead of the host name (default: unless the store is Amazon's)")
	p.pathStyleSet = func() bool { return flags.Changed("path-style") }
}

// isLocation tells a URI from the name of an object.
func isLocation(text string) bool { return strings.Contains(text, "://") }

// parse reads s3://bucket/key and pvc://claim/path.
func (p *place) parse(uri string) (v1alpha2.SnapshotLocation, error) {
	scheme, rest, _ := strings.Cut(uri, "://")
	first, below, _ := strings.Cut(rest, "/")
	if first == "" {
		return v1alpha2.SnapshotLocation{}, fmt.Errorf("%q is no place: use s3://bucket/prefix or pvc://claim/directory", uri)
	}
	switch scheme {
	case "pvc":
		if p.endpoint+p.region+p.credentials+p.ca+p.serviceAccount != "" {
			return v1alpha2.SnapshotLocation{}, errors.New("--endpoint, --region, --credentials, --ca and --service-account are for s3://")
		}
		return v1alpha2.SnapshotLocation{PVC: &v1alpha2.PVCLocation{ClaimName: first, SubPath: below}}, nil
	case "s3":
		return p.s3(first, below)
	}
	return v1alpha2.SnapshotLocation{}, fmt.Errorf("%q is no place: use s3://bucket/prefix or pvc://claim/directory", uri)
}

func (p *place) s3(bucket, key string) (v1alpha2.SnapshotLocation, error) {
	at := &v1alpha2.S3Location{Bucket: bucket, Key: key, Endpoint: p.endpoint, Region: p.region, ServiceAccountName: p.serviceAccount}
	switch {
	case at.Endpoint == "" && p.region == "":
		return v1alpha2.SnapshotLocation{}, errors.New("say which store: --endpoint https://..., or --region of Amazon's")
	case at.Endpoint == "":
		at.Endpoint = "https://s3." + p.region + ".amazonaws.com"
	}
	at.ForcePathStyle = !strings.Contains(at.Endpoint, ".amazonaws.com")
	if p.pathStyleSet() {
		at.ForcePathStyle = p.pathStyle
	}
	if p.credentials != "" {
		at.CredentialsSecretRef = &corev1.LocalObjectReference{Name: p.credentials}
	}
	if p.ca != "" {
		at.CASecretRef = &corev1.LocalObjectReference{Name: p.ca}
	}
	return v1alpha2.SnapshotLocation{S3: at}, nil
}
