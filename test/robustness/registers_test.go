//go:build robustness

package robustness

import (
	"context"
	"fmt"
	"math"
	"math/rand/v2"
	"sync"
	"time"

	"github.com/anishathalye/porcupine"
	clientv3 "go.etcd.io/etcd/client/v3"
)

// registers are keys that two clients change at the same time. Each round has its own, so that histories stay short.
type registers struct {
	w     *world
	start time.Time

	mu      sync.Mutex
	round   int
	history []porcupine.Operation
	flying  map[int]int // operations on their way, by round
	clients int
}

const (
	registersPerRound = 4
	// ease is what a client of the registers waits between two operations.
	ease = 90 * time.Millisecond
)

func newRegisters(w *world) *registers {
	return &registers{w: w, start: time.Now(), flying: map[int]int{}}
}

// request is one operation on a register.
type request struct {
	round      int
	verb       string // get, put, cas or delete
	key        string
	value, old string // "" is absent
}

// reply is its answer.
type reply struct {
	value string // that is there, or was put
	done  bool   // of a cas
	known bool
}

// begin starts the history of a new round and gives that of the one before.
func (g *registers) begin(ctx context.Context) (over []porcupine.Operation) {
	g.mu.Lock()
	old := g.round
	g.round++
	for g.flying[old] > 0 && ctx.Err() == nil {
		g.mu.Unlock()
		sleep(ctx, 20*time.Millisecond)
		g.mu.Lock()
	}
	defer g.mu.Unlock()
	delete(g.flying, old)
	var next []porcupine.Operation
	for _, o := range g.history {
		if o.Input.(request).round == old {
			over = append(over, o)
		} else {
			next = append(next, o)
		}
	}
	g.history = next
	return over
}

// client works on the registers of the round until ctx ends.
func (g *registers) client(n int) func(context.Context, *clientv3.Client) {
	return func(ctx context.Context, c *clientv3.Client) {
		last := map[string]string{}
		wait := ease
		for seq := 0; ctx.Err() == nil; seq++ {
			g.mu.Lock()
			round := g.round
			g.flying[round]++
			g.mu.Unlock()
			in := request{round: round, verb: "get", key: fmt.Sprintf("r/%d/%d", round, rand.IntN(registersPerRound))}
			switch x := rand.IntN(20); {
			case x < 7:
				in.verb, in.value = "put", fmt.Sprintf("%d.%d", n, seq)
			case x < 12 && last[in.key] != "":
				in.verb, in.old, in.value = "cas", last[in.key], fmt.Sprintf("%d.%d", n, seq)
			case x == 12:
				in.verb = "delete"
			}
			if known := g.run(ctx, c, in, last); known {
				wait = ease
			} else {
				wait = min(wait*2, time.Second)
			}
			g.mu.Lock()
			g.flying[round]--
			g.mu.Unlock()
			sleep(ctx, wait)
		}
	}
}

func (g *registers) run(ctx context.Context, c *clientv3.Client, in request, last map[string]string) bool {
	limited, cancel := context.WithTimeout(ctx, patience)
	defer cancel()
	call := time.Since(g.start).Nanoseconds()
	out, err := send1(limited, c, in)
	end := time.Since(g.start).Nanoseconds()
	if err != nil {
		if in.verb == "get" {
			return false
		}
		end = math.MaxInt64 // it may take place at any time, or never
	}
	out.known = err == nil
	if out.known {
		last[in.key] = out.value
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	g.clients++
	g.history = append(g.history, porcupine.Operation{ClientId: g.clients, Input: in, Call: call, Output: out, Return: end})
	return out.known
}

func send1(ctx context.Context, c *clientv3.Client, in request) (reply, error) {
	switch in.verb {
	case "put":
		_, err := c.Put(ctx, in.key, in.value)
		return reply{value: in.value}, err
	case "delete":
		_, err := c.Delete(ctx, in.key)
		return reply{}, err
	case "cas":
		got, err := c.Txn(ctx).If(clientv3.Compare(clientv3.Value(in.key), "=", in.old)).
			Then(clientv3.OpPut(in.key, in.value)).Else(clientv3.OpGet(in.key)).Commit()
		if err != nil {
			return reply{}, err
		}
		if got.Succeeded {
			return reply{done: true, value: in.value}, nil
		}
		if found := got.Responses[0].GetResponseRange().Kvs; len(found) > 0 {
			return reply{value: string(found[0].Value)}, nil
		}
		return reply{}, nil
	default:
		got, err := c.Get(ctx, in.key)
		if err != nil || len(got.Kvs) == 0 {
			return reply{}, err
		}
		return reply{value: string(got.Kvs[0].Value)}, nil
	}
}

// register is the model: one value, changed at one moment between a call and its return.
var register = porcupine.Model{
	Partition: func(history []porcupine.Operation) [][]porcupine.Operation {
		byKey := map[string][]porcupine.Operation{}
		for _, o := range history {
			key := o.Input.(request).key
			byKey[key] = append(byKey[key], o)
		}
		var parts [][]porcupine.Operation
		for _, p := range byKey {
			parts = append(parts, p)
		}
		return parts
	},
	Init: func() any { return "" },
	Step: func(state, input, output any) (bool, any) {
		now, in, out := state.(string), input.(request), output.(reply)
		switch in.verb {
		case "put":
			return true, in.value
		case "delete":
			return true, ""
		case "cas":
			if now == in.old {
				return !out.known || out.done, in.value
			}
			return !out.known || !out.done && out.value == now, now
		default:
			return out.value == now, now
		}
	},
}

// linear checks a history. A write without an answer whose value nobody ever saw could have come last: it proves nothing.
func linear(history []porcupine.Operation) porcupine.CheckResult {
	seen := map[string]bool{}
	for _, o := range history {
		in, out := o.Input.(request), o.Output.(reply)
		if in.verb == "get" || in.verb == "cas" && out.known && !out.done {
			seen[in.key+"="+out.value] = true
		}
		if in.verb == "cas" && out.done {
			seen[in.key+"="+in.old] = true
		}
	}
	var telling []porcupine.Operation
	for _, o := range history {
		in, out := o.Input.(request), o.Output.(reply)
		if out.known || in.verb == "delete" || seen[in.key+"="+in.value] {
			telling = append(telling, o)
		}
	}
	return porcupine.CheckOperationsTimeout(register, telling, 10*time.Second)
}
