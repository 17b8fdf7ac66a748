package bed

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

func TestWhatIsConfidentialIsFoundHoweverItIsWritten(t *testing.T) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	text := pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	const password = "correct horse battery"
	var c Confidences
	c.Keep(&corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: "shop", Name: "db"},
		Data: map[string][]byte{
			"tls.key": text, "password": []byte(password), "tls.crt": []byte("a public certificate"), "username": []byte("administrator"),
			"theme": []byte("blue"),
		},
	})
	line := strings.Split(string(text), "\n")[1]
	for name, tc := range map[string]struct {
		text string
		want []string
	}{
		"a password in a sentence":        {`level=info msg="logging in with correct horse battery"`, []string{"password of Secret shop/db"}},
		"a line of a key":                 {"parse " + line + ": no", []string{"tls.key of Secret shop/db"}},
		"a key on one line":               {strings.ReplaceAll(string(text), "\n", ""), []string{"tls.key of Secret shop/db"}},
		"a key as Secrets are written":    {"tls.key: " + base64.StdEncoding.EncodeToString(text), []string{"tls.key of Secret shop/db"}},
		"a password as they are written":  {base64.StdEncoding.EncodeToString([]byte(password)), []string{"password of Secret shop/db"}},
		"what is public":                  {"a public certificate of administrator", nil},
		"what is too short to mean a lot": {"blue", nil},
		"nothing of it":                   {"certificate 1f of CN=root until tomorrow", nil},
	} {
		t.Run(name, func(t *testing.T) {
			if got := c.Betrayed(tc.text); !slices.Equal(got, tc.want) {
				t.Errorf("found %v", got)
			}
		})
	}
}
