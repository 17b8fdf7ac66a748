package etcdfake

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/cozystack/etcd-operator/internal/etcd"
)

// Args is what etcd is started with.
type Args struct {
	Name           string // --name
	PeerURL        string // --initial-advertise-peer-urls
	ClientURL      string // --advertise-client-urls
	InitialCluster string // --initial-cluster
	Token          string // --initial-cluster-token
	Existing       bool   // --initial-cluster-state=existing, else new
	Volume         string // identity of the volume with --data-dir; an unknown one is empty
	Version        string // of the binary, such as 3.6.16

	CheckAtStart      bool // InitialCorruptCheck: compare hashes with the peers before serving
	CheckAtCompaction bool // CompactHashCheck: the leader compares hashes after a compaction
}

// Exit says how a process ended, as a kubelet sees it.
type Exit struct {
	Code    int
	Message string // what stands at the end of its log
}

// Error implements error.
func (e *Exit) Error() string { return fmt.Sprintf("etcd exited with %d: %s", e.Code, e.Message) }

// Start runs etcd. The error is an *Exit if etcd refuses to start. What it meets afterwards may end the process at any
// time: see Process.Exited.
func (w *World) Start(a Args) (*Process, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.find(func(p *Process) bool { return p.args.PeerURL == a.PeerURL || p.args.ClientURL == a.ClientURL }) != nil {
		return nil, refuse("listen tcp: bind: address already in use")
	}
	if w.volumes[a.Volume] == nil {
		w.volumes[a.Volume] = &volume{}
	}
	data := w.volumes[a.Volume]
	if w.find(func(p *Process) bool { return p.data == data }) != nil {
		return nil, refuse("etcd data directory is flocked by another process") // etcd waits instead; it serves nothing either
	}
	if !data.formatted {
		if err := w.format(data, a); err != nil {
			return nil, err
		}
	}
	if w.member(data.clusterID, data.memberID) != nil {
		return nil, &Exit{Code: 2, Message: lostLog}
	}
	if decided := data.log.sum().version; older(minor(a.Version), decided) { // version/downgrade.go, MustDetectDowngrade
		return nil, &Exit{Code: 2, Message: "invalid downgrade; server version is lower than determined cluster version"}
	}
	p := &Process{world: w, args: a, data: data, since: data.log}
	if a.CheckAtStart && w.differs(p) {
		return nil, refuse("%x found data inconsistency with peers", data.memberID)
	}
	w.processes = append(w.processes, p)
	w.settle()
	return p, nil
}

func refuse(format string, args ...any) *Exit {
	return &Exit{Code: 1, Message: fmt.Sprintf(format, args...)}
}

// format prepares an empty directory: bootstrap.go, bootstrapCluster without a WAL. With a WAL etcd looks at none of this.
func (w *World) format(data *volume, a Args) error {
	founders, err := parseCluster(a)
	if err != nil {
		return err
	}
	if a.Existing {
		return w.join(data, a, founders)
	}
	return w.found(data, a, founders)
}

// parseCluster reads --initial-cluster: config.(*ServerConfig).hasLocalMember, CheckDuplicateURL and advertiseMatchesCluster.
func parseCluster(a Args) ([]etcd.Member, error) {
	urls := map[string][]string{}
	seen := map[string]bool{}
	for pair := range strings.SplitSeq(a.InitialCluster, ",") {
		name, u, ok := strings.Cut(pair, "=")
		if !ok {
			return nil, refuse("error setting up initial cluster: %q", pair)
		}
		if seen[u] {
			return nil, refuse("initial cluster %s has duplicate url", a.InitialCluster)
		}
		seen[u] = true
		urls[name] = append(urls[name], u)
	}
	if urls[a.Name] == nil {
		return nil, refuse("couldn't find local name %q in the initial cluster configuration", a.Name)
	}
	if !a.Existing && !slices.Equal(urls[a.Name], []string{a.PeerURL}) {
		return nil, refuse("--initial-cluster has %v but missing from --initial-advertise-peer-urls=%s", urls[a.Name], a.PeerURL)
	}
	var members []etcd.Member
	for _, name := range slices.Sorted(maps.Keys(urls)) {
		members = append(members, etcd.Member{ID: FounderID(a.Token, urls[name]...), Name: name, PeerURLs: sorted(urls[name])})
	}
	return byID(members), nil
}

// found makes a founder: bootstrap.go, bootstrapNewClusterNoWAL. Founders that were told the same start from the same log.
func (w *World) found(data *volume, a Args, founders []etcd.Member) error {
	var ids []uint64
	var self uint64
	for _, m := range founders {
		ids = append(ids, m.ID)
		if m.Name == a.Name {
			self = m.ID
		}
	}
	if peer := w.firstPeer(a, founders); peer != nil { // cluster_util.go, isMemberBootstrapped
		if m, listed := peer.data.log.sum().member(self); listed && len(m.ClientURLs) > 0 {
			return refuse("member %x has already been bootstrapped", self)
		}
	}
	told := fmt.Sprint(founders)
	if w.founded[told] == nil {
		w.founded[told] = genesis(founders)
	}
	*data = volume{formatted: true, clusterID: ClusterID(ids...), memberID: self, term: 1, log: w.founded[told]}
	return nil
}

// join makes a listed member ready to be caught up by the leader: bootstrap.go, bootstrapExistingClusterNoWAL. It believes
// the first peer that answers, which may be behind.
func (w *World) join(data *volume, a Args, told []etcd.Member) error {
	peer := w.firstPeer(a, told)
	if peer == nil {
		return refuse("cannot fetch cluster info from peer urls: could not retrieve cluster information from the given URLs")
	}
	if s := peer.data.log.sum(); s.target != "" || older(minor(a.Version), s.version) { // cluster_util.go, isCompatibleWithCluster
		return refuse("incompatible with current running cluster")
	}
	listed := peer.data.log.sum().members
	if len(listed) != len(told) { // api/membership.ValidateClusterAndAssignIDs
		return refuse("error validating peerURLs: member count is unequal")
	}
	var self uint64
	for _, m := range listed {
		at := slices.IndexFunc(told, func(t etcd.Member) bool { return slices.Equal(t.PeerURLs, sorted(m.PeerURLs)) })
		if at < 0 {
			return refuse("error validating peerURLs: PeerURLs: no match found for existing member (%x, %v)", m.ID, m.PeerURLs)
		}
		if told[at].Name == a.Name {
			self = m.ID
		}
	}
	*data = volume{formatted: true, clusterID: peer.data.clusterID, memberID: self}
	return nil
}

// firstPeer is the member, other than the one that starts, that answers for the member list: cluster_util.go,
// getClusterFromRemotePeers. It need not lead or follow anybody.
func (w *World) firstPeer(a Args, told []etcd.Member) *Process {
	var urls []string
	for _, m := range told {
		if m.Name != a.Name {
			urls = append(urls, m.PeerURLs...)
		}
	}
	for _, u := range sorted(urls) {
		if w.cuts[[2]string{u, a.PeerURL}] || w.cuts[[2]string{a.PeerURL, u}] {
			continue
		}
		if p := w.find(func(p *Process) bool { return p.args.PeerURL == u && p.data.log != nil }); p != nil {
			return p
		}
	}
	return nil
}
