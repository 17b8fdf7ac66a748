package snapshot

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
	"github.com/cozystack/etcd-operator/internal/snapshot/task"
)

const (
	defaultDeadline = time.Hour // as in the CRD
	// beginWithin is how long a Pod may take to begin before it is asked whether what it waits for is still what it should be given.
	beginWithin = 30 * time.Second
)

// scene is all that is known of an EtcdSnapshot in one pass.
type scene struct {
	snapshot *v1alpha2.EtcdSnapshot
	known    plan.Snapshot
	jobs     map[string]*batchv1.Job

	around   surroundings
	address  string // of the agent that saves, empty if none is at work
	progress *v1alpha2.SnapshotProgress
	artifact *v1alpha2.SnapshotArtifact // what a try that succeeded has reported
}

// look sees Jobs through from. What an agent would lack is looked for only when one may be needed.
func (r *Reconciler) look(ctx context.Context, from client.Reader, key types.NamespacedName) (*scene, error) {
	s := &scene{snapshot: &v1alpha2.EtcdSnapshot{}, jobs: map[string]*batchv1.Job{}}
	if err := from.Get(ctx, key, s.snapshot); err != nil {
		return nil, err
	}
	s.known = known(s.snapshot, r.Now())
	if err := r.readJobs(ctx, from, s); err != nil {
		return nil, err
	}
	kind, tries := s.stake()
	if kind == "" {
		return s, nil
	}
	return s, r.lookAhead(ctx, from, s, kind, tries)
}

// lookAhead sees what has become of the last try, and what another one would be given.
func (r *Reconciler) lookAhead(ctx context.Context, from client.Reader, s *scene, kind task.Kind, tries *[]plan.Try) error {
	if err := r.readLast(ctx, s, tries); err != nil {
		return err
	}
	last := lastOf(*tries)
	running := last != nil && last.State == plan.TryRunning
	if running && !s.slow(last) {
		return nil
	}
	if err := r.lookAround(ctx, from, s, kind); err != nil {
		return err
	}
	switch {
	case running && s.around.obstacle().Reason == "":
		return r.compare(s, last, kind)
	case kind == task.Delete && s.known.Held && s.known.DeleteStored:
		return r.readEnd(ctx, s, last)
	}
	return nil
}

// known is what the EtcdSnapshot itself says.
func known(s *v1alpha2.EtcdSnapshot, now time.Time) plan.Snapshot {
	st := &s.Status
	k := plan.Snapshot{
		Now: now, Created: s.CreationTimestamp.Time, Deadline: defaultDeadline,
		Deleting: !s.DeletionTimestamp.IsZero(), Held: controllerutil.ContainsFinalizer(s, v1alpha2.FinalizerSnapshot),
		DeleteStored: s.Spec.DeletionPolicy == v1alpha2.SnapshotDelete,
		Record:       plan.SnapshotRecord{Phase: plan.SnapshotPhase(st.Phase), Attempts: int(st.Attempts)},
		Request:      s.Annotations[v1alpha2.AnnotationVerify],
	}
	if s.Spec.ActiveDeadlineSeconds != nil {
		k.Deadline = time.Duration(*s.Spec.ActiveDeadlineSeconds) * time.Second
	}
	if st.LastAttemptEndedAt != nil {
		k.Record.Ended = st.LastAttemptEndedAt.Time
	}
	if st.Verification != nil {
		k.Record.Answered = st.Verification.Request
	}
	return k
}

func (r *Reconciler) readJobs(ctx context.Context, from client.Reader, s *scene) error {
	var jobs batchv1.JobList
	err := from.List(ctx, &jobs, client.InNamespace(s.snapshot.Namespace),
		client.MatchingLabels{v1alpha2.LabelSnapshot: resource.SnapshotLabel(s.snapshot.Name)})
	if err != nil {
		return fmt.Errorf("list Jobs: %w", err)
	}
	for i := range jobs.Items {
		job := &jobs.Items[i]
		if !resource.ControlledBy(job, s.snapshot.UID) {
			continue
		}
		s.jobs[job.Name] = job
		tries := &s.known.Saves
		if kind := task.Kind(job.Labels[v1alpha2.LabelSnapshotTask]); kind == task.Delete {
			tries = &s.known.Deletes
		} else if kind == task.Drill {
			tries = &s.known.Drills
		}
		*tries = append(*tries, tryOf(job, r.Now()))
	}
	for _, tries := range [][]plan.Try{s.known.Saves, s.known.Deletes, s.known.Drills} {
		slices.SortFunc(tries, func(a, b plan.Try) int { return cmp.Or(cmp.Compare(a.Number, b.Number), cmp.Compare(a.Job, b.Job)) })
	}
	return nil
}

// stake is what is done next, and the tries of it that are there; empty if nothing is.
func (s *scene) stake() (task.Kind, *[]plan.Try) {
	switch k := &s.known; {
	case k.Deleting:
		return task.Delete, &k.Deletes
	case !k.Record.Final():
		return task.Save, &k.Saves
	case k.Record.Phase == plan.SnapshotComplete && k.Request != "" && k.Request != k.Record.Answered:
		return task.Drill, &k.Drills
	}
	return "", nil
}

func lastOf(tries []plan.Try) *plan.Try {
	if len(tries) == 0 {
		return nil
	}
	return &tries[len(tries)-1]
}

// readLast adds what the Pod of the last try says.
func (r *Reconciler) readLast(ctx context.Context, s *scene, tries *[]plan.Try) error {
	t := lastOf(*tries)
	if t == nil {
		return nil
	}
	job := s.jobs[t.Job]
	pod, err := r.podOf(ctx, job)
	if err != nil {
		return err
	}
	s.hear(t, job, pod)
	if working(pod) && s.known.Saves != nil && t == lastOf(s.known.Saves) {
		s.address = pod.Status.PodIP
	}
	return nil
}

// podOf is the Pod of a Job, nil if there is none. It is read past the cache, which holds those of members only.
func (r *Reconciler) podOf(ctx context.Context, job *batchv1.Job) (*corev1.Pod, error) {
	var pods corev1.PodList
	err := r.Live.List(ctx, &pods, client.InNamespace(job.Namespace), client.MatchingLabels{batchv1.JobNameLabel: job.Name})
	if err != nil {
		return nil, fmt.Errorf("list Pods of Job %s: %w", job.Name, err)
	}
	var newest *corev1.Pod
	for i := range pods.Items {
		pod := &pods.Items[i]
		if resource.ControlledBy(pod, job.UID) && (newest == nil || newest.CreationTimestamp.Before(&pod.CreationTimestamp)) {
			newest = pod
		}
	}
	return newest, nil
}

// slow says whether a try that runs has not begun to work for long.
func (s *scene) slow(t *plan.Try) bool {
	return t.Message != "" && s.known.Now.Sub(s.jobs[t.Job].CreationTimestamp.Time) > beginWithin
}

// compare finds out whether a try waits for what its successor would not be given.
func (r *Reconciler) compare(s *scene, t *plan.Try, kind task.Kind) error {
	wanted, err := r.job(s, plan.RunAgent{Kind: plan.AgentKind(kind), Number: t.Number, Request: t.Request})
	if err != nil {
		return err
	}
	t.Outdated = !equal(resource.Needs(s.jobs[t.Job]), resource.Needs(wanted))
	return nil
}

func equal(a, b map[string]bool) bool {
	if len(a) != len(b) {
		return false
	}
	for name := range a {
		if !b[name] {
			return false
		}
	}
	return true
}

// familiar says that the decision is on record already, so that no closer look is needed to speak of it.
func (s *scene) familiar(d plan.SnapshotDecision) bool {
	return d.Failed == nil && d.Done == nil && d.Drill == ""
}
