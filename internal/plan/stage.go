package plan

import "slices"

// TLSStage is how members speak on a plane, and how those that are started now are to speak.
type TLSStage string

// Stages of a plane. Members are brought from one to the next by restarts, one at a time, so that two stages meet: whoever is at one
// of them has to understand those at the other.
const (
	StagePlain    TLSStage = "Plain"
	StagePrepared TLSStage = "Prepared" // peers only: they listen in plain, and can speak with those that do not
	StageSecured  TLSStage = "Secured"
	StageMutual   TLSStage = "Mutual" // clients only: they need certificates, too. Peers always do
)

// Transport is everything that the stage of a plane may depend on.
type Transport struct {
	Peers  bool // members speak with each other here
	Wanted bool // the spec wants the plane secured
	Mutual bool // and clients to have certificates

	Forming   bool // founders exist, and the cluster does not yet
	Announced bool // it is written down whom to trust
	Operator  bool // the operator has a client certificate that members will accept
	Now       TLSStage
	Members   []TransportMember
}

// TransportMember is a member on a plane.
type TransportMember struct {
	Supplied bool // there is a certificate for it
	Prepared bool // its process has it, and the next one will
	Secured  bool // its process listens with it, or the next one will
}

// NextStage decides. A stage that was reached is left only because of the spec: what is missing later keeps members as they are. While
// a cluster forms, its founders have to agree on where they listen.
func NextStage(t Transport) TLSStage {
	switch {
	case t.Forming:
		return t.Now
	case t.Peers:
		return t.nextOfPeers()
	}
	return t.nextOfClients()
}

func (t Transport) nextOfClients() TLSStage {
	secured := t.Now == StageSecured || t.Now == StageMutual
	switch {
	case !t.Wanted:
		return StagePlain
	case !t.Mutual && (secured || t.supplied()):
		return StageSecured
	case t.Mutual && (t.Now == StageMutual || t.Operator && t.supplied()):
		return StageMutual
	case secured:
		return StageSecured
	}
	return StagePlain
}

func (t Transport) nextOfPeers() TLSStage {
	all := func(is func(TransportMember) bool) bool {
		return !slices.ContainsFunc(t.Members, func(m TransportMember) bool { return !is(m) })
	}
	switch {
	case !t.Wanted && all(func(m TransportMember) bool { return !m.Secured }):
		return StagePlain
	case !t.Wanted:
		return StagePrepared
	case t.Now == StageSecured:
		return StageSecured
	case t.supplied() && all(func(m TransportMember) bool { return m.Prepared }):
		return StageSecured
	case t.supplied(), t.Now == StagePrepared:
		return StagePrepared
	}
	return StagePlain
}

func (t Transport) supplied() bool {
	return t.Announced && !slices.ContainsFunc(t.Members, func(m TransportMember) bool { return !m.Supplied })
}

// FinalStage is the one that the spec asks for.
func (t Transport) FinalStage() TLSStage {
	switch {
	case !t.Wanted:
		return StagePlain
	case t.Mutual && !t.Peers:
		return StageMutual
	}
	return StageSecured
}
