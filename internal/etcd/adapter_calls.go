package etcd

import (
	"cmp"
	"context"
	"fmt"
	"regexp"
	"strconv"

	"go.etcd.io/etcd/api/v3/etcdserverpb"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// Status implements Reader.
func (c *client) Status(ctx context.Context) (Status, error) {
	var status Status
	err := c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		answer, err := maintenance(etcd).Status(ctx, &etcdserverpb.StatusRequest{})
		if err == nil {
			status = statusOf(answer)
		}
		return err
	})
	return status, err
}

func statusOf(s *etcdserverpb.StatusResponse) Status {
	return Status{
		ClusterID:        s.Header.GetClusterId(),
		MemberID:         s.Header.GetMemberId(),
		Version:          s.Version,
		StorageVersion:   s.StorageVersion,
		Leader:           s.Leader,
		Learner:          s.IsLearner,
		RaftTerm:         s.RaftTerm,
		RaftIndex:        s.RaftIndex,
		RaftAppliedIndex: s.RaftAppliedIndex,
		Revision:         s.Header.GetRevision(),
		DBSize:           s.DbSize,
		DBSizeInUse:      s.DbSizeInUse,
		DBSizeQuota:      s.DbSizeQuota,
		Errors:           s.Errors,
		Alarms:           alarmsIn(s.Errors),
		Downgrade:        downgradeIn(s.DowngradeInfo),
	}
}

// alarmText is how etcd prints an alarm among the errors of a status. It leaves out a member ID of 0.
var alarmText = regexp.MustCompile(`^(?:memberID:(\d+)\s+)?alarm:(\w+)\s*$`)

func alarmsIn(errors []string) []Alarm {
	var alarms []Alarm
	for _, text := range errors {
		found := alarmText.FindStringSubmatch(text)
		if found == nil {
			continue
		}
		id, _ := strconv.ParseUint(found[1], 10, 64)
		alarms = append(alarms, Alarm{MemberID: id, Type: AlarmType(found[2])})
	}
	return alarms
}

// Read implements Reader.
func (c *client) Read(ctx context.Context) error {
	return c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.Get(ctx, ProbeKey)
		return err
	})
}

// ReadLocal implements Reader.
func (c *client) ReadLocal(ctx context.Context) error {
	return c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.Get(ctx, ProbeKey, clientv3.WithSerializable())
		return err
	})
}

// Members implements Reader.
func (c *client) Members(ctx context.Context) (MemberList, error) {
	var list MemberList
	err := c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		answer, err := etcd.MemberList(ctx)
		if err != nil {
			return err
		}
		list = MemberList{ClusterID: answer.Header.ClusterId, Members: make([]Member, 0, len(answer.Members))}
		for _, m := range answer.Members {
			list.Members = append(list.Members, memberOf(m))
		}
		return nil
	})
	return list, err
}

func memberOf(m *etcdserverpb.Member) Member {
	return Member{ID: m.ID, Name: m.Name, PeerURLs: m.PeerURLs, ClientURLs: m.ClientURLs, Learner: m.IsLearner}
}

// Alarms implements Reader.
func (c *client) Alarms(ctx context.Context) ([]Alarm, error) {
	var alarms []Alarm
	err := c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		answer, err := etcd.AlarmList(ctx)
		if err != nil {
			return err
		}
		for _, a := range answer.Alarms {
			alarms = append(alarms, Alarm{MemberID: a.MemberID, Type: AlarmType(a.Alarm.String())})
		}
		return nil
	})
	return alarms, err
}

// AddLearner implements Changer.
func (c *client) AddLearner(ctx context.Context, peerURL string) (Member, error) {
	var added Member
	err := c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		answer, err := etcd.MemberAddAsLearner(ctx, []string{peerURL})
		if err == nil {
			added = memberOf(answer.Member)
		}
		return err
	})
	return added, err
}

// Promote implements Changer.
func (c *client) Promote(ctx context.Context, id uint64) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.MemberPromote(ctx, id)
		return err
	})
}

// Remove implements Changer.
func (c *client) Remove(ctx context.Context, id uint64) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.MemberRemove(ctx, id)
		return err
	})
}

// Readdress implements Changer.
func (c *client) Readdress(ctx context.Context, id uint64, peerURL string) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.MemberUpdate(ctx, id, []string{peerURL})
		return err
	})
}

// MoveLeader implements Changer.
func (c *client) MoveLeader(ctx context.Context, to uint64) error {
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.MoveLeader(ctx, to)
		return err
	})
}

// Disarm implements Changer.
func (c *client) Disarm(ctx context.Context, alarm Alarm) error {
	kind, known := etcdserverpb.AlarmType_value[string(alarm.Type)]
	if !known || kind == int32(etcdserverpb.AlarmType_NONE) { // clientv3 takes NONE of member 0 for all alarms
		return fmt.Errorf("disarm: %q is no alarm", alarm.Type)
	}
	return c.change(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		_, err := etcd.AlarmDisarm(ctx, &clientv3.AlarmMember{MemberID: alarm.MemberID, Alarm: etcdserverpb.AlarmType(kind)})
		return err
	})
}

// HashKV implements Reader.
func (c *client) HashKV(ctx context.Context, revision int64) (HashKV, error) {
	var hash HashKV
	err := c.read(ctx, func(ctx context.Context, etcd *clientv3.Client) error {
		answer, err := maintenance(etcd).HashKV(ctx, &etcdserverpb.HashKVRequest{Revision: revision})
		if err == nil {
			hash = HashKV{Hash: answer.Hash, Revision: cmp.Or(answer.HashRevision, revision), CompactRevision: answer.CompactRevision}
			hash.Revision = cmp.Or(hash.Revision, answer.Header.GetRevision()) // 3.5 tells only which revision it is at
		}
		return err
	})
	return hash, err
}
