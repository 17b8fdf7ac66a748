package plan

import (
	"fmt"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/datadriven"
)

// TestRealizeScenarios plays testdata/realize.txt. Record with -rewrite, then read the diff.
func TestRealizeScenarios(t *testing.T) {
	datadriven.RunTest(t, "testdata/realize.txt", func(t *testing.T, d *datadriven.TestData) string {
		t.Helper()
		r := Realize(parsePart(t, d))
		step := string(r.Step)
		if r.Step == Rest {
			step = "Rest"
		}
		again := ""
		if r.Recheck > 0 {
			again = fmt.Sprintf(" (looks again after %s)", r.Recheck)
		}
		return strings.TrimSpace(fmt.Sprintf("%s %s\n%s%s", step, r.Failure, r.Message, again)) + "\n"
	})
}

func parsePart(t *testing.T, d *datadriven.TestData) Part {
	t.Helper()
	p := Part{Wanted: true, Admitted: true}
	words := map[string]*bool{
		"disabled": &p.Disabled, "memory": &p.Memory, "founder": &p.Founder, "recorded": &p.Recorded, "dormant": &p.Dormant,
		"confirmed": &p.Confirmed, "grant-used": &p.GrantUsed, "never-started": &p.NeverStarted, "adopted": &p.Adopted, "keep": &p.KeepAside,
		"restoring": &p.Restoring, "refetch": &p.Refetch,
		"unproven": &p.Unproven, "stale": &p.Stale,
	}
	for _, a := range d.CmdArgs {
		switch fact, known := words[a.Key]; {
		case known:
			*fact = true
		case a.Key == "lacking":
			p.Lacking = "Secret a-peer-tls"
		case a.Key == "unsourced":
			p.Unsourced = "Secret s3"
		case a.Key == "unadmitted":
			p.Admitted = false
		case a.Key == "unwanted":
			p.Wanted = false
		case a.Key == "volume":
			p.Volume = PartVolume{
				Name: "data-a", Exists: true, Ours: !slices.Contains(a.Vals, "foreign"), Going: slices.Contains(a.Vals, "going"),
				Fresh: !slices.Contains(a.Vals, "inherited"), Known: !slices.Contains(a.Vals, "unknown"),
				Labelled: !slices.Contains(a.Vals, "mislabelled"), Lost: slices.Contains(a.Vals, "lost"),
				Aside: slices.Contains(a.Vals, "aside"), Unasked: slices.Contains(a.Vals, "unasked"),
			}
		case a.Key == "pod":
			p.Pod = PartPod{
				Name: "a", Exists: true, Ours: !slices.Contains(a.Vals, "foreign") && !slices.Contains(a.Vals, "left"),
				Going: slices.Contains(a.Vals, "going"), Left: slices.Contains(a.Vals, "left"),
				NodeDead: slices.Contains(a.Vals, "node-dead"), NodeDown: slices.Contains(a.Vals, "node-down"),
				Ended: slices.Contains(a.Vals, "ended"), Held: slices.Contains(a.Vals, "held"), Granted: slices.Contains(a.Vals, "granted"),
				Charged: slices.Contains(a.Vals, "charged"), OnVolume: !slices.Contains(a.Vals, "off-volume"),
				Labelled: !slices.Contains(a.Vals, "mislabelled"),
			}
		default:
			d.Fatalf(t, "unknown word %q", a.Key)
		}
	}
	if !p.Volume.Exists {
		p.Volume.Name = "data-a"
	}
	return p
}

// TestRealizeIsSafe looks at every combination of facts that can be.
func TestRealizeIsSafe(t *testing.T) {
	volumes, pods := everyVolume(), everyPod()
	heads := everyHead()
	var group sync.WaitGroup
	for _, head := range heads {
		group.Go(func() {
			for _, volume := range volumes {
				if volume.Exists && head.Memory {
					continue
				}
				head.Volume = volume
				for _, pod := range pods {
					if pod.Charged && !head.GrantUsed {
						continue // Charged says whom the used grant names
					}
					head.Pod = pod
					checkPart(t, head)
				}
			}
		})
	}
	group.Wait()
	t.Logf("up to %d combinations", len(heads)*len(volumes)*len(pods))
}

func checkPart(t *testing.T, p Part) {
	t.Helper()
	r := Realize(p)
	for i := range partClaims {
		if partClaims[i].broken(p, r) {
			t.Errorf("not true that %s: %+v for %+v", partClaims[i].claim, r, p)
			runtime.Goexit()
		}
	}
}

// everyHead is every member that is wanted, and one that is not.
func everyHead() []Part {
	heads := []Part{{Confirmed: true}, {Wanted: true, Disabled: true}}
	for bits := range 1 << 10 {
		next := bitsOf(bits)
		head := Part{
			Wanted: true, Memory: next(), Founder: next(), Recorded: next(), Adopted: next(), Admitted: next(), Dormant: next(),
			Confirmed: next(), KeepAside: next(), GrantUsed: next(), NeverStarted: next(),
		}
		if head.Adopted && (head.Founder || head.Memory) || head.KeepAside && !head.Confirmed {
			continue
		}
		heads = append(heads, head)
		if head.Founder && head.Admitted && !head.Recorded && !head.Confirmed && !head.Dormant {
			head.Restoring, head.Refetch = true, true
			heads = append(heads, head)
		}
	}
	return heads
}

func everyVolume() []PartVolume {
	volumes := []PartVolume{{}}
	for bits := range 1 << 7 {
		next := bitsOf(bits)
		volumes = append(volumes, PartVolume{
			Exists: true, Ours: next(), Going: next(), Fresh: next(), Known: next(), Lost: next(), Aside: next(), Labelled: next(),
		})
	}
	return volumes
}

func everyPod() []PartPod {
	pods := []PartPod{{}}
	for bits := range 1 << 11 {
		next := bitsOf(bits)
		p := PartPod{
			Exists: true, Ours: next(), Left: next(), Going: next(), Ended: next(), Held: next(), Granted: next(), Charged: next(),
			OnVolume: next(), Labelled: next(), NodeDead: next(), NodeDown: next(),
		}
		onNode := p.NodeDead || p.NodeDown
		if p.Ours && p.Left || p.NodeDead && p.NodeDown || p.Held && onNode {
			continue
		}
		pods = append(pods, p)
	}
	return pods
}

func bitsOf(bits int) func() bool {
	return func() bool {
		bit := bits & 1
		bits >>= 1
		return bit == 1
	}
}

// partClaims are what no step may break.
var partClaims = []struct {
	claim  string
	broken func(Part, Realization) bool
}{
	{"nothing is done for a member that is not wanted", func(p Part, r Realization) bool {
		return (!p.Wanted || p.Disabled) && r != Realization{}
	}},
	{"a failure comes without a step", func(_ Part, r Realization) bool { return r.Failure != "" && r.Step != Rest }},
	{"a grant is given once", func(p Part, r Realization) bool {
		return r.Step == CreateGrantedPod && (p.GrantUsed || p.Recorded)
	}},
	{"a grant is used once", func(p Part, r Realization) bool { return r.Step == UseGrant && p.GrantUsed }},
	{"a recorded member is not let go with a grant", func(p Part, r Realization) bool {
		return r.Step == UseGrant && p.Recorded && p.Pod.Held
	}},
	{"a grant is for a volume made for this member", func(p Part, r Realization) bool {
		return r.Step == CreateGrantedPod && !p.Memory && !p.Volume.Fresh
	}},
	{"a recorded member's grant is not reopened", func(p Part, r Realization) bool { return r.Step == ReopenGrant && p.Recorded }},
	{"a founder's grant is reopened only if it never started", func(p Part, r Realization) bool {
		return r.Step == ReopenGrant && p.Founder && !p.NeverStarted
	}},
	{"a gate goes only when the grant is recorded", func(p Part, r Realization) bool {
		return r.Step == ReleasePod && p.Pod.Granted && !p.Pod.Charged
	}},
	{"a volume is made only before the first start", func(p Part, r Realization) bool {
		return r.Step == CreateVolume && (p.GrantUsed || p.Recorded || p.Memory)
	}},
	{"a Pod is made only where there is none", func(p Part, r Realization) bool { return creates(r) && p.Pod.Exists }},
	{"a parked member gets no Pod", func(p Part, r Realization) bool { return creates(r) && p.Dormant }},
	{"a member gets no Pod before it is admitted", func(p Part, r Realization) bool { return creates(r) && !p.Admitted }},
	{"a removed member gets nothing", func(p Part, r Realization) bool {
		return p.Confirmed && !slices.Contains([]PartStep{Rest, DeletePod, ForceDeletePod, DeleteVolume, SetVolumeAside}, r.Step)
	}},
	{"a memory member's Pod is not made again", func(p Part, r Realization) bool {
		return creates(r) && p.Memory && (p.GrantUsed || p.Recorded)
	}},
	{"nobody else's Pod is touched", func(p Part, r Realization) bool {
		return slices.Contains([]PartStep{DeletePod, ForceDeletePod, LabelPod, ReleasePod, UseGrant}, r.Step) && !p.Pod.Ours
	}},
	{"nobody else's volume is touched", func(p Part, r Realization) bool {
		return slices.Contains([]PartStep{DeleteVolume, LabelVolume, SetVolumeAside}, r.Step) && !p.Volume.Ours
	}},
	{"a volume goes last, and only when etcd has let go", func(p Part, r Realization) bool {
		ends := r.Step == DeleteVolume || r.Step == SetVolumeAside
		return ends && (!p.Confirmed || p.Pod.Exists && (p.Pod.Ours || p.Pod.Left))
	}},
	{"a volume that is to be kept is not deleted", func(p Part, r Realization) bool {
		return r.Step == DeleteVolume && (p.KeepAside || p.Volume.Aside)
	}},
	{"a volume is set aside once, and only if it is to be kept", func(p Part, r Realization) bool {
		return r.Step == SetVolumeAside && (!p.KeepAside || p.Volume.Aside)
	}},
	{"a volume that was set aside is not touched", func(p Part, r Realization) bool {
		return p.Volume.Aside && slices.Contains([]PartStep{LabelVolume, DeleteVolume, CreateVolume}, r.Step)
	}},
	{"nobody starts on a volume that was set aside or is lost", func(p Part, r Realization) bool {
		starts := creates(r) || r.Step == ReleasePod || r.Step == UseGrant || r.Step == ReopenGrant && !p.NeverStarted
		return starts && (p.Volume.Aside || p.Volume.Lost)
	}},
	{"a member whose volume was set aside or lost is said to have none", func(p Part, r Realization) bool {
		rests := p.Wanted && !p.Disabled && !p.Confirmed && !p.Dormant && p.Volume.Ours && !p.Pod.Exists && r.Step == Rest
		return rests && (p.Volume.Aside || p.Volume.Lost) && r.Failure != VolumeMissing && r.Failure != VolumeLost
	}},
	{"an adopted member never starts empty", func(p Part, r Realization) bool {
		return p.Adopted && (r.Step == CreateGrantedPod || r.Step == CreateVolume || r.Step == UseGrant && p.Pod.Held)
	}},
	{"a Pod is torn away only from a dead node, or when nobody counts on it", func(p Part, r Realization) bool {
		return r.Step == ForceDeletePod && !p.Pod.NodeDead && (!p.Pod.NodeDown || !p.Confirmed)
	}},
	{"a Pod on a dead node does not stay", func(p Part, r Realization) bool {
		return p.Wanted && !p.Disabled && p.Pod.Ours && p.Pod.NodeDead && r.Step != ForceDeletePod
	}},
	{"a running Pod is stopped only on purpose", func(p Part, r Realization) bool {
		idle := p.Pod.Ended || p.Pod.Held
		second := p.Pod.Granted && !p.Pod.Charged && p.GrantUsed
		return r.Step == DeletePod && !p.Confirmed && !idle && !second && !p.Refetch && (!p.Dormant || p.Memory)
	}},
	{"who looks at what a snapshot is fetched with looks again", func(p Part, r Realization) bool {
		return p.Wanted && !p.Disabled && p.Restoring && r.Step == Rest && r.Recheck == 0
	}},
}

func creates(r Realization) bool { return r.Step == CreateGrantedPod || r.Step == CreatePod }
