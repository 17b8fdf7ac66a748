package observe

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/cozystack/etcd-operator/api/v1alpha2"
	"github.com/cozystack/etcd-operator/internal/etcd"
	"github.com/cozystack/etcd-operator/internal/plan"
	"github.com/cozystack/etcd-operator/internal/resource"
)

// young is how old a snapshot, or a comparison of the data, may be before the minor changes.
const young = 10 * time.Minute

// askVersions asks for what no member's status tells. Where all members run one minor, on data of it and as asked for, nothing is asked.
func (o *Observer) askVersions(ctx context.Context, s *Scene, voice etcd.Client) {
	if settled := s.settledMinor(); settled != "" {
		s.clusterVersion = settled
		return
	}
	if told, err := voice.ClusterVersion(ctx); err == nil {
		s.clusterVersion = told
	}
	if s.downgrade() == nil || s.tellsOfDowngrades() {
		return
	}
	lowest := plan.Minors[0].Of
	lowest.Minor--
	switch err := voice.ValidateDowngrade(ctx, lowest.String()); {
	case err == nil:
		s.downgrading = plan.No
	case errors.Is(err, etcd.ErrDowngrading):
		s.downgrading = plan.Yes
	}
}

// settledMinor is the minor that everything is of, empty if not everything is of one.
func (s *Scene) settledMinor() string {
	if s.downgrade() != nil || len(s.Members) == 0 {
		return ""
	}
	settled := minorOf(s.Cluster.Spec.Version)
	if t := s.Cluster.Status.Template; t != nil && minorOf(t.Version) != settled {
		return ""
	}
	for _, m := range s.Members {
		st := m.Answer.Status
		oldest := settled == plan.Minors[0].Of.MinorString()
		if st == nil || minorOf(st.Version) != settled || minorOf(m.Object.Spec.Version) != settled || st.Downgrade != "" ||
			!oldest && minorOf(st.StorageVersion) != settled {
			return ""
		}
	}
	return settled
}

// minorOf is MAJOR.MINOR of a version, empty if it is none.
func minorOf(version string) string {
	v, ok := plan.ParseVersion(version)
	if !ok {
		return ""
	}
	return v.MinorString()
}

func (s *Scene) downgrade() *v1alpha2.DowngradeStatus {
	if r := s.Cluster.Status.Rollout; r != nil {
		return r.Downgrade
	}
	return nil
}

// tellsOfDowngrades reads from the answers whether a downgrade is enabled, and says whether anybody can tell: 3.5 cannot.
func (s *Scene) tellsOfDowngrades() bool {
	told := false
	for _, m := range s.Members {
		st := m.Answer.Status
		if st == nil || minorOf(st.Version) == plan.Minors[0].Of.MinorString() {
			continue
		}
		if told = true; st.Downgrade != "" {
			s.downgrading = plan.Yes
		}
	}
	if told && s.downgrading == plan.Unknown {
		s.downgrading = plan.No
	}
	return told
}

// versions is what is known of versions. What a change of the minor waits for is only looked at while one is asked for.
func (s *Scene) versions(now time.Time) plan.Versions {
	s.tellsOfDowngrades()
	v := plan.Versions{
		Wanted: s.Cluster.Spec.Version, Failed: s.failed(), Cluster: s.clusterVersion, Enabled: s.downgrading,
	}
	if t := s.Cluster.Status.Template; t != nil {
		v.Base = t.Version
	}
	if d := s.downgrade(); d != nil {
		v.Downgrade = plan.Downgrade{Target: d.Target, Phase: plan.DowngradePhase(d.Phase)}
	}
	for _, m := range s.Members {
		if m.Object.Spec.Removal != nil {
			continue
		}
		one := plan.MemberVersion{Name: m.Object.Name, Given: m.Object.Spec.Version}
		if st := m.Answer.Status; st != nil {
			one.Runs, one.Storage = st.Version, st.StorageVersion
		}
		v.Members = append(v.Members, one)
	}
	if base, known := plan.ParseVersion(v.Base); known {
		if cluster, known := plan.ParseVersion(v.Cluster); known {
			v.Moved = base.LessMinor(cluster)
		}
	}
	if s.changing() {
		s.circumstances(&v, now)
	}
	return v
}

// changing says whether another minor is asked for than a member was given.
func (s *Scene) changing() bool {
	return slices.ContainsFunc(s.Members, func(m *Member) bool {
		return m.Object.Spec.Removal == nil && minorOf(m.Object.Spec.Version) != minorOf(s.Cluster.Spec.Version)
	})
}

func (s *Scene) circumstances(v *plan.Versions, now time.Time) {
	v.ShortLived = s.shortLived(now)
	v.Compared = plan.Verdict{Reason: plan.NotCompared, Message: "the members' data were not compared for 10 minutes: they are first"}
	if check := s.Cluster.Status.Consistency; check != nil && now.Sub(check.CheckedAt.Time) < young {
		switch {
		case s.agreed():
			v.Compared = plan.Verdict{Holds: true, Message: check.Message}
		case check.Verdict == v1alpha2.ConsistencyDiverged:
			v.Compared = plan.Verdict{Reason: "Diverged", Message: check.Message}
		}
	}
	for _, m := range s.Members {
		if st := m.Answer.Status; st != nil {
			v.FullestDB = max(v.FullestDB, int(100*st.DBSize/s.quota(st)))
		}
	}
	v.Snapshot = s.safeguard(now)
}

// quota is what a member says, or, since 3.5 does not, what it was told.
func (s *Scene) quota(st *etcd.Status) int64 {
	told := int64(0)
	if o := s.Cluster.Spec.Options; o != nil && o.QuotaBackendBytes != nil {
		told = *o.QuotaBackendBytes
	}
	return cmp.Or(max(st.DBSizeQuota, 0), told, 2<<30)
}

// shortLived names a plane whose certificates end while members may be restarted with them.
func (s *Scene) shortLived(now time.Time) string {
	tls, wanted := s.Cluster.Status.TLS, s.Cluster.Spec.TLS
	if wanted == nil {
		return ""
	}
	var client, peer *v1alpha2.PlaneTLSStatus
	if tls != nil {
		client, peer = tls.Client, tls.Peer
	}
	if wanted.Client != nil && endsSoon(client, now) {
		return "the certificates that members show to clients end soon, or nobody knows when: the condition TLSReady says more"
	}
	if wanted.Peer != nil && endsSoon(peer, now) {
		return "the certificates that members show to each other end soon, or nobody knows when: the condition TLSReady says more"
	}
	return ""
}

// endsSoon: an hour is enough for the restarts, and certificates that live for a day are renewed long before.
func endsSoon(plane *v1alpha2.PlaneTLSStatus, now time.Time) bool {
	return plane == nil || plane.NotAfter == nil || plane.NotAfter.Sub(now) < time.Hour
}

// readSafeguards reads while it matters.
func (s *Scene) readSafeguards(ctx context.Context, from client.Reader) error {
	if !s.changing() {
		return nil
	}
	return s.ReadSafeguards(ctx, from)
}

// ReadSafeguards reads the snapshots of the cluster, and what says where to.
func (s *Scene) ReadSafeguards(ctx context.Context, from client.Reader) error {
	var snapshots v1alpha2.EtcdSnapshotList
	if err := from.List(ctx, &snapshots, client.InNamespace(s.Cluster.Namespace)); err != nil {
		return listing(&snapshots, err)
	}
	for i := range snapshots.Items {
		if o := &snapshots.Items[i]; o.Spec.ClusterRef.Name == s.Cluster.Name && o.DeletionTimestamp.IsZero() {
			s.snapshots = append(s.snapshots, o)
		}
	}
	slices.SortFunc(s.snapshots, func(a, b *v1alpha2.EtcdSnapshot) int { // the youngest first
		return cmp.Or(b.CreationTimestamp.Compare(a.CreationTimestamp.Time), cmp.Compare(a.Name, b.Name))
	})
	var schedules v1alpha2.EtcdSnapshotScheduleList
	if err := from.List(ctx, &schedules, client.InNamespace(s.Cluster.Namespace)); err != nil {
		return listing(&schedules, err)
	}
	for i := range schedules.Items {
		if o := &schedules.Items[i]; o.Spec.ClusterRef.Name == s.Cluster.Name && o.DeletionTimestamp.IsZero() {
			s.schedules = append(s.schedules, o)
		}
	}
	return nil
}

// safeguard weighs the snapshots.
func (s *Scene) safeguard(now time.Time) (g plan.Safeguard) {
	g.Wanted = len(s.schedules)+len(s.snapshots) > 0
	for _, o := range s.snapshots {
		recent := o.Status.CompletedAt != nil && now.Sub(o.Status.CompletedAt.Time) < young
		ours := o.Labels[v1alpha2.LabelBeforeVersion] == s.Cluster.Spec.Version
		switch {
		case o.Status.Phase == v1alpha2.SnapshotComplete && recent:
			g.Taken = cmp.Or(g.Taken, o.Name)
		case o.Status.Phase == v1alpha2.SnapshotFailed && recent && ours && g.Failed == "":
			g.Failed = o.Name + " failed, and is tried again after " + young.String()
		case ours && o.Status.Phase != v1alpha2.SnapshotComplete && o.Status.Phase != v1alpha2.SnapshotFailed:
			g.Taking = cmp.Or(g.Taking, o.Name)
		}
	}
	return g
}

// Safeguard is the EtcdSnapshot that is taken before the minor changes: where the first schedule of the cluster stores its own, or where
// the last one was stored.
func (s *Scene) Safeguard(now time.Time) *v1alpha2.EtcdSnapshot {
	var spec v1alpha2.EtcdSnapshotSpec
	switch {
	case len(s.schedules) > 0:
		from := s.schedules[0].Spec.DeepCopy()
		spec.Destination, spec.Compression = from.Destination, from.Compression
	case len(s.snapshots) > 0:
		from := s.snapshots[0].Spec.DeepCopy()
		spec.Destination, spec.Compression = from.Destination, from.Compression
	default:
		return nil
	}
	return resource.Safeguard(s.Cluster, spec, metav1.NewTime(now))
}

// Target is the cluster with the template that its members are to have now.
func (s *Scene) Target() *v1alpha2.EtcdCluster {
	switch {
	case s.route.Course == plan.ToBase, s.route.Course == plan.ToSpec && (s.timersApart() != "" || !s.rehearsed()):
		return resource.Target(s.Cluster, false)
	case s.route.Course == plan.AsTheyAre:
		as := s.Cluster.DeepCopy()
		as.Status.Template = s.furthest()
		return resource.Target(as, false)
	}
	return s.Cluster
}

// furthest is what the member with the newest version was given.
func (s *Scene) furthest() *v1alpha2.MemberTemplate {
	var newest *Member
	for _, m := range s.Members {
		if m.Object.Spec.Removal != nil {
			continue
		}
		mine, _ := plan.ParseVersion(m.Object.Spec.Version)
		if newest == nil {
			newest = m
		} else if best, _ := plan.ParseVersion(newest.Object.Spec.Version); best.Less(mine) {
			newest = m
		}
	}
	if newest == nil {
		return nil
	}
	template := resource.TemplateOf(newest.Object)
	return &template
}

// lowers is the minor that target takes m down to, empty if it does not.
func lowers(target *v1alpha2.EtcdCluster, m *v1alpha2.EtcdMember) string {
	to, known := plan.ParseVersion(target.Spec.Version)
	given, ok := plan.ParseVersion(m.Spec.Version)
	if !known || !ok || !to.LessMinor(given) {
		return ""
	}
	return to.MinorString()
}
