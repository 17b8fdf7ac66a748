package task_test

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

func TestNoNameBringsASecretIntoTheArguments(t *testing.T) {
	want := task.Task{Location: v1alpha2.SnapshotLocation{S3: &v1alpha2.S3Location{Bucket: "b", Key: "$(AWS_SECRET_ACCESS_KEY)/$$(X)"}}}
	text, err := want.Encode()
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(text, "$") {
		t.Errorf("the kubelet would fill in %s", text)
	}
	var got task.Task
	if err := json.Unmarshal([]byte(text), &got); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("an agent reads something else (-want +got):\n%s", diff)
	}
}

func TestAnAgentWithoutAWordWasInterrupted(t *testing.T) {
	for _, message := range []string{"", "panic: something", `{"succeeded":`} {
		if r := task.ParseReport(message); r.Succeeded || r.Reason != task.Interrupted || r.Message == "" {
			t.Errorf("%q is read as %+v", message, r)
		}
	}
}
