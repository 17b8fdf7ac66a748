package plan

import "testing"

func TestStageOfClientsIsReachedWhenEverythingItTakesIsThere(t *testing.T) {
	supplied, bare := TransportMember{Supplied: true}, TransportMember{}
	on := func(now TLSStage, members ...TransportMember) Transport {
		return Transport{Wanted: true, Announced: true, Now: now, Members: members}
	}
	mutual := func(t Transport, operator bool) Transport {
		t.Mutual, t.Operator = true, operator
		return t
	}
	for name, c := range map[string]struct {
		at   Transport
		want TLSStage
	}{
		"not wanted":                                  {Transport{Now: StageMutual}, StagePlain},
		"before anybody exists":                       {on(""), StageSecured},
		"before it is known whom to trust":            {Transport{Wanted: true}, StagePlain},
		"while a certificate is missing":              {on(StagePlain, supplied, bare), StagePlain},
		"with all certificates":                       {on(StagePlain, supplied, supplied), StageSecured},
		"after a certificate was lost":                {on(StageSecured, supplied, bare), StageSecured},
		"mutual, before the operator has one":         {mutual(on(StagePlain, supplied), false), StagePlain},
		"mutual at once":                              {mutual(on(StagePlain, supplied), true), StageMutual},
		"mutual later, before the operator has one":   {mutual(on(StageSecured, supplied), false), StageSecured},
		"mutual later":                                {mutual(on(StageSecured, supplied), true), StageMutual},
		"mutual, after the operator has lost its own": {mutual(on(StageMutual, supplied), false), StageMutual},
		"while its founders are created, plain":       {Transport{Wanted: true, Forming: true, Announced: true, Now: StagePlain}, StagePlain},
		"while its founders are created, peers":       {Transport{Peers: true, Forming: true, Now: StageSecured}, StageSecured},
		"mutual no more":                              {on(StageMutual, bare), StageSecured},
	} {
		t.Run(name, func(t *testing.T) {
			if got := NextStage(c.at); got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}

// settings are what a process is started with on the peer plane.
type settings struct{ certificate, listens bool }

// transportWorld is members that are told, restart and join in any order, while the spec is changed.
type transportWorld struct {
	wanted  bool
	changes int
	stage   TLSStage
	there   [3]bool
	told    [3]settings
	runs    [3]settings
}

func (w transportWorld) asked() (s settings) {
	return settings{certificate: w.stage != StagePlain, listens: w.stage == StageSecured}
}

func (w transportWorld) seen() Transport {
	t := Transport{Peers: true, Wanted: w.wanted, Announced: true, Now: w.stage}
	for i, there := range w.there {
		if there {
			t.Members = append(t.Members, TransportMember{
				Supplied: true, Prepared: w.told[i].certificate && w.runs[i].certificate, Secured: w.told[i].listens || w.runs[i].listens,
			})
		}
	}
	return t
}

func (w transportWorld) successors() (all []transportWorld) {
	add := func(change func(*transportWorld)) {
		next := w
		change(&next)
		all = append(all, next)
	}
	add(func(w *transportWorld) { w.stage = NextStage(w.seen()) })
	if w.changes > 0 {
		add(func(w *transportWorld) { w.wanted, w.changes = !w.wanted, w.changes-1 })
	}
	for i := range w.there {
		if !w.there[i] {
			add(func(w *transportWorld) { w.there[i], w.told[i], w.runs[i] = true, w.asked(), w.asked() })
			continue
		}
		add(func(w *transportWorld) { w.told[i] = w.asked() })
		add(func(w *transportWorld) { w.runs[i] = w.told[i] })
	}
	return all
}

func TestPeersUnderstandEachOtherWhileTransportChanges(t *testing.T) {
	begin := transportWorld{changes: 3, stage: StagePlain, there: [3]bool{true, true, false}}
	seen := map[transportWorld]bool{begin: true}
	reached := map[TLSStage]int{}
	for queue := []transportWorld{begin}; len(queue) > 0; queue = queue[1:] {
		w := queue[0]
		for i, speaker := range w.runs {
			for j, listener := range w.runs {
				if w.there[i] && w.there[j] && i != j && listener.listens && !speaker.certificate {
					t.Fatalf("%d cannot speak with %d in %+v", i, j, w)
				}
			}
		}
		if w.stage == w.seen().FinalStage() {
			reached[w.stage]++
		}
		for _, next := range w.successors() {
			if !seen[next] {
				seen[next] = true
				queue = append(queue, next)
			}
		}
	}
	t.Logf("%d states, of which the spec is fulfilled in %v", len(seen), reached)
	if reached[StagePlain] == 0 || reached[StageSecured] == 0 {
		t.Error("transport never changes")
	}
}
