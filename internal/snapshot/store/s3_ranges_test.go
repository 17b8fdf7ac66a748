package store

import (
	"bytes"
	"errors"
	"io"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
)

// shelf gives one object, as far as its handler likes. What real stores do is seen with a real one, in package snapshot.
func shelf(t *testing.T, handle http.HandlerFunc) *Bucket {
	t.Helper()
	server := httptest.NewServer(handle)
	t.Cleanup(server.Close)
	t.Setenv("AWS_ACCESS_KEY_ID", "somebody")
	t.Setenv("AWS_SECRET_ACCESS_KEY", "something")
	b, err := Connect(v1alpha2.S3Location{Endpoint: server.URL, Bucket: "bucket", Key: "key", Region: "here"}, nil)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func readAll(t *testing.T, b *Bucket) ([]byte, error) {
	t.Helper()
	from, err := b.Read(t.Context())
	if err != nil {
		return nil, err
	}
	got, err := io.ReadAll(from)
	return got, errors.Join(err, from.Close())
}

func noise(n int) []byte {
	data := make([]byte, n)
	_, _ = rand.NewChaCha8([32]byte{}).Read(data)
	return data
}

func TestAnObjectIsReadWholeAndInItsOrder(t *testing.T) {
	for _, size := range []int{0, 1, rangeBytes - 1, rangeBytes, rangeBytes + 1, (downloads+2)*rangeBytes + 7} {
		data := noise(size)
		for claim, ranged := range map[string]bool{"in ranges": true, "from a store that knows none": false} {
			b := shelf(t, func(w http.ResponseWriter, r *http.Request) {
				w.Header().Set("ETag", `"one"`)
				if !ranged {
					r.Header.Del("Range")
				}
				http.ServeContent(w, r, "", time.Unix(1, 0), bytes.NewReader(data))
			})
			if got, err := readAll(t, b); err != nil || !bytes.Equal(got, data) {
				t.Errorf("%d bytes %s: got %d, equal %t: %v", size, claim, len(got), bytes.Equal(got, data), err)
			}
		}
	}
}

func TestAnObjectThatChangesWhileItIsReadIsNotTakenForWhole(t *testing.T) {
	data, asked := noise(3*rangeBytes), atomic.Int32{}
	b := shelf(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", map[bool]string{true: `"one"`, false: `"other"`}[asked.Add(1) == 1])
		http.ServeContent(w, r, "", time.Unix(1, 0), bytes.NewReader(data))
	})
	if _, err := readAll(t, b); !errors.Is(err, errMeanwhile) {
		t.Errorf("got %v", err)
	}
}

func TestAStoreThatStopsGivingRangesIsNotBelieved(t *testing.T) {
	data, asked := noise(3*rangeBytes), atomic.Int32{}
	b := shelf(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("ETag", `"one"`)
		if asked.Add(1) > 1 {
			r.Header.Del("Range")
		}
		http.ServeContent(w, r, "", time.Unix(1, 0), bytes.NewReader(data))
	})
	if _, err := readAll(t, b); !errors.Is(err, errNoRange) {
		t.Errorf("got %v", err)
	}
}

func TestWhoHasReadEnoughLeavesNothingUnderWay(t *testing.T) {
	data, open := noise((downloads+2)*rangeBytes), atomic.Int32{}
	b := shelf(t, func(w http.ResponseWriter, r *http.Request) {
		open.Add(1)
		defer open.Add(-1)
		w.Header().Set("ETag", `"one"`)
		http.ServeContent(w, r, "", time.Unix(1, 0), bytes.NewReader(data))
	})
	from, err := b.Read(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if n, err := from.Read(make([]byte, 10)); n == 0 || err != nil {
		t.Fatal(n, err)
	}
	if err := from.Close(); err != nil {
		t.Fatal(err)
	}
	for range 1000 {
		if open.Load() == 0 {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	t.Errorf("%d requests are under way", open.Load())
}
