//go:build bugs

package bugs

// What catches a bug: the exhaustive and the scripted tests of the decisions, the simulation of the whole loop, or real processes.
var (
	unsafeSteps = []string{"./internal/plan/", "-run=TestNoStepIsUnsafe"}
	admissible  = []string{"./internal/plan/", "-run=TestWhatIsAdmissibleIsSafe"}
	converging  = []string{"./internal/plan/", "-run=TestEveryClusterComesToRest"}
	scripted    = []string{"./internal/plan/", "-run=TestScenarios"}
	realizing   = []string{"./internal/plan/", "-run=TestRealizeIsSafe"}
)

// simulation is the whole loop through one story, with every fault at every write.
func simulation(story string) []string {
	return []string{"./test/simulation/", "-run=TestEveryWriteMayFail/^" + story + "$", "-timeout=14m"}
}

// processes runs faults of one kind on real etcd processes.
func processes(kind, seed, count string) []string {
	return []string{
		"-tags=grpcnotrace,robustness", "-timeout=14m", "./test/robustness/",
		"-args", "-worlds=1", "-faults=" + kind, "-seed=" + seed, "-n=" + count,
	}
}

// testbed runs an end-to-end test against the operator that is deployed.
func testbed(test string) []string {
	return []string{"-tags=grpcnotrace,kustomize_disable_go_plugin_support,e2e", "-timeout=14m", "./test/e2e/", "-run=" + test + "$"}
}

const (
	planner    = "internal/plan/"
	controller = "internal/controller/cluster/"
)

// bugs are mistakes that cost data, quorum or identity.
var bugs = []bug{
	{
		name:   "promote-unrecorded",
		breaks: "A learner is promoted before its member ID and volume are recorded: it could vote from another volume later.",
		edits:  []edit{{planner + "admissibility.go", `return "its member ID and volume are not recorded yet"`, `return ""`}},
		suite:  admissible, by: "internal/plan: what is admissible is safe",
		saying: `(?m)^\s*--- FAIL: .*`,
	},
	{
		name:   "remove-into-minority",
		breaks: "A voter is removed although the healthy ones of the rest are no majority.",
		edits: []edit{{planner + "admissibility.go",
			`return fmt.Sprintf("without it %d of %d voters would be healthy, %d must agree", healthy, n, quorum.Size(n))`, `return ""`}},
		suite: unsafeSteps, by: "internal/plan: decisions over all clusters",
		saying: `(?m)^\s*--- FAIL: .*`,
	},
	{
		name:   "confirm-unseen",
		breaks: "A removal is taken for done although etcd's list was not read: Pod and volume of a voter go.",
		edits: []edit{{planner + "leave.go",
			`case m.Leaving && !m.Confirmed && c.Listed && m.Role == Unlisted:`, `case m.Leaving && !m.Confirmed:`}},
		suite: unsafeSteps, by: "internal/plan: decisions over all clusters",
		saying: `(?m)^\s*--- FAIL: .*`,
	},
	{
		name:   "leader-last-word",
		breaks: "A leader is removed without handing over first: writes stop for an election.",
		edits: []edit{{planner + "leave.go",
			`if to, ok := successor(c, m); ok && m.Leader {`, `if to, ok := successor(c, m); ok && m.Leader && false {`}},
		suite: scripted, by: "internal/plan: scenarios of the decisions",
		saying: `(?m)^\s*--- FAIL: .*`,
	},
	{
		name:   "add-first-at-three",
		breaks: "At three voters with one lost a new member is added first, which etcd refuses for ever.",
		edits: []edit{
			{planner + "replace.go", `addFirstFrom = 5`, `addFirstFrom = 3`},
			{planner + "admissibility.go", `if n == 1 || healthy >= quorum.Size(n+1) {`, `if n >= 1 || healthy >= quorum.Size(n+1) {`},
		},
		suite: converging, by: "internal/plan: every cluster converges",
		saying: `(?m)^\s*--- FAIL: .*`,
	},
	{
		name:   "second-cluster",
		breaks: "With the status lost, a second cluster is founded beside the volumes of the first.",
		edits: []edit{
			{planner + "bootstrap.go", `case len(c.Members) > 0:`, `case false:`},
			{planner + "bootstrap.go", `case len(c.Orphans) > 0:`, `case false && len(c.Orphans) > 0:`},
		},
		suite: unsafeSteps, by: "internal/plan: decisions over all clusters",
		saying: `(?m)^\s*--- FAIL: .*`,
	},
	{
		name:   "unbudgeted",
		breaks: "Replacements are begun without being put on record: the budget never fills.",
		edits: []edit{{planner + "replace.go", `return step(RecordReplacement{m.Name, reason}, "ReplacingMember",`,
			`return step(MarkLeaving{m.Name, reason, m.Votes}, "ReplacingMember",`}},
		suite: scripted, by: "internal/plan: scenarios of the decisions",
		saying: `(?m)^\s*--- FAIL: .*`,
	},
	{
		name:   "grant-twice",
		breaks: "A member whose volume is gone is given an empty one, and a second grant to start on it under its old identity.",
		edits: []edit{
			{planner + "realize.go", `return !p.Memory && (p.Volume.useless() || p.replaced() || (p.GrantUsed || p.Recorded || p.Adopted) && gone)`,
				`return !p.Memory && (p.Volume.useless() || gone && false)`},
			{planner + "realize.go", `return !p.GrantUsed && !p.Recorded && !p.Adopted && (p.Memory || p.Volume.Exists && p.Volume.Fresh)`,
				`return p.Memory || p.Volume.Exists && p.Volume.Fresh`},
		},
		suite: realizing, by: "internal/plan: every combination of facts about one member",
		saying: `not true that a grant is (given|used) once`,
	},
	{
		name:   "volume-not-kept",
		breaks: "The volume of a replaced member is deleted at once, although it is to be kept.",
		edits:  []edit{{planner + "realize.go", "case p.KeepAside:", "case p.KeepAside && false:"}},
		suite:  realizing, by: "internal/plan: every combination of facts about one member",
		saying: `not true that a volume that is to be kept is not deleted`,
	},
	{
		name:   "two-at-once",
		breaks: "A second voter is replaced while the replacement of the first joins.",
		edits:  []edit{{planner + "replace.go", "m.Lost && (m.Role != Voter || !progressing(c))", "m.Lost"}},
		suite:  scripted, by: "internal/plan: scenarios of the decisions",
		saying: `(?m)^\s*--- FAIL: .*`,
	},
	{
		name:   "names-again",
		breaks: "Ordinals are counted from the members there are, so that names and peer URLs come back.",
		edits: []edit{{controller + "act.go",
			`resource.MemberIntent{Ordinal: s.LastOrdinal + 1}`, `resource.MemberIntent{Ordinal: int64(len(s.Members)) + 1}`}},
		suite: simulation("lose_a_memory_member"), by: "simulation: a story does not come to its end",
		saying: `the name .* was used twice|not after \d+ turns`,
	},
	{
		name: "open-launcher", breaks: anyVolume, edits: openLauncher,
		suite: processes("empty-disk", "8", "2"), by: "processes: journal, HashKV and observer under the fault empty-disk",
		saying: `LOST WRITE: .*|HASHKV: .*|WATCH: .*|NOT LINEARIZABLE.*`,
	},
	{
		name: "own-eyes-only", breaks: ownEyes, edits: ownEyesOnly,
		suite: processes("cut-operator-from-one", "8", "2"), by: "processes: identities under the fault cut-operator-from-one",
		saying: `REPLACEMENT: .* was replaced, and need not have been`,
	},
	{
		name: "open-launcher, deployed", breaks: anyVolume, edits: openLauncher, deployed: true,
		suite: testbed("TestMemberWhoseVolumeIsGoneIsReplaced"), by: "testbed: who must be replaced is",
		saying: `is replaced for DataLost`,
	},
	{
		name: "own-eyes-only, deployed", breaks: ownEyes, edits: ownEyesOnly, deployed: true,
		suite: testbed("TestMemberIsKeptWhileItIsCutOffFromOneSideOnly"), by: "testbed: who need not be replaced is not",
		saying: `main-\w+ Unreachable`,
	},
	{
		name: "volume-not-kept, deployed", deployed: true,
		breaks: "The volume of a replaced member is deleted at once, although it is to be kept.",
		edits:  []edit{{planner + "realize.go", "case p.KeepAside:", "case p.KeepAside && false:"}},
		suite:  testbed("TestVolumeOfAReplacedMemberIsKeptAsideUntilTheReplacementVotes"), by: "testbed: the volume is aside",
		saying: `(?m)^\s*--- FAIL: .*`,
	},
}

const (
	anyVolume = "The launcher admits everything: a voter starts on an emptied volume (etcd issue 21178)."
	ownEyes   = "A member that only the operator does not reach is taken for unreachable, and replaced."
)

var (
	openLauncher = []edit{{"internal/launcher/launcher.go", "err := l.admit()\n", "_ = l.admit()\n\tvar err error\n"}}
	ownEyesOnly  = []edit{{"internal/observe/answers.go", `silentVoter(m) && !slices.Contains(heard, m.Entry.ID)`,
		`silentVoter(m) && (len(heard) >= 0 || !slices.Contains(heard, m.Entry.ID))`}}
)
